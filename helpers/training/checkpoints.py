"""The checkpoints of a run: whole at every moment, and of this very run, or refused. Notebook 06 resumes from one."""

import dataclasses
import hashlib
import io
import shutil
import zipfile

import torch

from helpers.records import write_whole
from helpers.training.epoch import TrainingError
from helpers.training.recipe import Recipe


def write_state(path, state):
    """Write ``state``, a dictionary of tensors and plain values, to ``path``, whole or not at all.

    By way of memory: where the disk is full, that is an ``OSError`` that says so.
    """
    content = io.BytesIO()
    torch.save(state, content)
    write_whole(path, lambda part: part.write_bytes(content.getbuffer()))


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
    if path.exists():
        shutil.copy2(path, path.with_name(path.name + ".last"))
    write_state(path, state)


def read(path):
    """Return ``(state, file)`` of the checkpoint at ``path``, or of the one before if it is damaged; None without one.

    Raises ``TrainingError`` where both are damaged, or what is there is no checkpoint.
    """
    candidates = [file for file in (path, path.with_name(path.name + ".last")) if file.exists()]
    failure = None
    for candidate in candidates:
        try:
            with zipfile.ZipFile(candidate) as parts:
                if damaged := parts.testzip():  # PyTorch itself does not look at the checksums
                    raise ValueError(f"{damaged} has another checksum")
            # To the CPU: each part then takes what it needs to the device, and AdamW leaves its step counters here,
            # which it would otherwise wait for, one by one, at every step.
            state = torch.load(candidate, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file can fail in many ways
            failure = failure or error
        else:
            if not isinstance(state, dict) or not {"recipe", "history"} <= state.keys():
                raise TrainingError(
                    f"{candidate} is no checkpoint of this course: move it away, or choose another --name"
                )
            return state, candidate
    if candidates:
        raise TrainingError(f"the checkpoint {path} is damaged ({failure}): delete it to begin anew") from failure


def precision_of(path):
    """Return the precision that the run with a checkpoint at ``path`` trained in at last; None without a checkpoint."""
    found = read(path)
    return (
        next((row["precision"] for row in reversed(found[0]["history"]) if "precision" in row), None) if found else None
    )


def load(run, path):
    """Have ``run`` go on from the checkpoint at ``path``; do nothing where there is none.

    Raises ``TrainingError`` where that is damaged, of another recipe or other data, or does not fit the network.
    """
    if not (found := read(path)):
        return
    state, file = found
    here = dataclasses.asdict(run.recipe) | run.data
    there = (
        dataclasses.asdict(Recipe()) | run.data | state["recipe"] | state.get("data", {})
    )  # older ones lack the newest
    changed = [f"{key} {there[key]} there, {here[key]} here" for key in here if there[key] != here[key]]
    if changed:
        raise TrainingError(
            f"{file} belongs to another run ({'; '.join(changed)}): delete it, or choose another --name"
        )
    try:
        for name, part in run.parts.items():
            if state[name]:  # a scaler's is empty where the run was not in float16 before
                part.load_state_dict(state[name])
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        reason = str(error).strip().splitlines()[-1].strip() if str(error).strip() else type(error).__name__
        raise TrainingError(
            f"{file} does not fit the network as it is built here ({name}: {reason}): restore the code that it was "
            "begun with, or delete it to begin anew"
        ) from error
    run.history = state["history"]
