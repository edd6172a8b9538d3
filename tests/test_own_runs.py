"""The reader's own run: trained live, found again, told beside the reference, and nothing that it reaches breaks."""

import json
import os
import shlex
import shutil
import subprocess
import sys

import nbformat
import numpy as np
import pytest
import torch

from helpers import own_runs, training
from helpers.data import SAMPLE
from helpers.networks import load_pretrained
from helpers.publishing.pages import Client
from helpers.records import REPOSITORY, read_record, write_record
from helpers.training import Recipe, command

RECIPE = Recipe(network="tutorial_net", epochs=2)
NAME = "my_tutorial_net_2"


@pytest.fixture
def sample_for_the_whole(monkeypatch):
    """What is trained on "all of the data" here is the sample, and on the CPU in one way, the quickest to start."""
    monkeypatch.setenv("CIFAR10_DIR", str(SAMPLE))
    for place in (training, command):
        monkeypatch.setattr(place, "best_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(training.Speed, "best", lambda device, compile=True: training.Speed())


def own_record(**changes):
    """The reference run's record as if it were a reader's, with ``changes``; ``recipe`` and ``test`` are merged."""
    record = read_record("session_62")
    for key, value in changes.items():
        record[key] = record[key] | value if isinstance(value, dict) else value
    return record | {"name": "my_session_net_62"}


def with_correct(correct):
    return {"correct": correct, "accuracy": correct / 100}


@pytest.mark.usefixtures("sample_for_the_whole")
def test_train_mode_trains_once_live_and_with_the_time_left(tmp_path, capfd):
    record = own_runs.own_run(RECIPE, "train", runs=tmp_path)
    shown = capfd.readouterr()
    assert "EPOCH:  1/2" in shown.out and " s left" in shown.out and "EPOCH:  2/2" in shown.out
    assert "epoch 1/2" in shown.err and "batch/s" in shown.err  # the bar
    assert record == read_record(NAME, tmp_path) and record["recipe"]["epochs"] == 2
    assert load_pretrained(NAME, tmp_path)(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    for mode in ("train", "full"):
        assert own_runs.own_run(RECIPE, mode, runs=tmp_path) == record
        assert "EPOCH" not in (said := capfd.readouterr().out) and f"Your run, runs/{NAME}: 2 epochs" in said


@pytest.mark.usefixtures("sample_for_the_whole")
def test_a_run_that_was_cut_off_goes_on(tmp_path, capsys, monkeypatch):
    whole = own_runs.own_run(RECIPE, "train", runs=tmp_path / "whole")
    line = command.progress_line

    def pulled_plug(row, epochs):
        print(line(row, epochs))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(command, "progress_line", pulled_plug)
        own_runs.own_run(RECIPE, "train", runs=tmp_path)
    capsys.readouterr()
    record = own_runs.own_run(RECIPE, "train", runs=tmp_path)
    assert "EPOCH:  1/2" not in capsys.readouterr().out
    states = [torch.load(run / NAME / "weights.pt", weights_only=True) for run in (tmp_path, tmp_path / "whole")]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert record["test"] == whole["test"]


@pytest.mark.usefixtures("sample_for_the_whole")
def test_other_modes_train_nothing_to_keep_and_say_how(tmp_path, capsys):
    assert own_runs.own_run(RECIPE, "full", runs=tmp_path) is None
    said = capsys.readouterr().out
    assert "choose train as MODE" in said and own_runs.command(RECIPE) in said and "EPOCH" not in said
    assert own_runs.own_run(RECIPE, "quick", runs=tmp_path, sample_epochs=1) is None
    assert "EPOCH:  1/1" in capsys.readouterr().out and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "recipe",
    [RECIPE, Recipe(), Recipe("better_net", 42, lr=0.005, optimizer="AdamW", ema=0.998, teacher="the better one")],
)
def test_the_command_trains_that_recipe_under_that_name(recipe):
    options = vars(command.parse(shlex.split(own_runs.command(recipe))[3:]))
    assert Recipe(**{name: options[name] for name in vars(recipe)}) == recipe and options["name"] is None


def test_a_damaged_run_or_one_of_another_network_is_named_and_left_alone(tmp_path, capsys):
    write_record(own_record(name=NAME) | {"name": NAME}, tmp_path)
    path = tmp_path / NAME / "record.json"
    good = path.read_text(encoding="utf-8")
    cut = {**json.loads(good), "history": []}
    for text, complaint in (
        (good, "is a run of session_net, not of tutorial_net"),
        (good[:500], "is damaged"),
        ("null", "is damaged, it lacks everything"),
        (json.dumps(cut), "it lacks epoch in history"),
    ):
        path.write_text(text, encoding="utf-8")
        for mode in ("full", "train"):  # nothing is trained over it
            assert own_runs.own_run(RECIPE, mode, runs=tmp_path) is None
            said = capsys.readouterr().out
            assert complaint in said and str(tmp_path / NAME) in said and "EPOCH" not in said
            assert "To train it" not in said  # that folder has to go first
        assert path.read_text(encoding="utf-8") == text


def test_chance_is_the_scatter_of_two_runs_on_the_same_images():
    """And where one was tested on 1,000 of the 10,000, which ones: drawn here without repetition."""
    reference = own_record(test=with_correct(8791))
    assert own_runs.chance(reference, reference) == pytest.approx(2 * (2 * 0.25**2) ** 0.5)
    on_a_part = own_record(test=with_correct(8791) | {"correct": 870, "images": 1_000})
    right, rng = np.arange(10_000) < 8791, np.random.default_rng(0)
    parts = [100 * rng.choice(right, 1_000, replace=False).mean() for _ in range(4_000)]
    assert own_runs.chance(reference, on_a_part) == pytest.approx(2 * (2 * 0.25**2 + np.var(parts)) ** 0.5, rel=0.05)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"test": with_correct(8791 - 60)}, "0.60 points below session_62: no more than chance"),
        ({"test": with_correct(8791 + 75)}, "0.75 points above session_62: more than chance"),
        ({"recipe": {"epochs": 1}, "test": with_correct(4000)}, "not do the same: epochs 62, yours 1"),
        ({"data": {"source": "contact sheets of 3,000 images"}}, "images 60,000, yours 3,000"),
        ({"data": {"training_images": "500 of 50,000"}}, "trained on all, yours 500 of 50,000"),
        ({"data": {"test_images": "validation split"}}, "tested on test images, yours validation split"),
        (
            {"recipe": {"teacher": "better_62", "clip": 1.0}},
            "same: clip None, yours 1.0; teacher None, yours better_62",
        ),
        ({"test": with_correct(7000)}, "Less than 80 % after a full run: something went wrong"),
    ],
)
def test_the_verdict_is_computed(changes, said):
    assert said in own_runs.verdict(read_record("session_62"), own_record(**changes))


def test_a_run_that_did_the_same_has_nothing_but_chance_against_it():
    for changes in ({}, {"recipe": {"seed": 7}}, {"data": {"source": "official archive"}}):
        text = own_runs.verdict(read_record("session_62"), own_record(**changes))
        assert "did not do the same" not in text and "went wrong" not in text


def test_both_runs_are_drawn_and_printed_side_by_side(capsys):
    reference, mine = read_record("session_62"), own_record(test=with_correct(8700))
    mine["history"] = [row | {"test_accuracy": row["test_accuracy"] - 1} for row in mine["history"][:30]]
    mine["test"]["class_accuracy"] = {name: value - 2 for name, value in mine["test"]["class_accuracy"].items()}
    drawn = own_runs.beside(reference, mine)
    curves, classes = drawn.axes
    assert [line.get_label() for line in curves.lines] == ["session_62", "your run"]
    assert list(curves.lines[0].get_ydata()) == [row["test_accuracy"] for row in reference["history"]]
    assert list(curves.lines[1].get_ydata()) == [row["test_accuracy"] for row in mine["history"]]
    assert list(classes.lines[0].get_xdata()) == list(reference["test"]["class_accuracy"].values())
    assert list(classes.lines[1].get_xdata()) == list(mine["test"]["class_accuracy"].values())
    said = capsys.readouterr().out
    assert "87.91" in said and "87.00" in said and "cat %" in said and "0.91 points below" in said
    assert own_runs.beside(reference, None) is None and "No run of your own yet" in capsys.readouterr().out


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the course, as far as notebook 06 needs it, with an own run of one epoch on the sample."""
    place = tmp_path_factory.mktemp("copy")
    runs = [f"notebooks/runs/{name}" for name in ("session_62", "no_augmentation", "no_augmentation_62", "validation")]
    for part in ("helpers", "images", *runs):
        shutil.copytree(REPOSITORY / part, place / part, ignore=shutil.ignore_patterns("__pycache__"))
    line = f"--epochs 1 --name my_session_net_62 --data {SAMPLE} --no-compile --workers 0"
    done = subprocess.run([sys.executable, "-m", "helpers.training", *line.split()], cwd=place, capture_output=True)
    assert done.returncode == 0 and (place / "runs" / "my_session_net_62" / "record.json").is_file(), done.stderr
    return place


@pytest.mark.parametrize("mode", ["quick", "full"])
def test_notebook_06_stands_a_run_of_one_epoch_on_the_sample(mode, copy, request, monkeypatch):
    """No cell fails, and its curve is there."""
    if mode == "full":
        monkeypatch.setenv("CIFAR10_DIR", request.getfixturevalue("full_data"))
    notebook = nbformat.read(REPOSITORY / "notebooks" / "06_train_62_epochs.ipynb", as_version=4)
    monkeypatch.setitem(os.environ, "NOTEBOOK_MODE", mode)
    Client(notebook, resources={"metadata": {"path": str(copy / "notebooks")}}).execute()
    shown = next(cell for cell in notebook.cells if "beside(record, own)" in cell.source).outputs
    text = "".join(output.get("text", "") for output in shown)
    assert "epochs 62, yours 1" in text and "images 60,000, yours 3,000" in text
    assert any("image/png" in output.get("data", {}) for output in shown)
