"""The rules that every notebook keeps, and, for each rule, notebooks that break it and are found out.

A rule takes a notebook and its path, and yields one complaint for each cell that breaks it.
"""

import re
from urllib.parse import unquote

import nbformat
import pytest

from helpers.publishing.badges import badge, set_up_cell

MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|work|tmp|Users|content|mnt|opt|var)/|\b[CD]:\\")
MARKER = re.compile(r"^\s*#+\s*NBVAL_(\w+)\s*$", re.MULTILINE)
SLIDES = {"slide", "subslide", "fragment", "skip", "notes", "-"}
LINK = re.compile(r"(!?)\[([^\[\]]*)\]\(([^()\s]*)\)")
FOLDED = re.compile(r"<details>\s*<summary>.*?```python\n.*?```.*?</details>", re.DOTALL)


def tags(cell):
    return cell.metadata.get("tags", [])


def markdown_cells(notebook):
    return [(i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "markdown"]


def code_cells(notebook):
    return [(i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]


def outputs(notebook):
    return [(i, cell, output) for i, cell in code_cells(notebook) for output in cell.outputs]


def text_of(output):
    """Return every text that an output holds, as nbval and the reader see it."""
    data = {kind: text for kind, text in output.get("data", {}).items() if kind.startswith(("text/", "image/svg"))}
    parts = [output.get("text", ""), *data.values(), *output.get("traceback", [])]
    return "\n".join(part if isinstance(part, str) else "".join(part) for part in parts)


def is_exempt(cell):
    return "nbval-ignore-output" in tags(cell) or "IGNORE_OUTPUT" in MARKER.findall(cell.source)


# The rules --------------------------------------------------------------------------------------------------------


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


def was_executed_top_to_bottom(notebook, path):
    for expected, (i, cell) in enumerate(code_cells(notebook), 1):
        if cell.execution_count != expected:
            yield f"cell {i}: has execution count {cell.execution_count}, not {expected}"


def stores_no_error(notebook, path):
    for i, cell, output in outputs(notebook):
        if output.output_type == "error" and "raises-exception" not in tags(cell):
            yield f"cell {i}: stores {output.ename}: {output.evalue}"


def stores_no_stderr(notebook, path):
    for i, cell, output in outputs(notebook):
        if output.get("name") == "stderr" and not is_exempt(cell):
            yield f"cell {i}: stores {output.text[:60]!r} on stderr"


def shows_no_path_of_a_machine(notebook, path):
    texts = [(i, cell.source) for i, cell in enumerate(notebook.cells)]
    for i, text in texts + [(i, text_of(output)) for i, _, output in outputs(notebook)]:
        if found := MACHINE_PATH.search(text):
            yield f"cell {i}: shows {text[found.start() :][:40]!r}"


def is_under_3_mb(notebook, path):
    size = path.stat().st_size
    if size >= 3_000_000:
        largest = max(range(len(notebook.cells)), key=lambda i: len(str(notebook.cells[i])))
        yield f"cell {largest}: is the largest of {size:,} bytes"


def has_no_cell_over_30_lines(notebook, path):
    for i, cell in enumerate(notebook.cells):
        lines = len(FOLDED.sub("", cell.source).splitlines())
        if lines > 30:
            yield f"cell {i}: has {lines} lines"


def is_compared_for_the_most_part(notebook, path):
    shown = [(i, is_exempt(cell)) for i, cell in code_cells(notebook) if cell.outputs]
    exempt = [i for i, is_left_out in shown if is_left_out]
    if len(exempt) > 0.3 * len(shown):
        yield f"cells {exempt}: exempt from comparison, {len(exempt)} of {len(shown)} with output"
    for i, cell in code_cells(notebook):
        if "nbval-skip" in tags(cell) or "SKIP" in MARKER.findall(cell.source):
            yield f"cell {i}: is skipped"


def ends_with_what_was_learned_exercises_and_a_link(notebook, path):
    headings = [(i, line) for i, cell in markdown_cells(notebook) for line in cell.source.splitlines()]
    starts = [[i for i, line in headings if line == f"## {title}"] for title in ("What was learned", "Exercises")]
    if not all(starts) or starts[0] > starts[1]:
        yield f"cell {len(notebook.cells) - 1}: no sections 'What was learned' and then 'Exercises' before it"
    names = sorted(other.name for other in path.parent.glob("*.ipynb"))
    following = names[names.index(path.name) + 1 :]
    target = following[0] if following else "../README.md"
    if target not in [link for _, _, link in LINK.findall(notebook.cells[-1].source)]:
        yield f"cell {len(notebook.cells) - 1}: does not link to what comes next, {target}"


def has_two_to_four_exercises_with_solutions(notebook, path):
    exercises = [i for i, cell in code_cells(notebook) if "exercise" in tags(cell)]
    if not 2 <= len(exercises) <= 4:
        yield f"cells {exercises}: {len(exercises)} cells with the tag exercise, not two to four"
    for i, end in zip(exercises, [*exercises[1:], len(notebook.cells)], strict=True):
        if not re.search(r"^answer = \.\.\.", notebook.cells[i].source, re.MULTILINE):
            yield f"cell {i}: has no line 'answer = ...'"
        solutions = [j for j in range(i + 1, end) if FOLDED.search(notebook.cells[j].source)]
        if len(solutions) != 1:
            yield f"cell {i}: is followed by {len(solutions)} folded solutions with Python, not one"


def links_to_files_that_exist(notebook, path):
    for i, cell in markdown_cells(notebook):
        for _, _, target in LINK.findall(cell.source):
            file = unquote(target.split("#")[0])
            if file and not re.match(r"\w+:", file) and not (path.parent / file).exists():
                yield f"cell {i}: links to {target}, which is not there"


def attaches_its_pictures(notebook, path):
    for i, cell in markdown_cells(notebook):
        source = cell.source.replace(badge(path.name), "")
        if "<img" in source:
            yield f"cell {i}: has an <img>"
        for _, alt, target in (link for link in LINK.findall(source) if link[0]):
            if target.removeprefix("attachment:") not in cell.get("attachments", {}):
                yield f"cell {i}: shows {target}, which Colab does not have: attach it, or draw it in a cell"
            if not alt.strip():
                yield f"cell {i}: shows {target} without alt text"


def has_slide_metadata(notebook, path):
    for i, cell in enumerate(notebook.cells):
        if cell.metadata.get("slideshow", {}).get("slide_type") not in SLIDES:
            yield f"cell {i}: has no slide_type"


def stores_figures_as_png(notebook, path):
    for i, _, output in outputs(notebook):
        data = output.get("data", {})
        wrong = [kind for kind in data if kind.startswith("image/") and kind != "image/png"]
        if wrong or ("<Figure" in data.get("text/plain", "") and "image/png" not in data):
            yield f"cell {i}: stores a figure as {wrong or 'text'}"


RULES = [
    opens_with_title_badge_and_times,
    set_up_cell_is_the_common_one,
    was_executed_top_to_bottom,
    stores_no_error,
    stores_no_stderr,
    shows_no_path_of_a_machine,
    is_under_3_mb,
    has_no_cell_over_30_lines,
    is_compared_for_the_most_part,
    ends_with_what_was_learned_exercises_and_a_link,
    has_two_to_four_exercises_with_solutions,
    links_to_files_that_exist,
    attaches_its_pictures,
    has_slide_metadata,
    stores_figures_as_png,
]
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)


def complaints(rule, path):
    return list(rule(nbformat.read(path, as_version=4), path))


@each_rule
def test_notebook(notebook_path, rule):
    broken = complaints(rule, notebook_path)
    assert not broken, "\n".join([f"{notebook_path.name}:", *broken])


# The rules, tested ------------------------------------------------------------------------------------------------


def edit(index, old, new):
    """Return a change of a notebook: ``old`` becomes ``new`` in the source of cell ``index``."""

    def change(notebook):
        assert old in notebook.cells[index].source
        notebook.cells[index].source = notebook.cells[index].source.replace(old, new)

    return change


def tag(index, *names):
    return lambda notebook: notebook.cells[index].metadata.update(tags=list(names))


def output(index, kind="stream", *arguments, **fields):
    return lambda notebook: notebook.cells[index].outputs.append(nbformat.v4.new_output(kind, *arguments, **fields))


def attach(notebook):
    notebook.cells[3].source += "\n![](attachment:a.png)"
    notebook.cells[3].attachments = {"a.png": {"image/png": "iVBORw0K"}}


BREAKS = [
    (opens_with_title_badge_and_times, edit(0, "# How", "How")),
    (opens_with_title_badge_and_times, edit(0, "01_first", "02_second")),
    (opens_with_title_badge_and_times, edit(0, "2 minutes on a CPU", "")),
    (opens_with_title_badge_and_times, edit(0, "10 seconds on a GPU, 2 minutes on a", "GPU or")),
    (set_up_cell_is_the_common_one, edit(1, "set_up(MODE)", "set_up(1)")),
    (set_up_cell_is_the_common_one, edit(1, "https://", "http://")),
    (set_up_cell_is_the_common_one, tag(1)),
    (set_up_cell_is_the_common_one, tag(4, "set-up")),
    (was_executed_top_to_bottom, lambda notebook: notebook.cells[4].update(execution_count=7)),
    (was_executed_top_to_bottom, lambda notebook: notebook.cells[4].update(execution_count=None)),
    (stores_no_error, output(4, "error", ename="ValueError", evalue="no", traceback=[])),
    (stores_no_stderr, output(4, name="stderr", text="careful\n")),
    (shows_no_path_of_a_machine, edit(4, "images", "/home/ada/images")),
    (shows_no_path_of_a_machine, output(4, text="saved in /tmp/run\n")),
    (shows_no_path_of_a_machine, output(4, "display_data", {"text/html": r"<p>C:\Users\ada</p>"})),
    (is_under_3_mb, output(5, "display_data", {"image/png": "A" * 3_000_000})),
    (has_no_cell_over_30_lines, edit(4, "print", "pass\n" * 30 + "print")),
    (has_no_cell_over_30_lines, edit(3, "There", "text\n" * 30 + "There")),
    (is_compared_for_the_most_part, tag(4, "nbval-ignore-output")),
    (is_compared_for_the_most_part, edit(4, "print", "# NBVAL_IGNORE_OUTPUT\nprint")),
    (is_compared_for_the_most_part, tag(2, "nbval-skip")),
    (is_compared_for_the_most_part, edit(2, "images", "# NBVAL_SKIP\nimages")),
    (ends_with_what_was_learned_exercises_and_a_link, edit(6, "What was learned", "Summary")),
    (ends_with_what_was_learned_exercises_and_a_link, edit(7, "## Exercises", "## What was learned")),
    (ends_with_what_was_learned_exercises_and_a_link, edit(13, "02_second", "01_first")),
    (has_two_to_four_exercises_with_solutions, tag(8)),
    (has_two_to_four_exercises_with_solutions, edit(11, "answer = ...", "answer = 3")),
    (has_two_to_four_exercises_with_solutions, edit(12, "<details>", "")),
    (has_two_to_four_exercises_with_solutions, edit(12, "```python", "```")),
    (links_to_files_that_exist, edit(3, "02_second", "02_gone")),
    (links_to_files_that_exist, edit(3, "(02_second.ipynb)", "(../images/gone.png)")),
    (attaches_its_pictures, edit(3, "There", "![A net](net.png) There")),
    (attaches_its_pictures, edit(3, "There", "![A net](https://example.org/net.png) There")),
    (attaches_its_pictures, edit(3, "There", '<img src="net.png"> There')),
    (attaches_its_pictures, attach),
    (has_slide_metadata, lambda notebook: notebook.cells[5].metadata.pop("slideshow")),
    (stores_figures_as_png, output(5, "display_data", {"image/svg+xml": "<svg/>"})),
    (stores_figures_as_png, output(5, "execute_result", {"text/plain": "<Figure size 900x450>"}, execution_count=4)),
]


def test_there_are_notebooks():
    from conftest import NOTEBOOKS

    assert NOTEBOOKS


@each_rule
def test_rule_accepts_a_notebook_that_keeps_it(course, rule):
    assert complaints(rule, course()) == []


@pytest.mark.parametrize(("rule", "change"), BREAKS, ids=[f"{rule.__name__}-{i}" for i, (rule, _) in enumerate(BREAKS)])
def test_rule_refuses_a_notebook_that_breaks_it(course, rule, change):
    assert complaints(rule, course(change))


def test_every_rule_is_broken_once():
    assert {rule for rule, _ in BREAKS} == set(RULES)


def test_notebook_05_imports_no_helper(course):
    path = course().rename(course().with_name("05_no_augmentation.ipynb"))
    assert any("set-up" in complaint for complaint in complaints(set_up_cell_is_the_common_one, path))
    assert any("helper" in complaint for complaint in complaints(set_up_cell_is_the_common_one, path))
