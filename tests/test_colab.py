"""The switch between full and quick, and the one place of the repository's address."""

import shutil

import pytest

from helpers import colab
from helpers.data import SAMPLE


def test_mode_is_what_the_variable_says(monkeypatch):
    for mode in ("full", "quick"):
        monkeypatch.setenv("NOTEBOOK_MODE", mode)
        assert colab.notebook_mode() == mode
    monkeypatch.setenv("NOTEBOOK_MODE", "fast")
    with pytest.raises(ValueError, match="NOTEBOOK_MODE is 'fast'; it must be full or quick"):
        colab.notebook_mode()


@pytest.mark.parametrize("gpu, mode", [(True, "full"), (False, "quick")])
def test_mode_without_the_variable_depends_on_the_gpu(monkeypatch, gpu, mode):
    monkeypatch.delenv("NOTEBOOK_MODE", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    assert colab.notebook_mode() == mode


def test_set_up_says_the_mode_and_how_to_change_it(monkeypatch, capsys):
    monkeypatch.setenv("NOTEBOOK_MODE", "quick")
    assert colab.set_up() == colab.set_up() == (False, SAMPLE)
    assert "Runtime > Change runtime type" in capsys.readouterr().out
    monkeypatch.setenv("NOTEBOOK_MODE", "full")
    assert colab.set_up() == (True, None)
    assert "NOTEBOOK_MODE=quick" in capsys.readouterr().out


def test_a_new_address_reaches_every_badge_and_set_up_cell(tmp_path, monkeypatch):
    notebooks, readme = tmp_path / "notebooks", tmp_path / "README.md"
    notebooks.mkdir()
    for path in (colab.REPOSITORY / "notebooks").glob("*.ipynb"):
        shutil.copy(path, notebooks)
    shutil.copy(colab.REPOSITORY / "README.md", readme)
    assert colab.write_badges(notebooks, readme) == [], "run make badges"
    monkeypatch.setattr(colab, "address", lambda: "https://github.com/someone/else")
    changed = colab.write_badges(notebooks, readme)
    assert changed == [path.name for path in sorted(notebooks.glob("*.ipynb"))] + ["README.md"]
    assert colab.write_badges(notebooks, readme) == []
    for path in [*notebooks.glob("*.ipynb"), readme]:
        text = path.read_text(encoding="utf-8")
        assert f"github/someone/else/blob/main/notebooks/{path.name if path != readme else '01_data.ipynb'}" in text
        assert "OWNER" not in text
