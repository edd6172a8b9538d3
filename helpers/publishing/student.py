"""The notebooks without their solutions: ``python -m helpers.publishing.student`` (``make student``).

In ``build/student/``: the same notebooks, but for the folded solutions, and the outputs below a text that asks for a
guess first. The exercises, the hints, the cells that check an answer and the other outputs stay.
"""

import re

import nbformat

from helpers.records import REPOSITORY

GUESS_FIRST = re.compile(
    r"\b[Bb]et\b|\bGuess\b|\bPredict\b|[Ww]rite\s+down\s+(your|a)\s+guess|"
    r"[Bb]efore\s+you\s+(run|look)\b|What\s+do\s+you\s+expect"
)
HINT = re.compile(r"<details>\s*<summary>Hint</summary>.*?</details>\s*", re.DOTALL)
SOLUTION = re.compile(r"<details>\s*<summary>Solution</summary>.*?</details>\s*", re.DOTALL)


def without_folded(notebook, *kinds):
    """Remove what is folded, of ``kinds`` HINT and SOLUTION, and cells that held nothing else; return the number."""
    removed = 0
    for cell in notebook.cells:
        for kind in kinds if cell.cell_type == "markdown" else ():
            cell.source, count = kind.subn("", cell.source)
            removed += count
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    return removed


def without_what_is_guessed(notebook):
    """Clear the outputs of ``notebook`` between a text that asks for a guess and the next text; return their number."""
    asked, cleared = False, 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            asked = bool(GUESS_FIRST.search(cell.source))
        elif asked and cell.cell_type == "code":
            cleared += len(cell.outputs)
            cell.outputs, cell.execution_count = [], None
    return cleared


def make_student_version(paths, folder):
    """Write the notebooks at ``paths`` as students get them to ``folder``; return ``{name: solutions removed}``."""
    folder.mkdir(parents=True, exist_ok=True)
    removed = {}
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        removed[path.name] = without_folded(notebook, SOLUTION)
        without_what_is_guessed(notebook)
        nbformat.write(notebook, folder / path.name)
    return removed


def main():
    """Make the student version of all notebooks in ``build/student/``."""
    folder = REPOSITORY / "build" / "student"
    for name, count in make_student_version(sorted((REPOSITORY / "notebooks").glob("*.ipynb")), folder).items():
        print(f"{name}: {count} solutions removed")
    print(f"The student version is in {folder}.")


if __name__ == "__main__":
    main()
