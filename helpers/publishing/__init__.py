"""What turns the notebooks into pages, a site, slides, a student version, badges and tables. No notebook imports it."""
