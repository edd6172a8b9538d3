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
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from helpers.colab import notebook_mode
from helpers.publishing import site
from helpers.records import REPOSITORY


def prepare_environment():
    """Set what the kernels inherit: the mode, the right kernel, silent imports, and figures inside the notebook."""
    os.environ.setdefault("NOTEBOOK_MODE", "quick")
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # this environment's kernel, not one in the home folder
    os.environ.pop("MPLBACKEND", None)  # a file backend would keep the figures out of the pages


class Client(NotebookClient):
    """A NotebookClient that leaves what sliders print in the cell, as text, and plays no browser.

    The original sends it back to the kernel as a browser does, on the socket on which it waits for the kernel's reply:
    the reply then went unseen about once in a hundred cells with ``interact``, and the notebook stood still.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.widget_registry = {}


def make_page(path, files, folder, timeout=None):
    """Execute the notebook at ``path`` and write it to ``folder`` as HTML; return what went wrong, or None.

    ``files`` are ``site.titles`` of all the pages; ``timeout`` is in seconds a cell. After an error the page is
    written all the same, with the error where it happened.
    """
    notebook = nbformat.read(path, as_version=4)
    failure = None
    try:
        folder_of_kernel = {"metadata": {"path": str(path.parent)}}
        quiet = ["--log-level=ERROR"]  # else the kernel's own remarks run into the lines of progress
        Client(notebook, timeout=timeout, resources=folder_of_kernel, extra_arguments=quiet).execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        failure = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    site.write_page(notebook, path, files, folder)
    return failure


def make_pages(paths, folder, timeout=None):
    """Make a page of each of ``paths``, one printed line a notebook; return ``{name: what went wrong}``."""
    failures, files = {}, site.titles(paths)
    for number, path in enumerate(paths, 1):
        print(f"[{number}/{len(paths)}] {path.stem:<22}", end="", flush=True)
        started = time.perf_counter()
        failure = make_page(path, files, folder, timeout)
        print(f"{time.perf_counter() - started:6.1f} s{'  FAILED' if failure else ''}", flush=True)
        if failure:
            failures[path.stem] = failure
    site.write_index(files, folder)
    return failures


def main():
    """Make the page of every notebook in ``build/``, or of those named on the command line."""
    prepare_environment()
    mode = notebook_mode()
    paths = [Path(name).resolve() for name in sys.argv[1:]] or sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
    folder = REPOSITORY / "build"
    print(f"Executing {len(paths)} notebooks in {mode} mode.")
    failures = make_pages(paths, folder, timeout=600 if mode == "quick" else None)
    for name, failure in failures.items():
        print(f"\n{name} failed:\n{failure}", file=sys.stderr)
    print(f"The pages are in {folder}: begin with index.html" if paths else "There is no notebook to execute.")
    sys.exit(1 if failures or not paths else 0)


if __name__ == "__main__":
    main()
