"""What the tests share: the data, the notebooks, and a course of two small notebooks to break on purpose."""

import hashlib
import io
import os
import pickle
import tarfile
from pathlib import Path

import matplotlib
import nbformat
import pytest

from helpers.publishing.badges import badge, set_up_cell

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

FOLDER = "cifar-10-batches-py"  # of the official archive
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


@pytest.fixture(scope="module")
def one_thread():
    """For small tensors, for which several threads would only wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def official(tmp_path, sample, monkeypatch):
    """A small data set in the official format, as a folder; returns it with its images and labels.

    For the test its files are the published ones.
    """
    from helpers.data import load_cifar10
    from helpers.data.official import BATCHES

    images, labels = load_cifar10(True, sample)
    folder = tmp_path / "official" / FOLDER
    folder.mkdir(parents=True)
    for i, name in enumerate([f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]):
        part = slice(10 * i, 10 * i + 10)
        batch = {b"data": images[part].transpose(0, 3, 1, 2).reshape(10, 3072), b"labels": labels[part].tolist()}
        content = pickle.dumps(batch, protocol=3)
        (folder / name).write_bytes(content)
        monkeypatch.setitem(BATCHES, name, hashlib.md5(content).hexdigest())
    return folder.parent, images[:60], labels[:60]


@pytest.fixture
def sheets(tmp_path, sample):
    """A folder with a training sheet of 25 images, 10 a row."""
    from helpers import data

    images, labels = data.load_cifar10(True, sample)
    data.write_sheet(tmp_path, "data_batch_1", images[:25], labels[:25], columns=10)
    return tmp_path


def archive_of(official):
    """Return the bytes of the archive that holds the folder of the fixture ``official``."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(official[0] / FOLDER, FOLDER)
    return packed.getvalue()


@pytest.fixture(scope="module")
def few(sample):
    """64 training and 40 test images of the sample, each with its labels."""
    from helpers.data import load_cifar10

    (images, labels), (test_images, test_labels) = load_cifar10(True, sample), load_cifar10(False, sample)
    return (images[:64], labels[:64]), (test_images[:40], test_labels[:40])


@pytest.fixture
def driver(monkeypatch, tmp_path):
    """The file of an NVIDIA driver that PyTorch cannot use."""
    import torch

    from helpers.training import machine

    file = tmp_path / "version"
    file.touch()
    monkeypatch.setattr(machine, "NVIDIA_DRIVER", (str(tmp_path / "no"), str(file)))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return file


# A course that breaks no rule ---------------------------------------------------------------------------------------

EXERCISE = """\
{stub}  # replace the dots
if {answer} is ...:
    print("Your turn: replace the dots.")
else:
    assert {answer} == {value}, "count again"
    print("Right.")"""
PICTURE = (  # a PNG of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="
)
SOLUTION = """\
<details><summary>Hint</summary>\n\nCount.\n\n</details>

<details><summary>Solution</summary>\n\nTwice as many.\n\n```python\n{answer}\n```\n\n</details>"""


@pytest.fixture
def course(tmp_path):
    """A function that writes a small course to ``tmp_path``, its first notebook changed; returns that one's path.

    ``course(change)`` calls ``change(notebook)`` before it writes; ``course()`` changes nothing.
    """

    return lambda change=lambda notebook: None: write_course(tmp_path, change)


def write_course(place, change):
    """Write a small course to the folder ``place``, its first notebook changed by ``change(notebook)``."""
    folder = place / "notebooks"
    folder.mkdir(exist_ok=True)
    (place / "README.md").touch()
    for name, following in (("01_first", "02_second.ipynb"), ("02_second", "../README.md")):
        notebook = nbformat.v4.new_notebook(cells=list(_cells(f"{name}.ipynb", following)))
        if name == "01_first":
            change(notebook)
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder / "01_first.ipynb"


def _cells(name, following):
    def markdown(source):
        return nbformat.v4.new_markdown_cell(source, metadata={"slideshow": {"slide_type": "slide"}})

    def code(source, *outputs, tags=()):
        code.count += 1
        metadata = {"slideshow": {"slide_type": "-"}, "tags": list(tags)}
        cell = nbformat.v4.new_code_cell(source, execution_count=code.count, metadata=metadata)
        cell.outputs = [
            nbformat.v4.new_output("display_data", {"image/png": PICTURE, "text/plain": "<Figure size 900x450>"})
            if output == "figure"
            else nbformat.v4.new_output("stream", text=output)
            for output in outputs
        ]
        return cell

    code.count = 0
    opening = "Afterwards you can:\n\n- count.\n\n**Time:** 10 seconds on a GPU, 2 minutes on a CPU."
    yield markdown(f"# How many?\n{badge(name)}\n\n{opening}\n\n**Read before:** nothing.\n\nOutline: 12. counting")
    yield code(set_up_cell(), "Mode: full.\n", tags=["set-up", "nbval-ignore-output"])
    yield code("images = 50_000\nshare = 0.8784")
    yield markdown("## 12. Counting\n\nThere are 50,000 images, 87.8 % of them fine; see [the next](02_second.ipynb).")
    yield code('print(f"{images:,} images")', "50,000 images\n")
    yield code("plots.show(images);", "figure")
    yield markdown("## What was learned\n\n- Counting.\n- Adding.\n- Asking.")
    yield markdown("## Exercises\n\n**1.** How many are two?")
    number = EXERCISE.format(stub="answer = ...", answer="answer", value="2 * images")
    yield code(number, "Your turn: replace the dots.\n", tags=["exercise"])
    yield markdown(SOLUTION.format(answer="answer = images + images"))
    yield markdown("**2.** And three?")
    function = EXERCISE.format(stub="def three(n):\n    return ...", answer="three(images)", value="3 * images")
    yield code(function, "Your turn: replace the dots.\n", tags=["exercise"])
    yield markdown(SOLUTION.format(answer="def three(n):\n    return 3 * n"))
    yield markdown(f"Next: [What follows]({following})")
