"""The switch between full and quick, and the one place of the repository's address."""

import shutil
import sys
import types
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from helpers import colab
from helpers.data import SAMPLE
from helpers.networks import count_parameters, load_pretrained
from helpers.records import REPOSITORY, RUNS, read_record
from helpers.training import machine


def gpu(monkeypatch, there):
    monkeypatch.setattr("torch.cuda.is_available", lambda: there)


@pytest.mark.parametrize("mode", ["quick", "full", "train"])
def test_mode_is_what_the_field_says_or_else_the_variable(monkeypatch, mode):
    monkeypatch.setenv("NOTEBOOK_MODE", f" {mode.title()} ")
    assert colab.notebook_mode() == colab.notebook_mode("auto") == mode
    monkeypatch.setenv("NOTEBOOK_MODE", "quick")
    assert colab.notebook_mode(mode) == mode


@pytest.mark.parametrize("there, mode, where_it_takes_minutes", [(True, "full", "train"), (False, "quick", "quick")])
def test_mode_without_the_variable_depends_on_the_gpu(monkeypatch, there, mode, where_it_takes_minutes):
    monkeypatch.delenv("NOTEBOOK_MODE", raising=False)
    gpu(monkeypatch, there)
    assert colab.notebook_mode() == mode
    assert colab.notebook_mode(trains=True) == where_it_takes_minutes


def test_a_mode_with_a_slip_of_the_pen_is_refused(monkeypatch):
    monkeypatch.setenv("NOTEBOOK_MODE", "tarin")
    with pytest.raises(ValueError, match="NOTEBOOK_MODE is 'tarin'; it must be quick, full, train, or auto"):
        colab.set_up()
    with pytest.raises(ValueError, match="MODE is 'fast'; it must be"):
        colab.set_up("fast")


def test_set_up_says_the_mode_why_and_how_to_change_it(monkeypatch, capsys):
    monkeypatch.setenv("NOTEBOOK_MODE", "full")
    for choice, mode, why, result in (
        ("quick", "quick", "as MODE says", (False, SAMPLE)),
        ("auto", "full", "as NOTEBOOK_MODE says", (True, None)),
        ("train", "train", "as MODE says", (True, None)),
    ):
        assert colab.set_up(choice) == colab.set_up(choice) == result
        said = capsys.readouterr().out
        assert f"Mode: {mode}, {why}: " in said and "choose it as MODE" in said and "NOTEBOOK_MODE=quick" in said
    monkeypatch.delenv("NOTEBOOK_MODE")
    gpu(monkeypatch, True)
    colab.set_up()
    assert "Mode: full, since there is a GPU" in capsys.readouterr().out
    gpu(monkeypatch, False)
    colab.set_up()
    assert "Mode: quick, since there is no NVIDIA GPU: " in capsys.readouterr().out
    monkeypatch.setitem(sys.modules, "google.colab", sys)
    monkeypatch.setattr(colab, "PACKAGES", ())
    colab.set_up()
    assert "Runtime > Change runtime type > T4 GPU" in capsys.readouterr().out


def test_what_the_repository_keeps_is_written_on_request_only(monkeypatch):
    monkeypatch.delenv("COURSE_WRITES", raising=False)
    assert not colab.writes()
    for value, written in (("", False), ("0", False), ("1", True)):
        monkeypatch.setenv("COURSE_WRITES", value)
        assert colab.writes() == written


def test_a_gpu_that_pytorch_cannot_use_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("NOTEBOOK_MODE", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpu(monkeypatch, False)
    monkeypatch.setattr(machine, "NVIDIA_DRIVER", (str(tmp_path),))
    colab.set_up()
    assert "There is an NVIDIA driver here, but PyTorch" in capsys.readouterr().out


def clone_runs(place):
    """Make ``place`` a folder of own runs: one with its weights, and a folder of some more."""
    for name in ("session_62", "kinds"):
        shutil.copytree(RUNS / name, place / name)


def files(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def course_in_colab(tmp_path, monkeypatch):
    """Some runs, an empty Drive, and the module that mounts it: ``(runs, drive)``."""
    runs, drive, module = tmp_path / "runs", tmp_path / "drive", types.ModuleType("google.colab")
    clone_runs(runs)
    module.drive = types.SimpleNamespace(
        mount=lambda place: (Path(place) / "MyDrive").mkdir(parents=True, exist_ok=True)
    )
    monkeypatch.setitem(sys.modules, "google.colab", module)
    return runs, drive


def test_runs_on_drive_outlive_the_session(course_in_colab):
    """The runs are read there, new ones land there, and a new session finds them, a run begun anew as well."""
    runs, drive = course_in_colab
    stored = files(runs)
    kept = colab.keep_runs_on_drive(runs, drive)
    assert colab.keep_runs_on_drive(runs, drive) == kept and runs.resolve() == kept.resolve()
    assert files(kept) == stored
    assert read_record("session_62", runs) == read_record("session_62")
    assert count_parameters(load_pretrained("session_62", runs)) == 187_418
    shutil.rmtree(runs / "session_62")
    (runs / "session_62").mkdir()
    (runs / "session_62" / "checkpoint.pt").write_text("epoch 30")  # trained anew, and the session is lost
    new = runs.parent / "new session" / "runs"
    clone_runs(new)
    assert colab.keep_runs_on_drive(new, drive) == kept
    assert [path.name for path in (new / "session_62").iterdir()] == ["checkpoint.pt"]


def test_a_run_begun_before_drive_is_there_is_not_lost(course_in_colab):
    """Drive gets its checkpoint; where Drive has a run of that name already, this one stays beside the link."""
    runs, drive = course_in_colab
    for name in ("mine", "session_62"):
        (runs / name).mkdir(exist_ok=True)
        (runs / name / "checkpoint.pt").write_text("epoch 7")
    on_drive = drive / "MyDrive" / "advanced-convolutions" / "runs" / "session_62"
    on_drive.mkdir(parents=True)
    (on_drive / "checkpoint.pt").write_text("epoch 30")
    colab.keep_runs_on_drive(runs, drive)
    assert (runs / "mine" / "checkpoint.pt").read_text() == "epoch 7"
    assert (runs / "session_62" / "checkpoint.pt").read_text() == "epoch 30"
    assert (runs.parent / "runs_before_drive" / "session_62" / "checkpoint.pt").read_text() == "epoch 7"


def test_drive_again_where_the_folder_came_back(course_in_colab):
    """Git restores it, or a run is unpacked there: nothing that stands beside the link is lost."""
    runs, drive = course_in_colab
    for number in ("", "1", "2"):
        colab.keep_runs_on_drive(runs, drive)
        shutil.rmtree(drive)  # unmounted
        colab.keep_runs_on_drive(runs, drive)
        assert runs.is_dir()
        assert (runs.parent / f"runs_before_drive{number}" / "session_62" / "record.json").is_file()
        runs.unlink()
        clone_runs(runs)


def test_a_copy_to_drive_that_was_broken_off_is_done_again(course_in_colab, monkeypatch):
    runs, drive = course_in_colab
    stored = files(runs)

    def copy_one_file(path, part, **options):
        part.mkdir()
        shutil.copy(path / "record.json", part)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(colab.shutil, "copytree", copy_one_file)
        colab.keep_runs_on_drive(runs, drive)
    assert files(runs) == stored and not runs.is_symlink()
    assert files(colab.keep_runs_on_drive(runs, drive)) == stored


def test_drive_before_the_first_run_of_ones_own(course_in_colab):
    """There is no folder yet: what is trained next lands on Drive."""
    runs, drive = course_in_colab
    shutil.rmtree(runs)
    kept = colab.keep_runs_on_drive(runs, drive)
    (runs / "mine").mkdir()
    assert (kept / "mine").is_dir() and not (runs.parent / "runs_before_drive").exists()


def test_without_colab_there_is_no_drive(tmp_path):
    with pytest.raises(RuntimeError, match="in Colab only"):
        colab.keep_runs_on_drive(tmp_path)


def test_colab_has_the_versions_that_ci_runs_of_all_that_decides_an_output():
    """Jupyter's own packages are older there; what computes, augments and draws is the same."""

    def versions(file):
        lines = (line.partition("#")[0].strip() for line in (REPOSITORY / file).read_text().splitlines())
        asked = [Requirement(line) for line in lines if line]
        return {
            one.name: one.specifier
            for one in asked
            if not one.marker or one.marker.evaluate({"python_version": "3.13"})
        }

    colab, ours = versions("tests/colab/requirements.txt"), versions("constraints.txt")
    decisive = (
        "torch",
        "torchvision",
        "numpy",
        "albumentations",
        "opencv-python-headless",
        "matplotlib",
        "torchsummary",
    )
    assert {name: colab[name] for name in decisive} == {name: ours[name] for name in decisive}
