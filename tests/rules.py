"""How the rules of the notebooks are tested: each ``test_notebook_….py`` holds one of them, or a few that go together.

A rule takes a notebook and its path, and yields one complaint for each cell that breaks it. ``three_tests_of`` makes
the tests: every notebook keeps the rule; a small course (``conftest.course``) keeps it, and changes of that break it.
"""

import re

import nbformat
import pytest

MARKER = re.compile(r"^\s*#+\s*NBVAL_(\w+)\s*$", re.MULTILINE)
LINK = re.compile(r"(!?)\[([^\[\]]*)\]\(([^()\s]*)\)")
STUB = re.compile(r"^(answer =| +return) \.\.\.  # replace the dots$", re.MULTILINE)
FOLDED = re.compile(r"<details>\s*<summary>Solution</summary>.*?```python\n.*?```.*?</details>", re.DOTALL)


# What a rule looks at -----------------------------------------------------------------------------------------------


def tags(cell):
    return cell.metadata.get("tags", [])


def markdown_cells(notebook):
    return [(i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "markdown"]


def code_cells(notebook):
    return [(i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]


def outputs(notebook):
    return [(i, cell, output) for i, cell in code_cells(notebook) for output in cell.outputs]


def is_exempt(cell):
    """Return whether nbval leaves out the comparison of what the cell shows."""
    return "nbval-ignore-output" in tags(cell) or "IGNORE_OUTPUT" in MARKER.findall(cell.source)


# What breaks a rule -------------------------------------------------------------------------------------------------


def edit(index, old, new):
    """Return a change of a notebook: ``old`` becomes ``new`` in the source of cell ``index``."""

    def change(notebook):
        assert old in notebook.cells[index].source
        notebook.cells[index].source = notebook.cells[index].source.replace(old, new)

    return change


def tag(index, *names):
    """Return a change of a notebook: cell ``index`` has these tags and no others."""
    return lambda notebook: notebook.cells[index].metadata.update(tags=list(names))


def with_output(index, kind="stream", *arguments, **fields):
    """Return a change of a notebook: cell ``index`` has one more output."""
    return lambda notebook: notebook.cells[index].outputs.append(nbformat.v4.new_output(kind, *arguments, **fields))


def complaints(rule, path):
    return list(rule(nbformat.read(path, as_version=4), path))


def three_tests_of(breaks):
    """Return three tests of the rules in ``breaks``, ``{rule: [a change that breaks it, …]}``; no list is empty."""
    assert all(breaks.values())
    each_rule = pytest.mark.parametrize("rule", breaks, ids=lambda rule: rule.__name__)
    faults = [(rule, change) for rule, changes in breaks.items() for change in changes]

    @each_rule
    def every_notebook(notebook_path, rule):
        broken = complaints(rule, notebook_path)
        assert not broken, "\n".join([f"{notebook_path.name}:", *broken])

    @each_rule
    def accepts(course, rule):
        assert complaints(rule, course()) == []

    @pytest.mark.parametrize(("rule", "change"), faults, ids=[f"{r.__name__}-{i}" for i, (r, _) in enumerate(faults)])
    def refuses(course, rule, change):
        assert complaints(rule, course(change))

    return every_notebook, accepts, refuses
