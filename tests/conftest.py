"""What the tests share: the data, the notebooks, and a course of two small notebooks to break on purpose."""

import os
from pathlib import Path

import matplotlib
import nbformat
import pytest

from helpers.colab import badge, set_up_cell

# The kernels that the tests start inherit these. The tests draw without a window, but by matplotlib.use: MPLBACKEND
# would reach the kernels too, and keep the figures out of the notebooks.
os.environ.setdefault("NOTEBOOK_MODE", "quick")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # this environment's kernel, not one in the home folder
# Threads that wait for each other spin, and on a busy machine take from each other what there is. And processes of
# pytest-xdist share the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if processes := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(os.cpu_count() // int(processes), 1)))
os.environ.pop("MPLBACKEND", None)
matplotlib.use("Agg")

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def pytest_generate_tests(metafunc):
    """Call a test that asks for ``notebook_path`` once for each notebook of the course."""
    if "notebook_path" in metafunc.fixturenames:
        metafunc.parametrize("notebook_path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


@pytest.fixture(scope="session")
def sample():
    """The root of the embedded sample: 2,000 training and 1,000 test images."""
    from helpers.data import SAMPLE  # here, not above: it imports torch, and the notebooks' hygiene needs none

    return SAMPLE


@pytest.fixture(scope="session")
def full_data():
    """The root of the whole data set; a test that asks for it is skipped where CIFAR10_DIR does not hold that."""
    from helpers.data import DataError, load_cifar10

    root = os.environ.get("CIFAR10_DIR")
    if not root:
        pytest.skip("CIFAR10_DIR is not set")
    try:
        count = len(load_cifar10(True, root)[1])
    except DataError as error:
        pytest.skip(str(error))
    if count != 50_000:
        pytest.skip(f"CIFAR10_DIR holds {count:,} training images, not 50,000")
    return root


# A course that breaks no rule ---------------------------------------------------------------------------------------

EXERCISE = """\
answer = ...  # replace the dots
if answer is ...:
    print("Your turn: replace the dots.")
else:
    assert answer == {value}, "count again"
    print("Right.")"""
SOLUTION = "<details><summary>Solution</summary>\n\nTwice as many.\n\n```python\nanswer = {answer}\n```\n\n</details>"


@pytest.fixture
def course(tmp_path):
    """A function that writes a small course to ``tmp_path``, its first notebook changed; returns that one's path.

    ``course(change)`` calls ``change(notebook)`` before it writes; ``course()`` changes nothing.
    """

    def write(change=lambda notebook: None):
        folder = tmp_path / "notebooks"
        folder.mkdir(exist_ok=True)
        (tmp_path / "README.md").touch()
        for name, following in (("01_first", "02_second.ipynb"), ("02_second", "../README.md")):
            notebook = nbformat.v4.new_notebook(cells=list(_cells(f"{name}.ipynb", following)))
            if name == "01_first":
                change(notebook)
            nbformat.write(notebook, folder / f"{name}.ipynb")
        return folder / "01_first.ipynb"

    return write


def _cells(name, following):
    def markdown(source):
        return nbformat.v4.new_markdown_cell(source, metadata={"slideshow": {"slide_type": "slide"}})

    def code(source, *outputs, tags=()):
        code.count += 1
        metadata = {"slideshow": {"slide_type": "-"}, "tags": list(tags)}
        cell = nbformat.v4.new_code_cell(source, execution_count=code.count, metadata=metadata)
        cell.outputs = [
            nbformat.v4.new_output("display_data", {"image/png": "iVBORw0K", "text/plain": "<Figure size 900x450>"})
            if output == "figure"
            else nbformat.v4.new_output("stream", text=output)
            for output in outputs
        ]
        return cell

    code.count = 0
    yield markdown(f"# How many?\n{badge(name)}\n\nYou will count.\n\nTime: 10 seconds on a GPU, 2 minutes on a CPU.")
    yield code(set_up_cell(), "Mode: full.\n", tags=["set-up", "nbval-ignore-output"])
    yield code("images = 50_000\nshare = 0.8784")
    yield markdown("## 12. Counting\n\nThere are 50,000 images, 87.8 % of them fine; see [the next](02_second.ipynb).")
    yield code('print(f"{images:,} images")', "50,000 images\n")
    yield code("plots.show(images);", "figure")
    yield markdown("## What was learned\n\n- Counting.")
    yield markdown("## Exercises\n\n**1.** How many are two?")
    yield code(EXERCISE.format(value="2 * images"), "Your turn: replace the dots.\n", tags=["exercise"])
    yield markdown(SOLUTION.format(answer="images + images"))
    yield markdown("**2.** And three?")
    yield code(EXERCISE.format(value="3 * images"), "Your turn: replace the dots.\n", tags=["exercise"])
    yield markdown(SOLUTION.format(answer="3 * 50_000"))
    yield markdown(f"Next: [What follows]({following})")
