"""Badges and set-up cells hold the one address of pyproject.toml."""

import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

from helpers.publishing import badges


def run_set_up(name, folder, address, colab):
    """Run the set-up cell of a notebook alone in ``folder``, by IPython; return the last line and what git said."""
    cells = nbformat.read(badges.REPOSITORY / "notebooks" / f"{name}.ipynb", as_version=4).cells
    source = re.sub('ADDRESS = ".*"', f'ADDRESS = "{address}"', cells[1].source)
    code = "import sys; from IPython.core.interactiveshell import InteractiveShell as Shell; "
    code += "sys.modules['google.colab'] = sys; " if colab else ""
    code += f"print(repr(Shell().run_cell({source!r}).error_in_exec))"
    environment = os.environ | {"IPYTHONDIR": str(folder.parent / "ipython"), "NOTEBOOK_MODE": "quick"}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    return done.stdout.splitlines()[-1], done.stdout + done.stderr


@pytest.fixture
def content(tmp_path):
    """An empty folder, as Colab's: no course lies above it."""
    folder = tmp_path / "content"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", ["01_data", "05_no_augmentation"])
def test_set_up_cell_says_what_to_do_where_the_address_leads_nowhere(name, content):
    """As in Colab. A placeholder leads nowhere, as this address does."""
    error, _ = run_set_up(name, content, (content / "gone.git").as_uri(), colab=True)
    assert re.match(
        r"AssertionError..No course at file:.*gone.git: write its address into pyproject.toml, run make", error
    )


@pytest.mark.parametrize("foreign", [False, True])
def test_a_lone_notebook_says_how_to_get_the_course(content, foreign):
    """Downloaded by itself, or beside somebody else's folder of that name."""
    if foreign:
        (content / "helpers").mkdir()
    error, _ = run_set_up("01_data", content, "https://example.org/course", colab=False)
    assert error == (
        "AssertionError(\"The course's helpers are not here. To clone it: git clone https://example.org/course; "
        'start this notebook in there")'
    )


def test_set_up_in_colab_clones_once_whatever_is_called_helpers_there(content):
    """After a restart of the kernel the folder is there: no second clone, and no word from git."""
    origin = content.parent / "origin"
    for part in ("helpers", "notebooks/runs", "images/cifar10_sample"):
        shutil.copytree(badges.REPOSITORY / part, origin / part, ignore=shutil.ignore_patterns("__pycache__", "kinds"))
    shutil.copy(badges.REPOSITORY / "pyproject.toml", origin)
    git = ["git", "-C", str(origin), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "all"]):
        subprocess.run([*git, *words], check=True)
    (content / "helpers").mkdir()
    for _ in range(2):
        error, said = run_set_up("01_data", content, origin.as_uri(), colab=True)
        assert error == "None" and "Mode: quick" in said and "fatal" not in said, said


def test_a_new_address_reaches_every_badge_and_set_up_cell(tmp_path, monkeypatch):
    notebooks, readme = tmp_path / "notebooks", tmp_path / "README.md"
    notebooks.mkdir()
    for path in (badges.REPOSITORY / "notebooks").glob("*.ipynb"):
        shutil.copy(path, notebooks)
    shutil.copy(badges.REPOSITORY / "README.md", readme)
    assert badges.write_badges(notebooks, readme) == [], "run make badges"
    monkeypatch.setattr(badges, "address", lambda: "https://github.com/someone/else")
    changed = badges.write_badges(notebooks, readme)
    assert changed == [path.name for path in sorted(notebooks.glob("*.ipynb"))] + ["README.md"]
    assert badges.write_badges(notebooks, readme) == []
    for path in [*notebooks.glob("*.ipynb"), readme]:
        text = path.read_text(encoding="utf-8")
        assert f"github/someone/else/blob/main/notebooks/{path.name if path != readme else '01_data.ipynb'}" in text
        assert "github.com/OWNER" not in text and "github/OWNER" not in text
