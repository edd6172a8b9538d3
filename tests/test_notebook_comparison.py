"""Stored outputs are compared, seven of ten at least."""

from rules import MARKER, code_cells, edit, is_exempt, tag, tags, three_tests_of


def is_compared_for_the_most_part(notebook, path):
    shown = [(i, is_exempt(cell)) for i, cell in code_cells(notebook) if cell.outputs]
    exempt = [i for i, is_left_out in shown if is_left_out]
    if len(exempt) > 0.3 * len(shown):
        yield f"cells {exempt}: exempt from comparison, {len(exempt)} of {len(shown)} with output"
    for i, cell in code_cells(notebook):
        if "nbval-skip" in tags(cell) or "SKIP" in MARKER.findall(cell.source):
            yield f"cell {i}: is skipped"


BREAKS = {
    is_compared_for_the_most_part: [
        tag(4, "nbval-ignore-output"),
        edit(4, "print", "# NBVAL_IGNORE_OUTPUT\nprint"),
        tag(2, "nbval-skip"),
        edit(2, "images", "# NBVAL_SKIP\nimages"),
    ],
}

test_every_notebook, test_accepts_one_that_keeps_it, test_refuses_one_that_breaks_it = three_tests_of(BREAKS)
