"""Pages are made of notebooks, and those left as they are."""

import re
import sys
from unittest import mock

import nbformat
import pytest

from helpers.publishing import pages
from helpers.publishing.pages import make_pages
from helpers.records import REPOSITORY


def test_pages_are_made_and_notebooks_left_as_they_are(tmp_path, capsys):
    cells = {
        "01_fine": [
            "from ipywidgets import interact; sliders = interact(lambda size=3: print(size, 'below'))",
            "print(6 * 7)",
        ],
        "02_broken": ["print('before')", "1 / 0", "print('after')"],
    }
    paths = [tmp_path / f"{name}.ipynb" for name in cells]
    for path, sources in zip(paths, cells.values(), strict=True):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        notebook.cells.insert(0, nbformat.v4.new_markdown_cell("# A title\n\nNext: [broken](02_broken.ipynb)"))
        nbformat.write(notebook, path)
    before = [path.read_bytes() for path in paths]

    failures = make_pages(paths, tmp_path / "build")

    assert list(failures) == ["02_broken"] and "ZeroDivisionError" in failures["02_broken"]
    fine, broken = ((tmp_path / "build" / f"{name}.html").read_text(encoding="utf-8") for name in cells)
    assert "3 below" in fine and "explorer.html" in fine  # what a slider prints is not sent back to the kernel
    assert "42" in fine and 'href="02_broken.html"' in fine
    assert "before" in broken and "ZeroDivisionError" in broken
    assert [path.read_bytes() for path in paths] == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["01_fine.ipynb", "02_broken.ipynb", "build"]
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\[1/2\] 01_fine +\d+\.\d s", lines[0]) and lines[1].endswith("FAILED")


def test_a_foreign_notebook_costs_nobody_the_pages(tmp_path):
    """One that Jupyter has just made, of a kernel that is not here: the others' pages are there, and it is named."""
    lost = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "my-env", "display_name": "mine"}})
    for name, notebook in {"01_fine": nbformat.v4.new_notebook(cells=FINE), "Untitled": lost}.items():
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    failures = pages.make_pages(sorted(tmp_path.glob("*.ipynb")), tmp_path / "build")
    assert list(failures) == ["Untitled"] and "my-env" in failures["Untitled"]
    assert "Fine" in (tmp_path / "build" / "01_fine.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("error", [FileNotFoundError("no such python"), RuntimeError("Kernel died before replying")])
def test_a_kernel_that_does_not_start_is_a_failure_of_one_notebook(tmp_path, monkeypatch, error):
    monkeypatch.setattr(pages.Client, "execute", mock.Mock(side_effect=error))
    nbformat.write(nbformat.v4.new_notebook(cells=FINE), tmp_path / "01_fine.ipynb")
    assert pages.make_pages([tmp_path / "01_fine.ipynb"], tmp_path / "build") == {"01_fine": str(error)}


NO_NOTEBOOKS = {"README.md": "# Text", "lost.ipynb": None, "broken.ipynb": "{", "list.ipynb": "[]", "bare.ipynb": "{}"}
FINE = [nbformat.v4.new_markdown_cell("# Fine")]


@pytest.mark.parametrize("name, content", NO_NOTEBOOKS.items())
def test_a_file_that_is_no_notebook_is_named(tmp_path, monkeypatch, name, content):
    if content:
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(sys, "argv", ["pages", str(tmp_path / name)])
    with pytest.raises(SystemExit, match=f"{name} is no notebook that can be read: ."):
        pages.main()


def test_a_notebook_beside_other_work_does_not_wait_by_spinning(monkeypatch):
    monkeypatch.setattr(pages.os, "environ", {"MPLBACKEND": "agg"})
    pages.prepare_environment()
    assert pages.os.environ["OMP_WAIT_POLICY"] == "PASSIVE" and "MPLBACKEND" not in pages.os.environ


@pytest.mark.parametrize("mode, limit", [("quick", 600), ("full", None), ("train", None)])
def test_a_cell_that_trains_may_take_as_long_as_it_takes(monkeypatch, mode, limit):
    given = {}
    monkeypatch.setattr(pages, "make_pages", lambda paths, folder, timeout: given.update(timeout=timeout) or {})
    monkeypatch.setattr(sys, "argv", ["pages", str(REPOSITORY / "notebooks" / "01_data.ipynb")])
    monkeypatch.setenv("NOTEBOOK_MODE", mode)
    with pytest.raises(SystemExit) as ended:
        pages.main()
    assert not ended.value.code and given == {"timeout": limit}
