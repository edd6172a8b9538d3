"""Run every notebook as Colab does: ``python tests/colab/check.py PYTHON [NAME …]`` (``make colab-check``).

PYTHON is the interpreter of an environment with the packages of ``requirements.txt``, beside this file. Each notebook
starts in an empty folder, with ``google.colab`` loaded, on a kernel of that environment, and is run twice from top to
bottom, in quick mode, as by *Run all* and *Run all* again. It clones this repository as it was last committed: Git is
told to take a local bare copy for the public address. Nothing can be installed, and nothing restarts the kernel.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path.insert(0, str(REPOSITORY))

from helpers.publishing.badges import address  # noqa: E402
from helpers.publishing.pages import Client  # noqa: E402


def git(*arguments):
    return subprocess.run(["git", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def prepare(place, python):
    """Make in ``place`` what Colab has: the kernel, and an address to clone from."""
    git("clone", "--quiet", "--bare", REPOSITORY, place / "origin.git")
    startup = place / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-colab.py").write_text("import google.colab\n")
    environment = {
        "PYTHONPATH": str(HERE / "stand_in"),
        "IPYTHONDIR": str(place / "ipython"),
        "HOME": str(place),
        "NOTEBOOK_MODE": "quick",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PIP_NO_INDEX": "1",  # an installation fails
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else Python 3.13 warns among the lines of progress
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{(place / 'origin.git').as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": address(),
    }
    kernel = place / "kernels" / "colab"
    kernel.mkdir(parents=True)
    launch = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    specification = {"argv": launch, "display_name": "Colab", "language": "python", "env": environment}
    (kernel / "kernel.json").write_text(json.dumps(specification))
    os.environ["JUPYTER_PATH"] = str(place)
    os.environ.pop("CIFAR10_DIR", None)


def run_twice(notebook, folder):
    """Run every cell twice in one kernel, which starts in ``folder``; return what went wrong, or None."""
    client = Client(notebook, kernel_name="colab", timeout=900, resources={"metadata": {"path": str(folder)}})
    cell, run, index = None, 1, 0
    try:
        with client.setup_kernel():
            for run in (1, 2):  # noqa: B007  (the message names it)
                for index, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, index)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        return f"run {run}, cell {index}: " + re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    figures = sum(
        "image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])
    )
    return None if figures else "no figure was drawn"


def main():
    python, names = Path(sys.argv[1]).absolute(), sys.argv[2:]  # absolute, not resolved: the link is the environment
    failures = {}
    with tempfile.TemporaryDirectory(prefix="colab-") as temporary:
        place = Path(temporary)
        prepare(place, python)
        paths = [path for path in git("ls-files", REPOSITORY / "notebooks").split() if path.endswith(".ipynb")]
        for path in paths:
            name = Path(path).stem
            if names and name not in names:
                continue
            notebook = nbformat.reads(git("-C", place / "origin.git", "show", f"HEAD:{path}"), as_version=4)
            folder = place / name / "content"
            folder.mkdir(parents=True)
            print(f"{name:<22}", end="", flush=True)
            started = time.perf_counter()
            failure = run_twice(notebook, folder)
            print(f"{time.perf_counter() - started:6.0f} s, twice{'  FAILED' if failure else ''}", flush=True)
            if failure:
                failures[name] = failure
    for name, failure in failures.items():
        print(f"\n{name} failed:\n{failure}", file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
