"""One idea a cell: none is long."""

from rules import FOLDED, edit, three_tests_of


def has_no_cell_over_30_lines(notebook, path):
    for i, cell in enumerate(notebook.cells):
        lines = len(FOLDED.sub("", cell.source).splitlines())
        if lines > 30:
            yield f"cell {i}: has {lines} lines"


BREAKS = {
    has_no_cell_over_30_lines: [
        edit(4, "print", "pass\n" * 30 + "print"),
        edit(3, "There", "text\n" * 30 + "There"),
    ],
}

test_every_notebook, test_accepts_one_that_keeps_it, test_refuses_one_that_breaks_it = three_tests_of(BREAKS)
