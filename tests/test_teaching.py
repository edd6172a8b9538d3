"""The teacher's page has a section for each notebook, under its own title, with all that it promises."""

import ast
import re

import nbformat
import pytest
from conftest import NOTEBOOKS

from helpers.exercises.checking import CHECKS, judge
from helpers.records import REPOSITORY

PAGE = (NOTEBOOKS[0].parent / "TEACHING.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+): .*?$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("part", ["Minutes", "Ask", "Misconceptions", "Live", "In 45 minutes"])
def test_every_notebook_has_every_part(notebook_path, part):
    assert f"**{part}.**" in SECTIONS[notebook_path.stem]


def test_sections_that_are_named_are_there(notebook_path):
    notebook = nbformat.read(notebook_path, as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    there = set(re.findall(r"^## (\d+)\.", text, re.MULTILINE))
    named = re.findall(r"[Ss]ections? (\d+)(?: to (\d+))?|\((\d+)(?: to (\d+))?\)", SECTIONS[notebook_path.stem])
    assert {number for numbers in named for number in numbers if number} <= there


def test_the_title_stands_in_the_readme_and_here(notebook_path):
    title = re.search(r"^# (.+)$", nbformat.read(notebook_path, as_version=4).cells[0].source, re.MULTILINE)[1]
    name = notebook_path.stem
    assert f"\n## {name}: {title}\n" in PAGE
    assert f"\n| [{name}](notebooks/{name}.ipynb): {title} |" in (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "row", re.findall(r"^\| (\d\d\.\d) \| (.+?) \| (.+?) \|", PAGE, re.MULTILINE), ids=lambda row: row[0]
)
def test_the_answers_are_right_and_the_typical_wrong_ones_are_not(row):
    exercise, right, often = row
    assert judge(exercise, ast.literal_eval(right)) == "Right."
    assert judge(exercise, ast.literal_eval(often)).startswith("Not yet: ")


def test_every_exercise_is_among_the_answers():
    """In the table, or named beside it; and none that there is not."""
    answers = PAGE.partition("\n## Answers\n")[2]
    asked = set(CHECKS) | {"05.1", "05.2"}
    assert set(re.findall(r"\b((?:0\d|10)\.\d)\b", PAGE)) <= asked
    assert set(re.findall(r"(?:^\| |[:;,] )(\d\d\.\d) (?:\||\(|is|has)", answers, re.MULTILINE)) == asked
