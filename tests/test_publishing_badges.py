"""Badges and set-up cells hold the one address of pyproject.toml."""

import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

from helpers.publishing import badges


@pytest.mark.parametrize("name", ["01_data", "05_no_augmentation"])
def test_set_up_cell_says_what_to_do_where_the_address_leads_nowhere(name, tmp_path):
    """As in Colab: IPython runs the cell in an empty folder. A placeholder leads nowhere, as this address does."""
    cells = nbformat.read(badges.REPOSITORY / "notebooks" / f"{name}.ipynb", as_version=4).cells
    source = re.sub('ADDRESS = ".*"', f'ADDRESS = "{(tmp_path / "gone.git").as_uri()}"', cells[1].source)
    code = "import sys; from IPython.core.interactiveshell import InteractiveShell as Shell; "
    code += f"sys.modules['google.colab'] = sys; print(repr(Shell().run_cell({source!r}).error_in_exec))"
    environment = os.environ | {"IPYTHONDIR": str(tmp_path / "ipython")}
    folder = tmp_path / "content"
    folder.mkdir()
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    error = done.stdout.splitlines()[-1]
    assert re.match(
        r"AssertionError..No course at file:.*gone.git: write its address into pyproject.toml, run make", error
    )


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
