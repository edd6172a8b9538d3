"""A notebook can be presented: every cell has its place."""

from rules import three_tests_of

SLIDES = {"slide", "subslide", "fragment", "skip", "notes", "-"}


def has_slide_metadata(notebook, path):
    for i, cell in enumerate(notebook.cells):
        if cell.metadata.get("slideshow", {}).get("slide_type") not in SLIDES:
            yield f"cell {i}: has no slide_type"


BREAKS = {
    has_slide_metadata: [
        lambda notebook: notebook.cells[5].metadata.pop("slideshow"),
    ],
}

test_every_notebook, test_accepts_one_that_keeps_it, test_refuses_one_that_breaks_it = three_tests_of(BREAKS)
