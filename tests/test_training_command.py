"""The command line: killed and resumed, never over a finished run, errors in a sentence."""

import os
import signal
import subprocess
import sys
import time
from unittest import mock

import pytest
import torch
from short_runs import CPU, one_epoch

from helpers import data
from helpers.networks import load_pretrained
from helpers.records import OWN_RUNS, REPOSITORY, RUNS, read_record
from helpers.training import Recipe, TrainingError, command


def command_line(runs, *more):
    line = [sys.executable, "-m", "helpers.training", "--network", "tutorial_net", "--epochs", "4", "--name", "run"]
    line += [
        "--data",
        str(data.SAMPLE),
        "--runs",
        str(runs),
        "--no-compile",
        "--workers",
        "1",
        "--device",
        "cpu",
        *more,
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs behind a shell would hear no Ctrl-C
    try:
        return subprocess.Popen(line, cwd=REPOSITORY, **pipes)
    finally:
        signal.signal(signal.SIGINT, heard)


def test_sigkill_at_any_moment_then_resume(tmp_path):
    """A process killed with SIGKILL, twice, ends where an undisturbed one ends: the weight files are equal."""
    undisturbed = command_line(tmp_path / "a")
    output, _ = undisturbed.communicate(timeout=1800)
    assert undisturbed.returncode == 0, output
    for epoch, moment in ((1, 0.0), (2, 0.3)):
        process = command_line(tmp_path / "b", "--resume")
        while f"EPOCH:  {epoch}/4" not in process.stdout.readline():
            assert process.poll() is None
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    last = command_line(tmp_path / "b", "--resume")
    output, _ = last.communicate(timeout=1800)
    assert last.returncode == 0, output
    assert "EPOCH:  4/4" in output and "EPOCH:  1/4" not in output
    a, b = (read_record("run", tmp_path / folder) for folder in "ab")
    weights = [torch.load(tmp_path / folder / "run" / "weights.pt", weights_only=True) for folder in "ab"]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert a["test"] == b["test"] and a["command"] == b["command"] and a["device"] == b["device"]
    assert sorted(path.name for path in (tmp_path / "b" / "run").iterdir()) == ["record.json", "weights.pt"]
    assert load_pretrained("run", tmp_path / "b")(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a process")
def test_ctrl_c_says_how_to_go_on(tmp_path):
    process = command_line(tmp_path, "--epochs", "500")
    while "EPOCH:  1/500" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 1 and "--resume" in output and "Traceback" not in output, output


LATE = """
import signal, time
from helpers.training.__main__ import insist_on_interrupts
class Part:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
insist_on_interrupts()
try:
    Part()
    for _ in range(600):
        time.sleep(0.1)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_counts_where_python_would_only_report_it():
    """In a ``__del__``, of which the communication with the workers has many."""
    done = subprocess.run([sys.executable, "-c", LATE], cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_finished_run_is_not_overwritten_unless_told(tmp_path, capsys):
    """Neither with nor without --resume; with --force it is, at the end, and not by a run that is broken off."""
    one_epoch(tmp_path)
    before = contents(tmp_path)
    for more in ([], ["--resume"], ["--seed", "1"]):
        with pytest.raises(TrainingError, match="run is a finished run: choose another --name, or .* with --force"):
            one_epoch(tmp_path, *more)
    assert contents(tmp_path) == before
    assert one_epoch(tmp_path, "--seed", "1", "--force")["seed"] == 1 == read_record("run", tmp_path)["seed"]
    assert "--force" not in read_record("run", tmp_path)["command"]


def test_runs_go_to_the_readers_folder_under_a_name_that_is_no_reference_runs(tmp_path, monkeypatch):
    options = command.parse([])
    assert options.runs == OWN_RUNS and OWN_RUNS not in RUNS.parents and OWN_RUNS != RUNS
    names = [path.name for path in RUNS.iterdir()]
    assert names and not [name for name in names if name.startswith("my_")]
    assert command.own_name(Recipe()) == "my_session_net_62"
    for name in names:
        with pytest.raises(TrainingError, match=f"{name} is the name of a reference run"):
            command.main(["--name", name, "--epochs", "1", "--data", str(data.SAMPLE)])
    for reference in ("session_62", "better_62"):
        with pytest.raises(TrainingError, match="is a finished run"):
            command.main(["--name", reference, "--runs", str(RUNS), "--data", str(data.SAMPLE), "--resume"])


def test_help_explains_every_option(capsys):
    with pytest.raises(SystemExit):
        command.parse(["--help"])
    text = capsys.readouterr().out
    for option in ("--network", "--epochs", "--batch-size", "--lr", "--seed", "--resume", "--name", "--data"):
        assert option in text


def test_command_in_the_record_names_nothing_of_this_machine():
    kept = command._public(["--epochs", "2", "--data", "somewhere", "--resume", "--runs=else", "--lr", "0.2"])
    assert kept == ["--epochs", "2", "--lr", "0.2"]


@pytest.mark.parametrize("asked, times", [([], 1), (["--device", "cpu"], 0)])
def test_the_command_line_says_that_a_gpu_is_idle(driver, monkeypatch, capsys, tmp_path, asked, times):
    monkeypatch.setattr(command, "best_device", lambda: CPU)
    monkeypatch.setattr(command, "fit", mock.Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        command.main(["--data", str(data.SAMPLE), "--runs", str(tmp_path), *asked])
    assert capsys.readouterr().out.count("There is an NVIDIA driver here") == times
