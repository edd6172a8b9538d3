"""Checkpoints: the same weights after an interruption; what is damaged or foreign is refused."""

import errno
import io
import os
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from gpu import PRECISIONS, a_run, assert_an_epoch_waits_once, batch, pretended_gpu
from short_runs import CPU, Killed, kill_after, small, weights_of

from helpers.networks import NETWORKS, session_net
from helpers.records import read_record
from helpers.training import Speed, TrainingError, fit, run
from helpers.training import checkpoints as checkpoints_module
from helpers.training.checkpoints import load as read_checkpoint
from helpers.training.checkpoints import read as read_state
from helpers.training.checkpoints import save as write_checkpoint


@pytest.mark.parametrize("changes", [{}, {"ema": 0.9}, {"optimizer": "AdamW", "lr": 0.01}])
def test_resumed_run_ends_with_the_same_weights(few, tmp_path, changes):
    recipe, checkpoint = small(network="session_net", **changes), tmp_path / "checkpoint.pt"
    whole, whole_history = fit(recipe, *few, CPU, Speed())
    with pytest.raises(Killed):
        fit(recipe, *few, CPU, Speed(), report=kill_after(2), checkpoint=checkpoint)
    resumed, history = fit(recipe, *few, CPU, Speed(), checkpoint=checkpoint, resume=True)
    assert torch.equal(weights_of(whole), weights_of(resumed))
    scores = [
        [(row["epoch"], row["lr"], row["train_loss"], row["test_loss"]) for row in h] for h in (history, whole_history)
    ]
    assert scores[0] == scores[1] and len(history) == 3
    assert ["device" in row for row in whole_history] == [True, False, False]
    assert ["device" in row for row in history] == [True, False, True]  # each start notes where it computes


def test_damaged_checkpoint_falls_back_to_the_one_before(few, tmp_path):
    recipe, checkpoint = small(), tmp_path / "checkpoint.pt"
    whole, _ = fit(recipe, *few, CPU, Speed())
    with pytest.raises(Killed):
        fit(recipe, *few, CPU, Speed(), report=kill_after(2), checkpoint=checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    resumed, history = fit(recipe, *few, CPU, Speed(), checkpoint=checkpoint, resume=True)
    assert torch.equal(weights_of(whole), weights_of(resumed))
    checkpoint.write_bytes(b"no")
    checkpoint.with_name("checkpoint.pt.last").write_bytes(b"no")
    with pytest.raises(TrainingError, match="checkpoint.pt is damaged"):
        fit(recipe, *few, CPU, Speed(), checkpoint=checkpoint, resume=True)


def test_a_deleted_checkpoint_begins_anew(few, tmp_path):
    """As its messages say: the one before it, of another recipe even, does not count without it."""
    checkpoint, seen = tmp_path / "checkpoint.pt", []
    fit(small(lr=0.05), *few, CPU, Speed(), checkpoint=checkpoint)
    assert checkpoint.with_name("checkpoint.pt.last").exists()
    checkpoint.unlink()
    with pytest.raises(Killed):
        fit(small(), *few, CPU, Speed(), report=kill_after(1), checkpoint=checkpoint, resume=True)
    checkpoint.write_bytes(b"no")  # and never comes back
    with pytest.raises(TrainingError, match="checkpoint.pt is damaged .* delete it to begin anew"):
        fit(small(), *few, CPU, Speed(), checkpoint=checkpoint, resume=True)
    checkpoint.unlink()
    fit(small(), *few, CPU, Speed(), report=lambda row: seen.append(row["epoch"]), checkpoint=checkpoint, resume=True)
    assert seen == [1, 2, 3]


def test_a_damaged_checkpoint_never_takes_the_place_of_the_good_one_before_it(few, tmp_path, monkeypatch):
    checkpoint = tmp_path / "checkpoint.pt"
    fit(small(), *few, CPU, Speed(), checkpoint=checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with monkeypatch.context() as patch, pytest.raises(OSError, match="full"):
        patch.setattr(checkpoints_module, "write_state", mock.Mock(side_effect=OSError("full")))
        fit(small(), *few, CPU, Speed(), checkpoint=checkpoint, resume=True)
    assert len(read_state(checkpoint)["history"]) == 2


def test_another_teacher_under_the_same_name_is_another_run(few, tmp_path, monkeypatch):
    checkpoint, recipe = tmp_path / "checkpoint.pt", small(epochs=1, teacher="tutorial_10")
    fit(recipe, *few, CPU, Speed(), checkpoint=checkpoint)
    assert fit(recipe, *few, CPU, Speed(), checkpoint=checkpoint, resume=True)[1]
    other = read_record("tutorial_10") | {"weights_sha256": "0" * 64}
    monkeypatch.setattr(run, "read_record", lambda *_: other)
    with pytest.raises(TrainingError, match=r"belongs to another run \(teacher's SHA-256 \w+ there, 000000000000 here"):
        fit(recipe, *few, CPU, Speed(), checkpoint=checkpoint, resume=True)


def test_foreign_checkpoint_is_refused(few, tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    fit(small(epochs=1), *few, CPU, Speed(), checkpoint=checkpoint)
    with pytest.raises(TrainingError, match="lr 0.1 there, 0.2 here"):
        fit(small(epochs=1, lr=0.2), *few, CPU, Speed(), checkpoint=checkpoint, resume=True)
    torch.save({"something": 1}, checkpoint)
    with pytest.raises(TrainingError, match="no checkpoint of this course"):
        fit(small(), *few, CPU, Speed(), checkpoint=checkpoint, resume=True)


def test_other_data_are_refused_with_both_named(few, tmp_path):
    """Fewer images, as --validate makes them; as many, but others; a single pixel."""
    checkpoint, (train, test) = tmp_path / "checkpoint.pt", few
    fit(small(epochs=1), train, test, CPU, Speed(), checkpoint=checkpoint)
    fewer, flipped, dot = (train[0][4:], train[1][4:]), (train[0][::-1].copy(), train[1]), train[0].copy()
    dot[0, 0, 0, 0] ^= 1
    cases = [((fewer, train), "training images 64 there, 60 here; test images 40 there, 64 here")]
    cases += [((data, test), r"\(their SHA-256 \w+ there, \w+ here\)") for data in (flipped, (dot, train[1]))]
    for data, words in cases:
        with pytest.raises(TrainingError, match=f"belongs to another run.*{words}"):
            fit(small(epochs=1), *data, CPU, Speed(), checkpoint=checkpoint, resume=True)
    assert fit(small(epochs=1), train, test, "cpu", Speed(), checkpoint=checkpoint, resume=True)[1]


def test_a_single_rotten_byte_anywhere_is_noticed(few, tmp_path):
    """PyTorch would read it, and train on: the checkpoint before it is taken, or it is named."""
    checkpoint = tmp_path / "checkpoint.pt"
    fit(small(epochs=1), *few, CPU, Speed(), checkpoint=checkpoint)
    whole = checkpoint.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(200, len(whole) - 2000, 20):
        checkpoint.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        try:
            state = read_state(checkpoint)
        except TrainingError as error:
            assert "is damaged" in str(error)
        else:  # a byte that pads
            good = torch.load(io.BytesIO(whole))["network"]
            assert all(torch.equal(value, state["network"][name]) for name, value in good.items())


@pytest.mark.parametrize("part", ["network", "optimizer", "ema"])
def test_a_checkpoint_that_does_not_fit_is_refused_in_a_sentence(few, tmp_path, part):
    checkpoint, recipe = tmp_path / "checkpoint.pt", small(epochs=1, ema=0.9)
    fit(recipe, *few, CPU, Speed(), checkpoint=checkpoint)
    state = torch.load(checkpoint)
    del state[part]
    torch.save(state, checkpoint)
    with pytest.raises(TrainingError, match=rf"checkpoint.pt does not fit .* \({part}: '{part}'\): restore the code"):
        fit(recipe, *few, CPU, Speed(), checkpoint=checkpoint, resume=True)


def test_a_network_that_was_edited_is_refused_in_a_sentence(few, tmp_path, monkeypatch):
    checkpoint = tmp_path / "checkpoint.pt"
    fit(small(epochs=1), *few, CPU, Speed(), checkpoint=checkpoint)
    monkeypatch.setitem(NETWORKS, "tutorial_net", session_net)
    with pytest.raises(TrainingError, match="checkpoint.pt does not fit the network as it is built here") as raised:
        fit(small(epochs=1), *few, CPU, Speed(), checkpoint=checkpoint, resume=True)
    assert "\n" not in str(raised.value)


def test_a_full_disk_is_called_that_and_leaves_the_checkpoint_whole(few, tmp_path, monkeypatch):
    checkpoint = tmp_path / "checkpoint.pt"
    fit(small(epochs=1), *few, CPU, Speed(), checkpoint=checkpoint)
    before = checkpoint.read_bytes()

    def full(path, content):
        with path.open("wb") as file:
            file.write(content[:1000])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left on device: .*checkpoint.pt.part"):
        fit(small(epochs=1), *few, CPU, Speed(), checkpoint=checkpoint)
    assert checkpoint.read_bytes() == before
    assert not list(tmp_path.glob("*.part"))


ADAMW = {"network": "tutorial_net", "optimizer": "AdamW", "ema": 0.9}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A folder with the checkpoints of three runs on the CPU after an epoch, one for each precision."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for precision in PRECISIONS:
        run = a_run(precision, CPU, **ADAMW)
        run.train_epoch([batch(), batch(5)])
        if precision == "float16":
            run.scaler.update(512.0)
        write_checkpoint(run, folder / precision)
    return folder


@pytest.mark.parametrize("after", PRECISIONS)
@pytest.mark.parametrize("before", PRECISIONS)
def test_a_run_is_resumed_in_another_precision_and_on_a_gpu(checkpoints, before, after):
    """AdamW's step counters stay on the CPU: on the GPU it would read each of them at every step."""
    saved, run = torch.load(checkpoints / before, weights_only=True), a_run(after, CPU, **ADAMW)
    read_checkpoint(run, checkpoints / before)
    assert all(torch.equal(value, saved["network"][name]) for name, value in run.network.state_dict().items())
    assert run.scaler.get_scale() == {"float16": 512.0 if before == after else 65536.0}.get(after, 1.0)
    assert np.isfinite(run.train_epoch([batch()])[0])
    with pretended_gpu() as watch:
        run = a_run(after, **ADAMW)
        read_checkpoint(run, checkpoints / before)
        places = {(name, value.device.type) for state in run.optimizer.state.values() for name, value in state.items()}
        assert places == {("step", "cpu"), ("exp_avg", "cuda"), ("exp_avg_sq", "cuda")}
        assert_an_epoch_waits_once(watch, run)
