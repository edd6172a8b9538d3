"""The command line: killed and resumed, never over a finished run, errors in a sentence."""

import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from unittest import mock

import numpy as np
import pytest
import torch
from short_runs import CPU, one_epoch

from helpers import data
from helpers.data import ShuffledBatches
from helpers.networks import BEST, load_pretrained
from helpers.records import OWN_RUNS, REPOSITORY, RUNS, read_record
from helpers.training import Recipe, TrainingError, command, evaluate
from helpers.training.distributed import World
from helpers.training.run import Run


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_lines_in_the_documents_have_options_that_there_are(page):
    lines = re.findall(r"^ {4,}.*-m helpers\.training (--.+)$", (REPOSITORY / page).read_text("utf-8"), re.MULTILINE)
    assert len(lines) >= 3
    for line in lines:
        command.parse(shlex.split(line.replace("my_net", "session_net")))


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
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs behind a shell would hear no Ctrl-C
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


def test_a_finished_run_is_not_overwritten_unless_told(tmp_path, monkeypatch):
    """Neither with nor without --resume; with --force it is, at the end, and not by a run that is broken off."""
    one_epoch(tmp_path)
    before = contents(tmp_path)
    for more in ([], ["--resume"], ["--seed", "1"]):
        with pytest.raises(TrainingError, match="run is a finished run: choose another --name, or .* with --force"):
            one_epoch(tmp_path, *more)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(command, "evaluate", mock.Mock(side_effect=KeyboardInterrupt))
        one_epoch(tmp_path, "--seed", "1", "--force")
    after = contents(tmp_path)
    assert {path: after[path] for path in before} == before  # and a checkpoint
    assert one_epoch(tmp_path, "--seed", "1", "--force")["seed"] == 1 == read_record("run", tmp_path)["seed"]
    assert "--force" not in read_record("run", tmp_path)["command"]


def test_a_network_whose_price_is_not_known_is_kept_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "network_cost", mock.Mock(side_effect=NotImplementedError("gru")))
    assert one_epoch(tmp_path) == read_record("run", tmp_path) and read_record("run", tmp_path)["macs"] is None


@pytest.mark.parametrize("more", ([], ["--ema", "0.9"]))
@pytest.mark.parametrize("large", (False, True))
def test_a_large_network_is_kept_in_half_precision_and_tested_as_it_is_kept(large, more, monkeypatch, tmp_path):
    """In a record of either kind, of the last weights or of their average, stands what the weights beside it give."""
    monkeypatch.setattr(
        "helpers.training.checkpoints.LARGE", 62_006 if large else 62_007
    )  # parameters; tutorial_net has 62,006
    record = one_epoch(tmp_path, *more)
    assert record["parameters"] == 62_006
    state = torch.load(tmp_path / "run" / "weights.pt", weights_only=True)
    assert {value.dtype for value in state.values()} == {torch.float16 if large else torch.float32}
    network = load_pretrained("run", tmp_path)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    again = evaluate(network, data.test_loader(data.Cifar10(*data.load_cifar10(False, data.SAMPLE))), CPU)
    assert (again["correct"], again["loss"]) == (record["test"]["correct"], record["test"]["loss"])


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
    text = " ".join(capsys.readouterr().out.split())
    options = vars(command.parse([]))
    assert len(options) > 20
    for option in options:
        shown = "--no-compile" if option == "compile" else f"--{option.replace('_', '-')}"
        assert re.search(rf" {shown}( [A-Z_]+(?= )| {{[^}}]*}})?+ \w", text), option  # and some words


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


# What is asked for in vain ------------------------------------------------------------------------------------------

NAMES = ["", " ", "..", "../up", "/abs", "a/b", "a\\b", "C:\\x", "C:x", ".hidden", "nul\0", "x" * 101]
VALUES = {  # option: some that train, some that are refused
    "--epochs": (["1", "7"], ["0", "-1", "1.5", "nan", "many"]),
    "--batch-size": (["1", "7", "400", "2000", "5000000"], ["0", "-5", "1e3", ""]),
    "--optimizer": (["SGD", "AdamW"], ["sgd", "Adam"]),
    "--lr": (["0.1", "1e-9", "100"], ["0", "-0.1", "nan", "inf", "fast"]),
    "--warmup": (["0.001", "0.2", "0.999"], ["0", "1", "-1", "nan"]),
    "--momentum": (["0.1", "0.9"], ["0", "1", "-0.5", "nan", "inf"]),
    "--weight-decay": (["0", "5e-4", "1"], ["-1", "nan", "inf"]),
    "--augment": (["gentle", "none"], ["everything"]),
    "--ema": (["0", "0.999"], ["1", "-0.1", "nan"]),
    "--seed": (["0", "1", str(2**63 - 1)], ["-1", str(2**64), "1.5"]),
    "--network": (["tutorial_net"], ["resnet", ""]),
    "--device": (["cpu"], ["banana", "cuda:99", "meta", "cpu:x", "-1"]),
    "--precision": (["float32", "bfloat16"], ["float64", "half"]),
    "--workers": (["0", "1", "3"], ["-1", "257", "two"]),
    "--teacher": (["tutorial_10"], ["nobody", "../up", ""]),
    "--images": (["500", "1999"], ["0", "-1", "2000", "1e3"]),
    "--name": (["HISTORY", "CONFUSION", "my run", "día"], NAMES),
}


@pytest.fixture
def planned(monkeypatch, tmp_path):
    """A function that runs a command line up to where training would begin, and every step of its schedule."""
    monkeypatch.setattr(command, "keep_run", mock.Mock(return_value={"test": {"class_accuracy": {}}}))

    def plan(recipe, train_data, test_data, device, speed, *, runs, **_):
        run = Run(recipe, len(train_data[1]), device, speed, runs=runs)
        for _ in range(min(recipe.epochs * run.steps, 300)):
            run.optimizer.step()
            run.scheduler.step()
        ShuffledBatches(len(train_data[1]), recipe.batch_size, recipe.seed)
        return run.network, []

    monkeypatch.setattr(command, "fit", plan)
    usual = ["--network", "tutorial_net", "--device", "cpu", "--no-compile", "--data", str(data.SAMPLE)]
    return lambda *more: command.main([*usual, "--runs", str(tmp_path / "runs"), *more])


def refusal(call, capsys):
    """Return the sentence that the program ends with, as __main__ prints it; None where it trains."""
    try:
        call()
    except SystemExit as stopped:
        assert stopped.code == 2
        return capsys.readouterr().err.rstrip("\n")
    except (TrainingError, data.DataError, ValueError, OSError) as error:
        return str(error)


@pytest.mark.parametrize("option", VALUES)
def test_each_value_trains_or_is_refused_by_name(planned, capsys, option):
    good, bad = VALUES[option]
    for value in good:
        assert refusal(lambda value=value: planned(option, value), capsys) is None, value
    for value in bad:
        said = refusal(lambda value=value: planned(f"{option}={value}"), capsys)
        assert said and "\n" not in said, value
        assert option.strip("-").replace("-", "_") in said.replace("-", "_") or repr(value) in said, said


@pytest.mark.parametrize("epochs, batch_size, warmup", [(1, 400, 0.2), (2, 400, 0.1), (1, 2000, 0.5), (1, 500, 0.25)])
def test_a_warm_up_of_exactly_one_step_trains(planned, capsys, epochs, batch_size, warmup):
    line = [f"--epochs={epochs}", f"--batch-size={batch_size}", f"--warmup={warmup}"]
    assert refusal(lambda: planned(*line), capsys) is None


def test_any_values_together_train_or_are_refused_in_one_line(planned, capsys):
    """A few hundred command lines, drawn by chance: refused exactly where one of their values is."""
    rng = random.Random(0)
    for _ in range(300):
        options = rng.sample(list(VALUES), rng.randint(1, 6))
        bad = {option for option in options if rng.random() < 0.15}
        line = [f"{option}={rng.choice(VALUES[option][option in bad])}" for option in options]
        said = refusal(lambda line=line: planned(*line), capsys)
        assert (said is not None) == bool(bad) and "\n" not in (said or ""), (line, said)


def test_an_option_is_never_abbreviated(planned, capsys):
    """The record's command names nothing of this machine because it leaves out --data and --runs, spelled so."""
    for line in (["--dat", "X"], ["--run", "Y"], ["--epoch", "3"]):
        assert line[0] in refusal(lambda line=line: planned(*line), capsys)


def test_validation_needs_more_images_than_the_sample_has(planned, capsys):
    said = refusal(lambda: planned("--validate"), capsys)
    assert said == "--validate holds out 5,000 training images, and there are 2,000 in all"


def test_a_part_of_the_training_images_is_drawn_from_what_validation_leaves(monkeypatch):
    """Another number of images, none of the held-out ones, each once; the record says how many."""
    whole = data.load_cifar10(True, data.SAMPLE)
    numbered = np.arange(2000, dtype=np.uint16).view(np.uint8).reshape(2000, 2)  # so that each image says which it is
    images = np.zeros_like(whole[0])
    images[:, 0, 0, :2] = numbered
    monkeypatch.setattr(command, "load_cifar10", lambda *_: (images, whole[1]))
    monkeypatch.setattr(command, "HELD_OUT", 300)
    options = command.parse(["--images", "600", "--validate", "--data", str(data.SAMPLE)])
    drawn, held_out, source = command.chosen_data(options, World())
    kept, held = ({tuple(image[0, 0, :2]) for image in part[0]} for part in (drawn, held_out))
    assert len(drawn[1]) == len(kept) == 600 and len(held) == 300 and not kept & held
    for (first, second, _), label in zip(drawn[0][:, 0, 0], drawn[1], strict=True):
        assert label == whole[1][int(first) + 256 * int(second)]
    assert source["training_images"].startswith("600 of 1,700")


@pytest.mark.parametrize("name, value", [("WORLD_SIZE", ""), ("RANK", " "), ("LOCAL_WORLD_SIZE", "")])
def test_an_empty_variable_of_torchrun_counts_as_not_set(planned, monkeypatch, capsys, name, value):
    monkeypatch.setenv(name, value)
    assert refusal(planned, capsys) is None
    monkeypatch.setenv(name, "two")
    assert refusal(planned, capsys) == f"the environment variable {name} is 'two'; it must be a whole number"


def test_a_teacher_is_looked_for_among_the_runs_too(planned, tmp_path, capsys):
    shutil.copytree(RUNS / "tutorial_10", tmp_path / "runs" / "mine")
    assert refusal(lambda: planned("--teacher", "mine", "--name", "other"), capsys) is None
    (tmp_path / "runs" / "mine" / "weights.pt").unlink()
    assert "kept no weights" in refusal(lambda: planned("--teacher", "mine", "--name", "other"), capsys)


def test_a_teacher_is_named_by_its_own_name(planned, tmp_path, capsys):
    """An alias would be another run some day; but a run of one's own may have that name."""
    said = refusal(lambda: planned("--teacher", "better"), capsys)
    assert said == f"better is whichever run is the best by now: name it, --teacher {BEST}"
    shutil.copytree(RUNS / "tutorial_10", tmp_path / "runs" / "better")
    assert refusal(lambda: planned("--teacher", "better"), capsys) is None


def test_runs_that_cannot_be_written_are_refused_before_anything_is_trained(planned, tmp_path, capsys):
    (tmp_path / "runs").write_text("a file")
    assert "choose another folder --runs" in refusal(planned, capsys)
    (tmp_path / "runs").unlink()
    assert refusal(planned, capsys) is None
    assert not (tmp_path / "runs").exists(), "a lock, or an empty folder, was left"
    (tmp_path / "runs").mkdir()
    assert refusal(planned, capsys) is None
    assert not list((tmp_path / "runs").iterdir()), "the reader's folder went, or did not stay empty"


@pytest.mark.parametrize("number", command.NO_LOCKS)
def test_a_file_system_without_locks_is_none_to_refuse(planned, tmp_path, monkeypatch, capsys, number):
    """Whatever it says, and though a machine that is gone left the file that it had for a lock."""
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(fcntl, "flock", mock.Mock(side_effect=OSError(number, "no locks")))
    folder = tmp_path / "runs" / "run"
    folder.mkdir(parents=True)
    (folder / "lock").write_text("7\nanother-machine\n")
    assert refusal(lambda: planned("--name", "run"), capsys) is None


def test_two_processes_do_not_train_one_run_and_a_killed_one_leaves_no_lock(tmp_path):
    first = command_line(tmp_path, "--epochs", "500")
    while "EPOCH:  1/500" not in first.stdout.readline():
        assert first.poll() is None
    for more in ([], ["--resume"], ["--force"]):
        second = command_line(tmp_path, *more)
        output, _ = second.communicate(timeout=600)
        assert second.returncode == 1 and "is being trained by another process" in output.splitlines()[-1], output
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stdout.close()
    third = command_line(tmp_path, "--epochs", "500", "--resume")
    while "EPOCH:" not in third.stdout.readline():
        assert third.poll() is None
    third.send_signal(signal.SIGINT)
    third.communicate(timeout=600)


@pytest.mark.parametrize("can, goes_on_in", [(["float32", "bfloat16"], "bfloat16"), (["float32"], "float32")])
def test_a_resumed_run_keeps_its_precision_where_the_device_has_it(monkeypatch, tmp_path, capsys, can, goes_on_in):
    """The automatic choice is a measurement, and may fall otherwise the next time; the record names what was."""
    line = f"--network tutorial_net --epochs 2 --name run --data {data.SAMPLE} --runs {tmp_path} --no-compile".split()
    report = command.progress_line

    def stop(row, epochs):
        if row["epoch"] == 1:
            raise KeyboardInterrupt
        return report(row, epochs)

    monkeypatch.setattr(command.Speed, "best", lambda *_: command.Speed())
    monkeypatch.setattr(command, "precisions", lambda device: can)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(command, "progress_line", stop)
        command.main([*line, "--device", "cpu", "--precision", "bfloat16"])
    record = command.main([*line, "--device", "cpu", "--resume"])
    assert [row["precision"] for row in record["history"]] == ["bfloat16", goes_on_in]
    assert record["speed"]["precision"] == ", then ".join(dict.fromkeys(["bfloat16", goes_on_in]))
    assert ("it goes on in float32" in capsys.readouterr().out) == (goes_on_in == "float32")
