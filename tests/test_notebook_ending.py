"""A notebook ends with what was learned, exercises with solutions, and a link; links lead somewhere."""

import re
from urllib.parse import unquote

from rules import FOLDED, LINK, STUB, code_cells, edit, markdown_cells, tag, tags, three_tests_of


def ends_with_what_was_learned_exercises_and_a_link(notebook, path):
    headings = [(i, line) for i, cell in markdown_cells(notebook) for line in cell.source.splitlines()]
    starts = [[i for i, line in headings if line == f"## {title}"] for title in ("What was learned", "Exercises")]
    if not all(starts) or starts[0] > starts[1]:
        yield f"cell {len(notebook.cells) - 1}: no sections 'What was learned' and then 'Exercises' before it"
    learned = "".join(f"{line}\n" for _, line in headings).partition("## What was learned\n")[2].partition("\n## ")[0]
    if (lines := len(re.findall("^- ", learned, re.MULTILINE))) != 3:
        yield f"cells {starts[0]}: {lines} lines of what was learned, not three"
    names = sorted(other.name for other in path.parent.glob("*.ipynb"))
    following = names[names.index(path.name) + 1 :]
    target = following[0] if following else "../README.md"
    if target not in [link for _, _, link in LINK.findall(notebook.cells[-1].source)]:
        yield f"cell {len(notebook.cells) - 1}: does not link to what comes next, {target}"


def has_two_to_four_exercises_with_solutions(notebook, path):
    exercises = [i for i, cell in code_cells(notebook) if "exercise" in tags(cell)]
    if not any("return ...  # replace the dots" in notebook.cells[i].source for i in exercises):
        yield f"cells {exercises}: none asks for a function or a module"
    if not 2 <= len(exercises) <= 4:
        yield f"cells {exercises}: {len(exercises)} cells with the tag exercise, not two to four"
    for i, end in zip(exercises, [*exercises[1:], len(notebook.cells)], strict=True):
        if not STUB.search(notebook.cells[i].source):
            yield f"cell {i}: has no line 'answer = ...  # replace the dots', nor one that returns the dots"
        if not any("<summary>Hint</summary>" in notebook.cells[j].source for j in range(i + 1, end)):
            yield f"cell {i}: is followed by no folded hint"
        solutions = [j for j in range(i + 1, end) if FOLDED.search(notebook.cells[j].source)]
        if len(solutions) != 1:
            yield f"cell {i}: is followed by {len(solutions)} folded solutions with Python, not one"


def links_to_files_that_exist(notebook, path):
    for i, cell in markdown_cells(notebook):
        for _, _, target in LINK.findall(cell.source):
            file = unquote(target.split("#")[0])
            if file and not re.match(r"\w+:", file) and not (path.parent / file).exists():
                yield f"cell {i}: links to {target}, which is not there"


BREAKS = {
    ends_with_what_was_learned_exercises_and_a_link: [
        edit(6, "What was learned", "Summary"),
        edit(7, "## Exercises", "## What was learned"),
        edit(6, "- Adding.", "Adding."),
        edit(13, "02_second", "01_first"),
    ],
    has_two_to_four_exercises_with_solutions: [
        tag(8),
        edit(8, "answer = ...", "answer = 3"),
        edit(11, "return ...", "return 3"),
        edit(12, "<summary>Hint", "<summary>Help"),
        edit(12, "<details><summary>Solution", "<summary>Solution"),
        edit(12, "```python", "```"),
    ],
    links_to_files_that_exist: [
        edit(3, "02_second", "02_gone"),
        edit(3, "(02_second.ipynb)", "(../images/gone.png)"),
    ],
}

test_every_notebook, test_accepts_one_that_keeps_it, test_refuses_one_that_breaks_it = three_tests_of(BREAKS)
