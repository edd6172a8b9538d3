"""Execute the notebooks and leave each as a page: ``python -m helpers.publishing.pages`` (``make run``).

In quick mode, on the embedded sample, unless NOTEBOOK_MODE says otherwise. The pages are those of
``helpers.publishing.site``; the notebooks themselves are only read.
"""

import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

from helpers.colab import notebook_mode
from helpers.publishing import site
from helpers.records import REPOSITORY


def prepare_environment():
    """Set what the kernels inherit: the mode, the right kernel, silent imports, and figures inside the notebook."""
    os.environ.setdefault("NOTEBOOK_MODE", "quick")
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # this environment's kernel, not one in the home folder
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # beside other work threads that spin take each other's core
    os.environ.pop("MPLBACKEND", None)  # a file backend would keep the figures out of the pages


class Client(NotebookClient):
    """A NotebookClient that leaves what sliders print in the cell, as text, and plays no browser.

    The original sends it back to the kernel as a browser does, on the socket on which it waits for the kernel's reply:
    the reply then went unseen about once in a hundred cells with ``interact``, and the notebook stood still.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.widget_registry = {}


def execute(path, timeout=None):
    """Return the notebook at ``path``, executed, and what went wrong, or None; ``timeout`` is in seconds a cell.

    After an error the notebook is returned all the same, with the error where it happened.
    """
    notebook = nbformat.read(path, as_version=4)
    try:
        folder_of_kernel = {"metadata": {"path": str(path.parent)}}
        quiet = ["--log-level=ERROR"]  # else the kernel's own remarks run into the lines of progress
        Client(notebook, timeout=timeout, resources=folder_of_kernel, extra_arguments=quiet).execute()
    except (CellExecutionError, CellTimeoutError, RuntimeError, OSError, KeyError) as error:  # or no such kernel
        return notebook, re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    return notebook, None


def make_pages(paths, folder, timeout=None):
    """Execute the notebooks at ``paths``, one printed line each, and make a book of them in ``folder``.

    Returns ``{name: what went wrong}``.
    """
    notebooks, failures = {}, {}
    for number, path in enumerate(paths, 1):
        print(f"[{number}/{len(paths)}] {path.stem:<22}", end="", flush=True)
        started = time.perf_counter()
        notebooks[path.stem], failure = execute(path, timeout)
        print(f"{time.perf_counter() - started:6.1f} s{'  FAILED' if failure else ''}", flush=True)
        if failure:
            failures[path.stem] = failure
    site.make_book(notebooks, folder)
    return failures


def main():
    """Make the pages of all notebooks in ``build/``, or of those named on the command line."""
    prepare_environment()
    mode = notebook_mode()
    paths = [Path(name).resolve() for name in sys.argv[1:]] or sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
    for path in paths:
        try:
            nbformat.read(path, as_version=4)
        except Exception as error:  # a foreign file can fail in many ways
            sys.exit(f"{path} is no notebook that can be read: {(str(error) or repr(error)).splitlines()[0][:200]}")
    folder = REPOSITORY / "build"
    print(f"Executing {len(paths)} notebooks in {mode} mode.")
    failures = make_pages(paths, folder, timeout=600 if mode == "quick" else None)
    for name, failure in failures.items():
        print(f"\n{name} failed:\n{failure}", file=sys.stderr)
    print(f"The pages are in {folder}: begin with index.html" if paths else "There is no notebook to execute.")
    sys.exit(1 if failures or not paths else 0)


if __name__ == "__main__":
    main()
