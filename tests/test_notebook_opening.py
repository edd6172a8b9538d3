"""A notebook opens with a title, its badge, what it takes; then comes the one set-up cell."""

import re

from rules import code_cells, complaints, edit, tag, tags, three_tests_of

from helpers.publishing.badges import badge, set_up_cell


def opens_with_title_badge_and_times(notebook, path):
    first = notebook.cells[0]
    if first.cell_type != "markdown" or not first.source.startswith("# "):
        yield "cell 0: is not Markdown that opens with a title"
    if badge(path.name) not in first.source:
        yield "cell 0: lacks this notebook's badge (make badges)"
    for device in ("GPU", "CPU"):
        if not re.search(rf"\b{device}\b", first.source):
            yield f"cell 0: does not say how long it takes on a {device}"
    if not re.search(r"(\d|\ban?|\bfew|\bsome)\s*(s|seconds?|min|minutes?|h|hours?)\b", first.source):
        yield "cell 0: names no time"


FORM = re.compile(
    r"^# .+\n+\[!.+\n\nAfterwards you can:\n\n(- .+\n(  .+\n)*){1,4}\n\*\*Time:\*\* .+\n(.+\n)*\n\*\*Read before:\*\* "
)


def opens_in_the_one_form(notebook, path):
    """Title, badge, what you can do afterwards, time, what to read before, and an outline of the numbered sections."""
    first = notebook.cells[0].source
    if not FORM.search(first):
        yield "cell 0: is not title, badge, 'Afterwards you can:' with a list, '**Time:**' and '**Read before:**'"
    outline = re.search(r"\n\nOutline: ((?:.+\n?)+)", first)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    numbers = re.findall(r"^## (\d+)\.", text, re.MULTILINE)
    if not outline or re.findall(r"(?:^|· |·\n)(\d+)\. ", outline[1]) != numbers:
        yield f"cell 0: has no line 'Outline: …' of the sections {', '.join(numbers)}"


def set_up_cell_is_the_common_one(notebook, path):
    set_ups = [i for i, cell in code_cells(notebook) if "set-up" in tags(cell)]
    if path.name.startswith("05_"):  # self-contained
        yield from (f"cell {i}: is a set-up cell" for i in set_ups)
        for i, cell in code_cells(notebook):
            if re.search(r"^\s*(from|import)\s+helpers\b", cell.source, re.MULTILINE):
                yield f"cell {i}: imports a helper"
    elif set_ups != [1]:
        yield f"cell 1: the set-up cell, and no other, has the tag set-up (now cells {set_ups})"
    elif notebook.cells[1].source != set_up_cell():
        yield "cell 1: is not the common set-up cell (make badges)"


BREAKS = {
    opens_with_title_badge_and_times: [
        edit(0, "# How", "How"),
        edit(0, "01_first", "02_second"),
        edit(0, "2 minutes on a CPU", ""),
        edit(0, "10 seconds on a GPU, 2 minutes on a", "GPU or"),
    ],
    opens_in_the_one_form: [
        edit(0, "Afterwards you can:", "Afterwards you will be able to"),
        edit(0, "**Time:**", "Time:"),
        edit(0, "**Read before:**", "Read before:"),
        edit(0, "Outline: 12.", "Outline: 11."),
        edit(3, "## 12.", "## 11."),
    ],
    set_up_cell_is_the_common_one: [
        edit(1, "set_up(MODE)", "set_up(1)"),
        edit(1, "https://", "http://"),
        tag(1),
        tag(4, "set-up"),
    ],
}

test_every_notebook, test_accepts_one_that_keeps_it, test_refuses_one_that_breaks_it = three_tests_of(BREAKS)


def test_notebook_05_imports_no_helper(course):
    path = course().rename(course().with_name("05_no_augmentation.ipynb"))
    assert any("set-up" in complaint for complaint in complaints(set_up_cell_is_the_common_one, path))
    assert any("helper" in complaint for complaint in complaints(set_up_cell_is_the_common_one, path))
