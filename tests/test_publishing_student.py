"""The student version: no solution is left, nothing to be guessed is shown, and nothing else is gone."""

import nbformat
import pytest
from conftest import NOTEBOOKS

from helpers.publishing.student import make_student_version


def test_solutions_go_and_all_else_stays(course, tmp_path):
    path = course()
    assert make_student_version([path], tmp_path / "student") == {"01_first.ipynb": 2}
    before, after = (
        nbformat.read(place / path.name, as_version=4).cells for place in (path.parent, tmp_path / "student")
    )
    kept = [cell.source.partition("<details><summary>Solution")[0] for cell in before]
    assert [cell.source for cell in after] == kept and sum("Hint" in source for source in kept) == 2
    assert [cell.get("outputs") for cell in after if cell.cell_type == "code"] == [
        cell.outputs for cell in before if cell.cell_type == "code"
    ]


def test_text_beside_a_solution_stays(course, tmp_path):
    def change(notebook):
        hint, _, solution = notebook.cells[9].source.partition("</details>\n\n")
        assert "Hint" in hint and "Solution" in solution
        notebook.cells[9].source = f"Before.\n\n{solution}\n\nAfter."

    make_student_version([course(change)], tmp_path)
    assert nbformat.read(tmp_path / "01_first.ipynb", as_version=4).cells[9].source == "Before.\n\nAfter."


@pytest.mark.parametrize(
    ("asks", "shown"), [("Bet now: how many?", 0), ("**Predict** it.", 0), ("It is a better one.", 1)]
)
def test_what_is_to_be_guessed_is_not_shown(course, tmp_path, asks, shown):
    def change(notebook):
        notebook.cells[3].source += f" {asks}"
        notebook.cells.insert(6, nbformat.v4.new_raw_cell("raw"))

    make_student_version([course(change)], tmp_path)
    cells = nbformat.read(tmp_path / "01_first.ipynb", as_version=4).cells
    assert len(cells[4].outputs) == len(cells[5].outputs) == shown and cells[1].outputs


def test_lessons_that_ask_for_a_guess_do_not_show_what_it_is(tmp_path):
    make_student_version(NOTEBOOKS, tmp_path)
    hidden = set()
    for path in NOTEBOOKS:
        cells = (nbformat.read(place / path.name, as_version=4).cells for place in (path.parent, tmp_path))
        hidden |= {cell.id for cell, left in zip(*cells, strict=True) if cell.get("outputs") and not left.outputs}
    asked = "01-009 02-012 02-026 02-099 03-008 03-057 04-016 04-066 07-004 08-009 08-021 leak-luck petaflop 10-013"
    assert set(asked.split()) <= hidden


def test_each_exercise_of_the_course_loses_its_solution_and_keeps_its_check(tmp_path):
    removed = make_student_version(NOTEBOOKS, tmp_path)
    for name, count in removed.items():
        text = (tmp_path / name).read_text(encoding="utf-8")
        cells = nbformat.reads(text, as_version=4).cells
        exercises = [cell for cell in cells if "exercise" in cell.metadata.get("tags", [])]
        assert count == len(exercises) >= 2, name
        assert "<summary>Solution" not in text and text.count("<summary>Hint") == count, name
        assert all(
            "# replace the dots" in cell.source and ("check(" in cell.source or "Right." in cell.source)
            for cell in exercises
        ), name
