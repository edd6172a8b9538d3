"""The weights of a run to keep, and its checkpoints: whole at every moment, and of this very run, or refused.

Notebook 06 resumes from one.
"""

import dataclasses
import hashlib
import io
import shutil
import zipfile

import torch

from helpers.networks import count_parameters
from helpers.records import write_whole
from helpers.training.epoch import TrainingError
from helpers.training.recipe import Recipe

LARGE = 1_000_000  # parameters from which on they are kept in half precision: 9 MB and not 18 for ``teacher_net``


def write_state(path, state):
    """Write ``state``, a dictionary of tensors and plain values, to ``path``, whole or not at all.

    By way of memory: where the disk is full, that is an ``OSError`` that says so.
    """
    content = io.BytesIO()
    torch.save(state, content)
    write_whole(path, lambda part: part.write_bytes(content.getbuffer()))


def kept_state(network):
    """Return the state of ``network`` to keep, on the CPU; the parameters of a ``LARGE`` one are rounded, in it too."""
    state = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
    if count_parameters(network) >= LARGE:
        halves = {key: parameter.detach().half() for key, parameter in network.named_parameters()}
        network.load_state_dict(halves, strict=False)
        state |= {key: value.cpu().contiguous() for key, value in halves.items()}
    return state


def identity(train_data, test_data):
    """Return what tells the data of a run from others: how many images, and a checksum of every pixel and label."""
    digest = hashlib.sha256()
    for part in (*train_data, *test_data):
        digest.update(part.tobytes())
    return {
        "training images": f"{len(train_data[1]):,}",
        "test images": f"{len(test_data[1]):,}",
        "their SHA-256": digest.hexdigest()[:12],
    }


def save(run, path):
    """Write the state of ``run`` beside the last checkpoint and rename: at every moment one of the two is whole."""
    state = {name: part.state_dict() for name, part in run.parts.items()}
    state |= {"history": run.history, "recipe": dataclasses.asdict(run.recipe), "data": run.data}
    if not path.exists():
        last(path).unlink(missing_ok=True)  # of a run that was begun anew
    elif not damage(path):
        shutil.copy2(path, last(path))
    write_state(path, state)


def last(path):
    """Return where the checkpoint before the one at ``path`` is."""
    return path.with_name(path.name + ".last")


def damage(file):
    """Return what is wrong with a checkpoint, or None: PyTorch itself does not look at the checksums."""
    try:
        with zipfile.ZipFile(file) as parts:
            return (rotten := parts.testzip()) and f"{rotten} has another checksum"
    except Exception as error:  # a damaged file can fail in many ways
        return str(error) or type(error).__name__


def read(path):
    """Return the state in the checkpoint at ``path``, or in the one before if it is damaged; None without one.

    Whoever deletes ``path`` begins anew: the one before counts beside it only. Raises ``TrainingError`` where both are
    damaged, or what is there is no checkpoint.
    """
    if not path.exists():
        return None
    wrong = damage(path)
    file = path if not wrong else last(path)
    if wrong and damage(file):
        raise TrainingError(f"the checkpoint {path} is damaged ({wrong}): delete it to begin anew")
    try:
        # To the CPU: each part then takes what it needs to the device, and AdamW leaves its step counters here,
        # which it would otherwise wait for, one by one, at every step.
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception:  # whole, but nothing that PyTorch wrote, or with code in it
        state = None
    if not isinstance(state, dict) or not {"recipe", "history"} <= state.keys():
        raise TrainingError(f"{path} is no checkpoint of this course: move it away, or choose another --name")
    return state


def precision_of(path):
    """Return the precision that the run with a checkpoint at ``path`` trained in at last; None without a checkpoint."""
    history = (read(path) or {"history": []})["history"]
    return next((row["precision"] for row in reversed(history) if "precision" in row), None)


def load(run, path):
    """Have ``run`` go on from the checkpoint at ``path``; do nothing where there is none.

    Raises ``TrainingError`` where that is damaged, of another recipe or other data, or does not fit the network.
    """
    if not (state := read(path)):
        return
    here = dataclasses.asdict(run.recipe) | run.data
    there = (
        dataclasses.asdict(Recipe()) | run.data | state["recipe"] | state.get("data", {})
    )  # older ones lack the newest
    changed = [f"{key} {there[key]} there, {here[key]} here" for key in here if there[key] != here[key]]
    if changed:
        raise TrainingError(
            f"{path} belongs to another run ({'; '.join(changed)}): delete it, or choose another --name"
        )
    try:
        for name, part in run.parts.items():
            if state[name]:  # a scaler's is empty where the run was not in float16 before
                part.load_state_dict(state[name])
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        reason = str(error).strip().splitlines()[-1].strip() if str(error).strip() else type(error).__name__
        raise TrainingError(
            f"{path} does not fit the network as it is built here ({name}: {reason}): restore the code that it was "
            "begun with, or delete it to begin anew"
        ) from error
    run.history = state["history"]
