"""Every exercise's cell accepts its folded solution, refuses a wrong answer, and waits while there is none.

What a check says to answers of other kinds, the tests of ``helpers.exercises`` ask.
"""

import ast
import re
import symtable

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient

SOLUTION = re.compile(r"<details>.*?```python\n(.*?)```.*?</details>", re.DOTALL)
STUB = re.compile(r".*# replace the dots\n", re.DOTALL)
NAME = re.compile(r"^(?:def |class )?(\w+)")


def exercises(notebook):
    """Return ``(cell index, source, solution)`` of each exercise; the solution is the next folded one."""
    found = []
    for i, cell in enumerate(notebook.cells):
        if "exercise" in cell.metadata.get("tags", []):
            rest = "\n".join(other.source for other in notebook.cells[i + 1 :] if other.cell_type == "markdown")
            found.append((i, cell.source, SOLUTION.search(rest)[1].rstrip()))
    return found


def attempt(source, answer):
    """Return the source of an exercise with ``answer`` in place of the lines that are to be replaced."""
    return STUB.sub(lambda _: answer + "\n", source)


def wrong(source):
    """Return a wrong answer to an exercise: a number, or a function that returns one."""
    name = NAME.match(source)[1]
    return "answer = -1" if name == "answer" else f"def {name}(*given):\n    return -1"


def free(table):
    """Return the global names that the symbols of ``table``, and of the functions in it, read."""
    read = {
        symbol.get_name()
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global())
    }
    return read.union(*map(free, table.get_children()))


def names(source):
    """Return the names that ``source`` reads from before it, those that it may change, and those that it sets anew."""
    read, changed, new = set(), set(), set()
    for statement in ast.parse(TransformerManager().transform_cell(source)).body:
        table = symtable.symtable(ast.unparse(statement), "cell", "exec")
        sets = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
        for node in ast.walk(statement):
            if isinstance(node, ast.AugAssign):
                read |= {name.id for name in ast.walk(node.target) if isinstance(name, ast.Name)} - new
            elif isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
                changed |= {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
        if (getattr(statement, "module", None) or "").startswith("helpers"):
            read.add("FULL")  # what the set-up cell leaves, which is needed to find the helpers
        read |= free(table) - new
        changed |= sets
        if isinstance(statement, (ast.Assign, ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
            new |= sets
    return read, changed, new


def needed(sources, wanted):
    """Return those of the ``sources`` that the code ``wanted`` builds on: most of a notebook can be left out.

    What a call changes in its arguments is not followed: an exercise may meet a network that is not trained yet. Its
    check and its solution meet the same one.
    """
    kept, missing = [], names(wanted)[0]
    for source in reversed(sources):
        read, changed, new = names(source)
        if changed & missing:
            kept.insert(0, source)
            missing = (missing - new) | read
    return kept


def outcomes(sources, attempts, folder):
    """Execute ``sources`` and then each of ``attempts`` in one kernel; return what each attempt printed or raised."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    tries = [nbformat.v4.new_code_cell(source, metadata={"tags": ["raises-exception"]}) for source in attempts]
    notebook = nbformat.v4.new_notebook(cells=[*cells, *tries])
    NotebookClient(
        notebook, timeout=1800, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return ["\n".join(output.get("text") or output.get("ename", "") for output in cell.outputs) for cell in tries]


def failures(notebook, folder):
    """Return a complaint for each check of the notebook that does not answer as it should."""
    found = exercises(notebook)
    attempts = [attempt(source, answer) for _, source, solution in found for answer in (solution, wrong(source))]
    before = [cell.source for cell in notebook.cells[: found[0][0]] if cell.cell_type == "code"]
    unsolved = [source for _, source, _ in found]
    said = outcomes(needed(before, "\n".join(attempts)), attempts + unsolved, folder)
    complaints = []
    for (i, _, _), right, bad, untouched in zip(found, said[0::2], said[1::2], said[len(attempts) :], strict=False):
        if "Right." not in right:
            complaints.append(f"cell {i}: to its own solution it says {right!r}")
        if "Right." in bad or not bad or bad == "NameError":
            complaints.append(f"cell {i}: to a wrong answer it says {bad!r}")
        if "Your turn" not in untouched:
            complaints.append(f"cell {i}: without an answer it says {untouched!r}")
    return complaints


def test_solutions_pass_and_wrong_answers_do_not(notebook_path):
    broken = failures(nbformat.read(notebook_path, as_version=4), notebook_path.parent)
    assert not broken, "\n".join([f"{notebook_path.name}:", *broken])


# The check, tested --------------------------------------------------------------------------------------------------


def change_cell(index, old, new):
    def change(notebook):
        assert old in notebook.cells[index].source
        notebook.cells[index].source = notebook.cells[index].source.replace(old, new)

    return change


def test_finds_wrong_solutions_and_lax_checks(course):
    def change(notebook):
        change_cell(9, "images + images", "images")(notebook)
        change_cell(11, "three(images) == 3 * images", "True")(notebook)

    path = course(change)
    first, second = failures(nbformat.read(path, as_version=4), path.parent)
    assert "cell 8: to its own solution it says 'AssertionError'" in first
    assert "cell 11: to a wrong answer" in second


def test_executes_only_what_an_exercise_builds_on():
    sources = ["import numpy as np", "a = np.ones(3)", "b = train(a)", "a[0] = 5", "def twice(x):\n    return 2 * x"]
    assert needed(sources, "answer = twice(a.sum())") == [sources[0], sources[1], sources[3], sources[4]]


def test_goes_back_to_the_last_cell_that_sets_a_name_anew():
    sources = ["a = train()", "b = a", "a = 1", "for i in range(9):\n    a += i", "a.b = 2", "f = lambda b: a + b"]
    assert needed(sources, "b = 3; answer = f(b) + [b for b in range(9)][0]") == sources[2:]


def test_executes_the_set_up_cell_where_a_helper_is_imported():
    sources = ["FULL, DATA = set_up(MODE)", "from helpers import analysis", "import numpy as np"]
    assert needed(sources, "answer = analysis.mcnemar(1, 2)") == sources[:2]
    assert needed(sources, "answer = np.ones(3)") == sources[2:]
