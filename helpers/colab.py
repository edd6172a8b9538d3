"""What the first cell of every notebook (but 05) needs: where it runs, in which mode, and what to read."""

import importlib.util
import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from helpers.records import OWN_RUNS

PACKAGES = ("albumentations", "torchsummary")  # what Colab may lack; torch it has, and that stays as it is
MODES = {
    "quick": "the sample of 2,000 + 1,000 images and a couple of epochs, seconds; the stored results are full",
    "full": "all of CIFAR-10, and the stored runs",
    "train": "all of CIFAR-10; 03, 05, 06, 07 and 09 first train a run of your own, live, into runs/",
}


def notebook_mode(choice="auto", trains=False):
    """Return ``"quick"``, ``"full"`` or ``"train"``: the ``choice``; for "auto" the environment variable NOTEBOOK_MODE.

    Where that is not set either, it is quick without an NVIDIA GPU, and with one full, or train in a notebook that
    ``trains`` for minutes only (05 and 06). Anything else is a ``ValueError``.
    """
    for name, value in (("MODE", choice), ("NOTEBOOK_MODE", os.environ.get("NOTEBOOK_MODE", ""))):
        value = value.strip().lower()
        if value in MODES:
            return value
        if value not in ("", "auto"):
            raise ValueError(f"{name} is {value!r}; it must be {', '.join(MODES)}, or auto")
    import torch

    if not torch.cuda.is_available():
        return "quick"
    return "train" if trains else "full"


def set_up(choice="auto"):
    """Prepare a notebook; say in which mode it runs, why, and how to change that; return ``(FULL, DATA)``.

    ``choice`` is the form field of the first cell, see ``notebook_mode``. ``FULL`` is a bool; ``DATA`` is what to give
    ``load_cifar10`` as ``root``: the sample in quick mode, and else None, the whole data set. Safe to call again.
    """
    from helpers.data import SAMPLE

    if "google.colab" in sys.modules:
        missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
        if missing:
            subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *missing], check=True)
    draw_sharply()
    mode = notebook_mode(choice)
    print(f"Mode: {mode}{_why(mode, choice)}: {MODES[mode]}.")
    print("Another: choose it as MODE above and run all, or start Jupyter with NOTEBOOK_MODE=quick, full or train.")
    return mode != "quick", SAMPLE if mode == "quick" else None


def draw_sharply():
    """Let a notebook draw its figures in twice the resolution, for a projector and for a screen of small pixels."""
    if "IPython" in sys.modules and (shell := sys.modules["IPython"].get_ipython()):
        shell.run_line_magic("config", "InlineBackend.figure_format = 'retina'")


def _why(mode, choice):
    """Return why the notebook is in this ``mode``, for its message."""
    if choice.strip().lower() == mode:
        return ", as MODE says"
    if os.environ.get("NOTEBOOK_MODE", "").strip().lower() == mode:
        return ", as NOTEBOOK_MODE says"
    if mode == "full":
        return ", since there is a GPU (notebooks 05 and 06 train, too)"
    from helpers.training import idle_gpu

    if idle := idle_gpu():
        return f". {idle} So"
    colab = " (in Colab: Runtime > Change runtime type > T4 GPU)" if "google.colab" in sys.modules else ""
    return f", since there is no NVIDIA GPU{colab}"


def writes():
    """Return whether a notebook writes what the repository keeps: pictures, measured devices. Only on request."""
    return os.environ.get("COURSE_WRITES") == "1"


def keep_runs_on_drive(runs=OWN_RUNS, drive=Path("/content/drive")):
    """Keep the reader's own runs on their Google Drive, where checkpoints outlive a lost Colab session.

    Mounts Drive at ``drive`` (Colab asks for permission), copies the runs that it lacks there, finished or not, and
    puts a link in the folder's place; returns the folder on Drive. In a new session call it again, before training: of
    a run that Drive has already, that one counts, and the other stays beside the link, in ``runs_before_drive``. The
    reference runs stay in the clone.
    Raises ``RuntimeError`` outside Colab.
    """
    if "google.colab" not in sys.modules:
        raise RuntimeError(
            f"Google Drive can be mounted in Colab only; here {runs} is not lost at the end of a session"
        )
    kept = drive / "MyDrive" / "advanced-convolutions" / "runs"
    from google.colab import drive as google_drive

    google_drive.mount(str(drive))  # it may have been unmounted since
    kept.mkdir(parents=True, exist_ok=True)
    if runs.is_symlink():
        return kept
    for path in sorted({file.parent for file in runs.rglob("*") if file.is_file()}):
        place = kept / path.relative_to(runs)
        if not place.exists():
            part = place.with_name(f"{place.name}.part")  # renamed when it is whole: a session can end here, too
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(path, part, dirs_exist_ok=True)
            part.rename(place)
    if runs.exists():
        places = (runs.with_name(f"runs_before_drive{number or ''}") for number in itertools.count())
        runs.rename(next(place for place in places if not place.exists()))
    runs.symlink_to(kept, target_is_directory=True)
    return kept
