"""The map of ``helpers/`` in CONTRIBUTING.md is true: no circle of imports, nothing low on something high."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
HELPERS = REPOSITORY / "helpers"
ROW = re.compile(r"^\| `([\w.]+)` \| (.+?) \| ([\w, ]+) \| (.*?) \|$", re.MULTILINE)
CONTRIBUTING = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAP = {row[0]: (row[1], row[2], re.findall(r"[\w.]+", row[3])) for row in ROW.findall(CONTRIBUTING)}
LONG = 300  # lines
SILENT = ("__init__.py", "conf.py")  # fronts, and what Sphinx reads


def imported(source):
    """Return the modules and packages of ``helpers`` that ``source`` imports, anywhere in it, as "data.reading"."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("helpers.")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "helpers":
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [name for name in inner if place(name).exists()]
            found |= set(modules) if len(modules) == len(inner) else {node.module, *modules}
    return {name.removeprefix("helpers.") for name in found}


def place(name):
    """Return the file of a module, or the folder of a package, by its whole name."""
    path = REPOSITORY / name.replace(".", "/")
    return path if path.is_dir() else path.with_suffix(".py")


def opened(name):
    """Return the module itself, or, of a package, the modules whose names it gives on."""
    front = HELPERS / name / "__init__.py"
    return imported(front.read_text(encoding="utf-8")) if front.is_file() else {name}


def test_every_module_is_on_the_map():
    there = {path.relative_to(HELPERS).with_suffix("") for path in HELPERS.rglob("*.py") if path.name not in SILENT}
    assert {".".join(path.parts) for path in there} == set(MAP)


@pytest.mark.parametrize("module", MAP)
def test_a_module_imports_what_the_map_says_and_only_from_above(module):
    _, _, imports = MAP[module]
    assert sorted(imported(place(f"helpers.{module}").read_text(encoding="utf-8"))) == imports
    above = list(MAP)[: list(MAP).index(module)]
    assert all(inner in above for name in imports for inner in opened(name))


@pytest.mark.parametrize("module", MAP)
def test_the_docstring_names_the_notebook_that_shows_it(module):
    _, notebook, _ = MAP[module]
    said = ast.get_docstring(ast.parse(place(f"helpers.{module}").read_text(encoding="utf-8")))
    if notebook not in ("none", "all"):
        assert re.search(rf"notebooks? [^.]*\b{notebook}\b", said, re.IGNORECASE), f"no notebook {notebook} in: {said}"


def reached(waiting):
    """Return every module that these import, themselves or through another."""
    found = set()
    while waiting:
        modules = {module for name in waiting for module in opened(name)} - found
        waiting, found = {name for module in modules for name in MAP[module][2]}, found | modules
    return found


def test_notebooks_and_command_lines_import_the_whole_house_but_publishing():
    sources = {module: place(f"helpers.{module}").read_text(encoding="utf-8") for module in MAP}
    commands = {m for m, source in sources.items() if '__name__ == "__main__"' in source and "publishing." not in m}
    by_notebooks = set()
    for path in (REPOSITORY / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            python = re.sub(r"^( *)[!%].*", r"\1pass", "".join(cell["source"]), flags=re.MULTILINE)  # but IPython's own
            by_notebooks |= imported(python) if cell["cell_type"] == "code" else set()
    assert reached(by_notebooks | commands) == {module for module in MAP if not module.startswith("publishing.")}


@pytest.mark.parametrize("module", MAP)
def test_a_module_is_read_in_one_sitting(module):
    assert len(place(f"helpers.{module}").read_text(encoding="utf-8").splitlines()) <= LONG


def test_networks_and_costs_come_without_figures_and_augmentation():
    code = (
        "import sys, helpers.cost, helpers.networks; print(*{'matplotlib', 'albumentations', 'cv2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\n", "")


def test_every_module_has_a_file_of_tests():
    """Figures have one for all; command lines are tested with what they command."""
    tested = {re.sub(r"^plots_.*", "plots", module.replace(".", "_")) for module in MAP if "__main__" not in module}
    assert all((REPOSITORY / "tests" / f"test_{name}.py").is_file() for name in tested)
