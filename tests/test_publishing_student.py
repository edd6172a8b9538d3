"""The student version: no solution is left, and nothing else is gone."""

import nbformat
from conftest import NOTEBOOKS

from helpers.publishing.student import make_student_version


def test_solutions_go_and_all_else_stays(course, tmp_path):
    path = course()
    assert make_student_version([path], tmp_path / "student") == {"01_first.ipynb": 2}
    before, after = (
        nbformat.read(place / path.name, as_version=4).cells for place in (path.parent, tmp_path / "student")
    )
    assert [cell.source for cell in after] == [cell.source for cell in before if "<details>" not in cell.source]
    assert [cell.get("outputs") for cell in after if cell.cell_type == "code"] == [
        cell.outputs for cell in before if cell.cell_type == "code"
    ]


def test_text_beside_a_solution_stays(course, tmp_path):
    def change(notebook):
        notebook.cells[9].source = f"Before.\n\n{notebook.cells[9].source}\n\nAfter."

    make_student_version([course(change)], tmp_path)
    assert nbformat.read(tmp_path / "01_first.ipynb", as_version=4).cells[9].source == "Before.\n\nAfter."


def test_each_exercise_of_the_course_loses_its_solution_and_keeps_its_check(tmp_path):
    removed = make_student_version(NOTEBOOKS, tmp_path)
    for name, count in removed.items():
        text = (tmp_path / name).read_text(encoding="utf-8")
        cells = nbformat.reads(text, as_version=4).cells
        exercises = [cell for cell in cells if "exercise" in cell.metadata.get("tags", [])]
        assert count == len(exercises) >= 2, name
        assert "<details>" not in text, name
        assert all("Right." in cell.source and "answer = ..." in cell.source for cell in exercises), name
