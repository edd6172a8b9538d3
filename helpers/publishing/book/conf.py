"""How Sphinx makes the book of the course; ``helpers.publishing.site`` prepares what it reads."""

from helpers.publishing.badges import address, is_placeholder

project = "What a convolution costs, and what it buys"
author = "the authors of the course"
language = "en"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx_copybutton"]
nb_execution_mode = "off"  # what is stored is shown
nb_merge_streams = True  # what a cell prints comes in pieces
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # as they are written: their values name this machine's folders

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["static"]
html_css_files = ["book.css"]
html_show_sourcelink = False
html_use_index = html_domain_indices = False  # the page of the helpers has all names
html_sidebars = {"**": ["search-button-field", "sbt-sidebar-nav"]}  # the first page has the title: no logo
html_show_search_summary = False  # it would fetch each page, which a browser does not do from disk
html_theme_options = {
    "show_toc_level": 2,
    "home_page_in_toc": True,
    "navbar_persistent": [],
    "use_fullscreen_button": True,
    "use_download_button": True,
}
if not is_placeholder():
    html_theme_options |= {
        "repository_url": address(),
        "repository_branch": "main",
        "path_to_docs": "notebooks",
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {"colab_url": "https://colab.research.google.com"},
    }
