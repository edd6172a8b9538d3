"""What the first cell of a notebook needs: where it runs, in which mode, and what to read.

The set-up cell is the same in every notebook that uses the helpers. ``python -m helpers.colab`` (``make badges``)
writes it, and the Colab badge, into all of them from the repository's address in ``pyproject.toml``.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from helpers.records import RUNS

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = ("albumentations", "torchsummary")  # what Colab may lack; torch it has, and that stays as it is

SET_UP = """\
import sys
from pathlib import Path

ADDRESS = "{address}"
if "google.colab" in sys.modules and not Path("helpers").is_dir() and not Path("../helpers").is_dir():
    !git clone --quiet --depth 1 {{ADDRESS}} course
    assert Path("course").is_dir(), f"No course at {{ADDRESS}}: write its address into pyproject.toml, run make badges"
    %cd -q course/notebooks
sys.path.insert(0, str(next(p for p in (Path.cwd(), *Path.cwd().parents) if (p / "helpers").is_dir())))

from helpers.colab import set_up

FULL, DATA = set_up()"""

BADGE_IN_README = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\([^)]*?([^/)]+\.ipynb)\)")
BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({link})"


def notebook_mode():
    """Return ``"full"`` or ``"quick"``: the environment variable NOTEBOOK_MODE, else full where a GPU is there."""
    mode = os.environ.get("NOTEBOOK_MODE", "").lower()
    if mode not in ("", "full", "quick"):
        raise ValueError(f"NOTEBOOK_MODE is {mode!r}; it must be full or quick, or unset")
    if mode:
        return mode
    import torch

    return "full" if torch.cuda.is_available() else "quick"


def set_up():
    """Prepare a notebook; say in which mode it runs and how to change that; return ``(FULL, DATA)``.

    ``FULL`` is a bool; ``DATA`` is what to give ``load_cifar10`` as ``root``: the sample in quick mode, and None,
    the whole data set, in full mode. Safe to call again.
    """
    from helpers.data import SAMPLE

    if "google.colab" in sys.modules:
        missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
        if missing:
            subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *missing], check=True)
    full = notebook_mode() == "full"
    if full:
        print("Mode: full. All of CIFAR-10, every epoch. For a quick look set NOTEBOOK_MODE=quick and restart.")
    else:
        print(
            "Mode: quick. The sample of 2,000 + 1,000 images, a couple of epochs: seconds. The stored results are full."
        )
        print(
            "For the full mode use a GPU (in Colab: Runtime > Change runtime type > T4 GPU), or set NOTEBOOK_MODE=full."
        )
    return full, None if full else SAMPLE


def keep_runs_on_drive(runs=RUNS, drive=Path("/content/drive")):
    """Keep ``notebooks/runs`` on the reader's Google Drive, where checkpoints outlive a lost Colab session.

    Mounts Drive at ``drive`` (Colab asks for permission), copies the runs that it lacks there, finished or not, and
    puts a link in the folder's place; returns the folder on Drive. In a new session call it again, before training: of
    a run that Drive has already, that one counts, and the other stays beside the link, in ``runs_before_drive``.
    Raises ``RuntimeError`` outside Colab.
    """
    if "google.colab" not in sys.modules:
        raise RuntimeError(
            f"Google Drive can be mounted in Colab only; here {runs} is not lost at the end of a session"
        )
    kept = drive / "MyDrive" / "advanced-convolutions" / "runs"
    if runs.is_symlink():
        return kept
    from google.colab import drive as google_drive

    google_drive.mount(str(drive))
    kept.mkdir(parents=True, exist_ok=True)
    files = [path for path in runs.rglob("*") if path.is_file()]
    for path in sorted({file if file.parent == runs else file.parent for file in files}):
        place = kept / path.relative_to(runs)
        if not place.exists():
            part = place.with_name(f"{place.name}.part")  # renamed when it is whole: a session can end here, too
            place.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, part, dirs_exist_ok=True)
            else:
                shutil.copy(path, part)
            part.rename(place)
    runs.rename(runs.with_name("runs_before_drive"))
    runs.symlink_to(kept, target_is_directory=True)
    return kept


def address():
    """Return the repository's public address, from ``[project.urls]`` in ``pyproject.toml``."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"].rstrip("/")


def set_up_cell():
    """Return the code of the set-up cell, the same in every notebook that uses the helpers."""
    return SET_UP.format(address=address())


def badge(notebook):
    """Return the Markdown of the Colab badge of the notebook file named ``notebook``."""
    owner_and_name = address().removeprefix("https://github.com/")
    return BADGE.format(
        link=f"https://colab.research.google.com/github/{owner_and_name}/blob/main/notebooks/{notebook}"
    )


def write_badges(folder=REPOSITORY / "notebooks", readme=REPOSITORY / "README.md"):
    """Write badge and set-up cell into every notebook of ``folder``, and the badges into the README.

    Returns the names of the files that changed.
    """
    changed = []
    for path in sorted(Path(folder).glob("*.ipynb")):
        before = path.read_text(encoding="utf-8")
        notebook = json.loads(before)
        for cell in notebook["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                source = re.sub(r"\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)", badge(path.name), source)
            elif "set-up" in cell["metadata"].get("tags", []):
                source = set_up_cell()
            else:  # notebook 05 has no helper to ask
                source = re.sub(r'^ADDRESS = ".*"$', f'ADDRESS = "{address()}"', source, flags=re.MULTILINE)
            cell["source"] = source.splitlines(keepends=True)
        after = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed.append(path.name)
    before = readme.read_text(encoding="utf-8")
    after = BADGE_IN_README.sub(lambda found: badge(found[1]), before)
    if after != before:
        readme.write_text(after, encoding="utf-8")
        changed.append(readme.name)
    return changed


if __name__ == "__main__":
    print("\n".join(write_badges()) or "every notebook has the right badge and set-up cell already")
