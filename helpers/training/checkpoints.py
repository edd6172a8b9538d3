"""The checkpoints of a run: whole at every moment, and of this very run, or refused. Notebook 06 resumes from one."""

import dataclasses
import shutil

import torch

from helpers.records import write_whole
from helpers.training.epoch import TrainingError
from helpers.training.recipe import Recipe


def save(run, path):
    """Write the state of ``run`` beside the last checkpoint and rename: at every moment one of the two is whole."""
    state = {name: part.state_dict() for name, part in run.parts.items()}
    state |= {"history": run.history, "recipe": dataclasses.asdict(run.recipe)}
    if path.exists():
        shutil.copy2(path, path.with_name(path.name + ".last"))
    write_whole(path, lambda part: torch.save(state, part))


def load(run, path):
    """Have ``run`` go on from a checkpoint, or from the one before if it is damaged; do nothing where there is none.

    Raises ``TrainingError`` where both are damaged, or where what is there is of another run or no checkpoint at all.
    """
    last = path.with_name(path.name + ".last")
    if not path.exists() and not last.exists():
        return
    failure = None
    for candidate in (path, last):
        try:
            # To the CPU: each part then takes what it needs to the device, and AdamW leaves its step counters here,
            # which it would otherwise wait for, one by one, at every step.
            state = torch.load(candidate, map_location="cpu", weights_only=True)
            break
        except Exception as error:  # a damaged file can fail in many ways
            failure = failure or error
    else:
        raise TrainingError(f"the checkpoint {path} is damaged ({failure}): delete it to begin anew") from failure
    recipe = dataclasses.asdict(run.recipe)
    if not isinstance(state, dict) or "recipe" not in state:
        raise TrainingError(f"{candidate} is no checkpoint of this course: move it away, or choose another --name")
    there = dataclasses.asdict(Recipe()) | state["recipe"]  # a field younger than the checkpoint had its default
    changed = [f"{key} {there[key]} there, {recipe[key]} here" for key in recipe if there[key] != recipe[key]]
    if changed:
        raise TrainingError(
            f"{candidate} belongs to another run ({'; '.join(changed)}): delete it, or choose another --name"
        )
    for name, part in run.parts.items():
        if state[name]:  # a scaler's is empty where the run was not in float16 before
            part.load_state_dict(state[name])
    run.history = state["history"]
