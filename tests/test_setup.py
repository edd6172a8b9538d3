"""The lists of dependencies agree with each other and with the code; make installs them."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parent.parent
DISTRIBUTIONS = {  # of the modules whose distribution has another name, or comes with another
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "nbclient": "jupyter",
    "nbconvert": "jupyter",
    "nbformat": "jupyter",
}
OPTIONAL = {"google", "pandas"}  # Colab alone has google.colab; helpers.cost makes a DataFrame where pandas is there


def entries(file, python="3.11"):
    """Return ``{name: (Requirement, comment)}`` of what a list of dependencies asks for on this ``python``."""
    lines = [line for line in (REPOSITORY / file).read_text(encoding="utf-8").splitlines() if re.match(r"\w", line)]
    split = [(Requirement(left), comment.strip()) for left, _, comment in (line.partition("#") for line in lines)]
    asked = [pair for pair in split if not pair[0].marker or pair[0].marker.evaluate({"python_version": python})]
    by_name = {requirement.name: (requirement, comment) for requirement, comment in asked}
    assert len(by_name) == len(asked), f"{file} lists something twice"
    return by_name


def test_requirements_are_lower_bounds_and_say_what_needs_them():
    for name, (requirement, comment) in entries("requirements.txt").items():
        operators = {specifier.operator for specifier in requirement.specifier}
        assert operators == ({">=", "<"} if name == "albumentations" else {">="}), name
        assert comment, f"{name} does not say what needs it"


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_constraints_pin_every_requirement_once_within_its_bounds(python):
    pinned = entries("constraints.txt", python)
    for name, (requirement, _) in entries("requirements.txt").items():
        (pin,) = pinned[name][0].specifier
        assert pin.operator == "==" and requirement.specifier.contains(pin.version), name


def test_requirements_list_all_that_the_helpers_import():
    listed = entries("requirements.txt")
    for path in sorted((REPOSITORY / "helpers").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in {name.split(".")[0] for name in names} - {"helpers"} - OPTIONAL - sys.stdlib_module_names:
                assert DISTRIBUTIONS.get(name, name) in listed, f"{path.name} imports {name}"


def test_conda_takes_the_same_list():
    assert re.search(r"^ +- -r requirements\.txt\b", (REPOSITORY / "environment.yml").read_text(), re.MULTILINE)


def make(folder, uv, **variables):
    """Have make install into ``folder`` with ``uv``, the lines of a shell script, in uv's place, and no pip."""
    for file in ("Makefile", "requirements.txt", "constraints.txt"):
        shutil.copy(REPOSITORY / file, folder)
    (folder / "bin").mkdir()
    (folder / "bin" / "uv").write_text(f"#!/bin/sh\n{uv}\n")
    (folder / "bin" / "uv").chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{environment['PATH']}"
    line = ["make", "env/.installed", "VENV=env", *(f"{name}={value}" for name, value in variables.items())]
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True)


needs_make = pytest.mark.skipif(os.name == "nt" or not shutil.which("make"), reason="needs make and a shell")


@needs_make
def test_make_installs_with_uv_where_it_is_there(tmp_path):
    done = make(tmp_path, 'echo "$@" > asked')
    assert done.returncode == 0 and (tmp_path / "env" / ".installed").is_file(), done.stderr
    assert "-r requirements.txt -c constraints.txt" in (tmp_path / "asked").read_text()
    assert len(done.stdout.splitlines()) == 1 and "GB to fetch" in done.stdout


@needs_make
def test_make_says_what_is_lacking_where_nothing_can_be_installed(tmp_path):
    """As without a network. What was broken off is no environment: the next command tries again."""
    done = make(tmp_path, "exit 1")
    assert done.returncode and not (tmp_path / "env" / ".installed").exists()
    assert "Lacking: torch, torchvision, numpy," in done.stderr and "Is there a network" in done.stderr


@needs_make
def test_make_names_a_python_that_fits(tmp_path):
    done = make(tmp_path, "exit 1", PYTHON="false")
    assert done.returncode and "None of these is one: false. Name one: make" in done.stdout
    assert not (tmp_path / "env").exists()
