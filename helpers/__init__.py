"""What the notebooks import, and in ``publishing`` what is made of them. CONTRIBUTING.md has a map."""
