"""Execute the notebooks and leave each as a page: ``python -m helpers.pages`` (``make run``).

Quick mode, on the embedded sample, unless NOTEBOOK_MODE says otherwise. The notebooks themselves are only read.
"""

import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter

REPOSITORY = Path(__file__).resolve().parent.parent


def prepare_environment():
    """Set what the kernels inherit: the mode, the right kernel, silent imports, and figures inside the notebook."""
    os.environ.setdefault("NOTEBOOK_MODE", "quick")
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # this environment's kernel, not one in the home folder
    os.environ.pop("MPLBACKEND", None)  # a file backend would keep the figures out of the pages


def make_page(path, folder, timeout=None):
    """Execute the notebook at ``path`` and write it to ``folder`` as HTML; return what went wrong, or None.

    ``timeout`` is in seconds a cell. After an error the page is written all the same, with the error where it happened.
    """
    notebook = nbformat.read(path, as_version=4)
    failure = None
    try:
        folder_of_kernel = {"metadata": {"path": str(path.parent)}}
        quiet = ["--log-level=ERROR"]  # else the kernel's own remarks run into the lines of progress
        NotebookClient(notebook, timeout=timeout, resources=folder_of_kernel, extra_arguments=quiet).execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        failure = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":  # from page to page, as the notebooks link to one another
            cell.source = re.sub(r"\]\(([\w-]+)\.ipynb\)", r"](\1.html)", cell.source)
    page, _ = HTMLExporter().from_notebook_node(notebook, resources={"metadata": {"name": path.stem}})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{path.stem}.html").write_text(page, encoding="utf-8")
    return failure


def make_pages(paths, folder, timeout=None):
    """Make a page of each of ``paths``, one printed line a notebook; return ``{name: what went wrong}``."""
    failures = {}
    for number, path in enumerate(paths, 1):
        print(f"[{number}/{len(paths)}] {path.stem:<22}", end="", flush=True)
        started = time.perf_counter()
        failure = make_page(path, folder, timeout)
        print(f"{time.perf_counter() - started:6.1f} s{'  FAILED' if failure else ''}", flush=True)
        if failure:
            failures[path.stem] = failure
    return failures


def main():
    """Make the page of every notebook in ``build/``, or of those named on the command line."""
    prepare_environment()
    mode = os.environ["NOTEBOOK_MODE"]
    paths = [Path(name).resolve() for name in sys.argv[1:]] or sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
    folder = REPOSITORY / "build"
    print(f"Executing {len(paths)} notebooks in {mode} mode.")
    failures = make_pages(paths, folder, timeout=None if mode == "full" else 300)
    for name, failure in failures.items():
        print(f"\n{name} failed:\n{failure}", file=sys.stderr)
    print(
        f"The pages are in {folder}: begin with {paths[0].stem}.html" if paths else "There is no notebook to execute."
    )
    sys.exit(1 if failures or not paths else 0)


if __name__ == "__main__":
    main()
