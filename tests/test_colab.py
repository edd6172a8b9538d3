"""The switch between full and quick, and the one place of the repository's address."""

import shutil
import sys
import types
from pathlib import Path

import pytest

from helpers import colab
from helpers.data import SAMPLE
from helpers.records import RUNS, read_record


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


@pytest.fixture
def course_in_colab(tmp_path, monkeypatch):
    """A copy of the stored runs, an empty Drive, and the module that mounts it: ``(runs, drive)``."""
    runs, drive, module = tmp_path / "runs", tmp_path / "drive", types.ModuleType("google.colab")
    shutil.copytree(RUNS, runs)
    module.drive = types.SimpleNamespace(
        mount=lambda place: (Path(place) / "MyDrive").mkdir(parents=True, exist_ok=True)
    )
    monkeypatch.setitem(sys.modules, "google.colab", module)
    return runs, drive


def test_runs_on_drive_outlive_the_session(course_in_colab):
    """The stored runs are read there, new ones land there, and a new session finds them, a run begun anew as well."""
    runs, drive = course_in_colab
    kept = colab.keep_runs_on_drive(runs, drive)
    assert colab.keep_runs_on_drive(runs, drive) == kept and runs.resolve() == kept.resolve()
    assert read_record("session_62", runs) == read_record("session_62")
    assert sorted(path.relative_to(kept) for path in kept.rglob("record.json")) == sorted(
        path.relative_to(RUNS) for path in RUNS.rglob("record.json")
    )
    shutil.rmtree(runs / "session_62")
    (runs / "session_62").mkdir()
    (runs / "session_62" / "checkpoint.pt").write_text("epoch 30")  # trained anew, and the session is lost
    runs.unlink()
    shutil.copytree(RUNS, runs)
    colab.keep_runs_on_drive(runs, drive)
    assert [path.name for path in (runs / "session_62").iterdir()] == ["checkpoint.pt"]


def test_without_colab_there_is_no_drive(tmp_path):
    with pytest.raises(RuntimeError, match="in Colab only"):
        colab.keep_runs_on_drive(tmp_path)


def test_placeholder_of_the_address_says_what_to_do(monkeypatch):
    for address, said in (("https://github.com/OWNER/course", True), ("https://github.com/someone/course", False)):
        monkeypatch.setattr(colab, "address", lambda address=address: address)
        assert ("then run make badges" in colab.set_up_cell()) is said and f'"{address}"' in colab.set_up_cell()


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
        assert "OWNER" not in text and "Not an address" not in text
