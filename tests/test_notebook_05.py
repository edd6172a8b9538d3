"""Notebook 05, which imports no helper: its modes, its data, its download, its training, and the run that it leaves.

The notebook's own cells are executed here, in a small course of their own: nothing is left in the repository.
"""

import hashlib
import http.server
import io
import itertools
import json
import math
import os
import pickle
import re
import shutil
import tarfile
import threading
import time
import types
from unittest.mock import Mock

import nbformat
import numpy as np
import pytest
import torch
from IPython.core.inputtransformer2 import TransformerManager
from PIL import Image
from torchvision.datasets import CIFAR10

from helpers import data
from helpers.data import fetching
from helpers.data.fetching import ARCHIVE, ARCHIVE_MD5, FOLDER
from helpers.networks import load_pretrained
from helpers.records import REPOSITORY, REQUIRED, read_record
from helpers.training import evaluate

CELLS = nbformat.read(REPOSITORY / "notebooks" / "05_no_augmentation.ipynb", as_version=4).cells
CELLS = [cell for cell in CELLS if cell.cell_type == "code"]
SET_UP, RUN, BESIDE = "@param", "OWN = COURSE", "ours, yours ="
SMALL = {"epochs": 3, "batch_size": 16}
FIELD = 'MODE = "auto"  # @param ["auto", "quick", "full", "train"]'


def execute(space, mark, old="", new=""):
    """Execute in ``space`` the one cell that holds ``mark``, ``old`` replaced by ``new`` in it."""
    (source,) = [cell.source for cell in CELLS if mark in cell.source]
    assert old in source
    run(source.replace(old, new), mark, space)


def run(source, name, space):
    """Execute the ``source`` of a cell in ``space``; its magics do nothing."""
    space.setdefault("get_ipython", Mock)
    exec(compile(TransformerManager().transform_cell(source), name, "exec"), space)


def execute_before(space, mark):
    """Execute in ``space`` every cell before the one that holds ``mark``, the set-up cell apart."""
    end = next(i for i, cell in enumerate(CELLS) if mark in cell.source)
    for cell in CELLS[1:end]:
        run(cell.source, cell.source.splitlines()[0], space)


def nothing_is_left(bars):
    """Say whether the bars went over one line and wiped it at last."""
    return "\n" not in bars and re.fullmatch(r"\s*", bars.split("\r")[-2]) and bars.endswith("\r")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A course with the sample and the reference run, and nothing else; the kernel starts in its ``notebooks``."""
    for part in ("images/cifar10_sample", "notebooks/runs/no_augmentation"):
        shutil.copytree(REPOSITORY / part, tmp_path / part)
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.delenv("CIFAR10_DIR", raising=False)
    monkeypatch.setenv("NOTEBOOK_MODE", "quick")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(CIFAR10, "base_folder", CIFAR10.base_folder)  # the notebook changes it
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a few images at a time: more threads would only wait for each other
    yield tmp_path
    torch.set_num_threads(threads)


@pytest.fixture
def notebook(folder, monkeypatch):
    """A function: what the notebook defines before section 4, in a ``mode``, with a few images for the whole set."""

    def begin(mode="train", **changes):
        monkeypatch.setenv("NOTEBOOK_MODE", mode)
        monkeypatch.setenv("CIFAR10_DIR", str(folder / "images" / "cifar10_sample"))
        space = {}
        execute(space, SET_UP)
        execute_before(space, RUN)
        for name, count in (("train", 48), ("test", 30)):
            for what in ("images", "labels"):
                space[f"{name}_{what}"] = space[f"{name}_{what}"][::7][:count]
        space["RECIPE"] |= SMALL | changes
        return space

    return begin


# The modes ----------------------------------------------------------------------------------------------------------


def chosen(monkeypatch, capsys, field="auto", variable=None, gpu=False):
    """Return the mode that the set-up cell chooses, and what it says."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.delenv("NOTEBOOK_MODE")
    if variable is not None:
        monkeypatch.setenv("NOTEBOOK_MODE", variable)
    space = {}
    execute(space, SET_UP, FIELD, FIELD.replace('"auto"', repr(field), 1))
    return space["mode"], capsys.readouterr().out


@pytest.mark.parametrize(
    ("mode", "why", "choice"),
    [
        ("quick", "there is no NVIDIA GPU", {}),
        ("train", "there is a GPU", {"gpu": True}),
        ("quick", "NOTEBOOK_MODE says so", {"variable": "quick", "gpu": True}),
        ("full", "NOTEBOOK_MODE says so", {"variable": " FULL "}),
        ("train", "NOTEBOOK_MODE says so", {"variable": "Train"}),
        ("quick", "there is no NVIDIA GPU", {"variable": "  "}),
        ("full", "MODE says so", {"field": "full", "variable": "quick", "gpu": True}),
        ("train", "MODE says so", {"field": "Train "}),
    ],
)
def test_mode_and_why_and_how_to_choose_another(folder, monkeypatch, capsys, mode, why, choice):
    got, said = chosen(monkeypatch, capsys, **choice)
    assert got == mode and said.startswith(f"Mode: {mode}, since {why}.") and said.count("\n") == 2
    assert "field MODE" in said and "T4 GPU" in said
    assert f"NOTEBOOK_MODE={'quick' if mode == 'train' else 'train'} before you start Jupyter" in said


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"variable": "tarin"}, "NOTEBOOK_MODE is 'tarin': it must be quick, full or train, or unset"),
        ({"field": "fast", "variable": "quick"}, "MODE is 'fast': it must be quick, full or train, or auto"),
    ],
)
def test_a_mode_that_there_is_not(folder, monkeypatch, capsys, choice, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        chosen(monkeypatch, capsys, **choice)


@pytest.mark.parametrize("start", [".", "notebooks", "notebooks/runs"])
def test_the_course_is_found_from_where_the_kernel_starts(folder, monkeypatch, start):
    monkeypatch.chdir(folder / start)
    space = {}
    execute(space, SET_UP)
    torch.backends.cudnn.allow_tf32 = True
    execute(space, "import matplotlib.pyplot")
    assert space["COURSE"] == folder
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32  # real float32


def test_outside_of_the_course_it_says_what_is_missing(folder, monkeypatch):
    (folder / "notebooks").rename(folder / "notes")
    monkeypatch.chdir(folder / "notes")
    space = {}
    execute(space, SET_UP)
    with pytest.raises(AssertionError, match="git clone https"):
        execute(space, "import matplotlib.pyplot")


# The data -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def official(tmp_path, monkeypatch):
    """Sixty sample images as the official folder and as its archive, with the checksums that torchvision looks for."""
    images, labels = data.load_cifar10(True, data.SAMPLE)
    place = tmp_path / "official" / FOLDER
    place.mkdir(parents=True)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    for i, name in enumerate(names):
        part = slice(10 * i, 10 * i + 10)
        batch = {"data": images[part].transpose(0, 3, 1, 2).reshape(10, 3072), "labels": labels[part].tolist()}
        (place / name).write_bytes(pickle.dumps(batch, protocol=2))
    (place / "batches.meta").write_bytes(pickle.dumps({"label_names": list(data.CLASSES)}, protocol=2))
    sums = [[name, fetching.md5(place / name)] for name in names]
    monkeypatch.setattr(CIFAR10, "train_list", sums[:5])
    monkeypatch.setattr(CIFAR10, "test_list", sums[5:])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": fetching.md5(place / "batches.meta")})
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(place, FOLDER)
    return place, packed.getvalue(), images[:60], labels[:60]


@pytest.fixture
def reader(folder, official, monkeypatch):
    """The notebook's functions that find, fetch and read the data, in full mode; they expect the small archive."""
    monkeypatch.setenv("NOTEBOOK_MODE", "full")
    space = {}
    execute(space, SET_UP)
    for mark in ("import matplotlib.pyplot", "def read_sheets", "def read_official", "def fetch", "def find_data"):
        execute(space, mark)
    assert space["MD5"] == ARCHIVE_MD5
    assert [mirror + space["ARCHIVE"] for mirror in space["MIRRORS"]] == list(fetching.MIRRORS)
    space["MD5"] = hashlib.md5(official[1]).hexdigest()
    source = next(cell.source for cell in CELLS if "def load(" in cell.source)
    exec(source.split("\ntrain_images")[0], space)
    return space


@pytest.mark.parametrize("what", ["above", "itself", "renamed", "archive", "with the archive", "home", "sheets"])
def test_cifar10_dir_may_be(reader, official, folder, monkeypatch, what):
    place, packed, images, labels = official
    target, said = place, None
    if what == "above":
        target = place.parent
    elif what == "renamed":
        target = place.rename(place.with_name("my copy"))
    elif "archive" in what:
        shutil.rmtree(place)
        target = place.parent / ARCHIVE
        target.write_bytes(packed)
        target = target if what == "archive" else target.parent
    elif what == "home":
        monkeypatch.setenv("HOME", str(place.parent))
        monkeypatch.setenv("USERPROFILE", str(place.parent))
        said = f"  ~/{FOLDER} "
    elif what == "sheets":
        target = folder / "images" / "cifar10_sample"
        parts = [data.load_cifar10(train, target) for train in (True, False)]
        images, labels = (np.concatenate(pair) for pair in zip(*parts, strict=True))
    monkeypatch.setenv("CIFAR10_DIR", said or str(target))
    split = len(labels) - (1000 if what == "sheets" else 10)
    for train, part in ((True, slice(0, split)), (False, slice(split, None))):
        got = reader["load"](train)
        assert np.array_equal(got[0], images[part]) and np.array_equal(got[1], labels[part])
        assert got[0].dtype == torch.uint8 and got[1].dtype == torch.int64


def test_data_that_are_missing_or_altered_are_named_and_never_unpickled(reader, official, monkeypatch):
    class Harmful:
        def __reduce__(self):
            return os.mkdir, (str(official[0] / "it ran"),)

    monkeypatch.setenv("CIFAR10_DIR", str(official[0] / "gone"))
    with pytest.raises(FileNotFoundError, match="CIFAR10_DIR is .*gone: there are no contact sheets, no cifar-10"):
        reader["load"](True)
    monkeypatch.setenv("CIFAR10_DIR", str(official[0]))
    (official[0] / "data_batch_3").write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(OSError, match="cifar-10-batches-py is damaged or lacks a file"):
        reader["load"](True)
    assert not (official[0] / "it ran").exists()
    archive = official[0].parent / "mine.tar.gz"
    archive.write_bytes(official[1][:-9])
    monkeypatch.setenv("CIFAR10_DIR", str(archive))
    with pytest.raises(OSError, match="mine.tar.gz is cut short or altered"):
        reader["load"](True)


def test_sheet_with_too_many_labels(reader, folder, monkeypatch):
    sheets = folder / "images" / "cifar10_sample"
    (sheets / "test_batch.labels.txt").write_text("3\n" * 99_999)
    monkeypatch.setenv("CIFAR10_DIR", str(sheets))
    with pytest.raises(AssertionError, match="test_batch.webp has .* tiles for 99999 labels"):
        reader["load"](False)


def test_a_file_of_another_kind_under_the_name_of_a_sheet(reader, folder, monkeypatch):
    """Pillow hands some kinds to other programs."""
    sheets = folder / "images" / "cifar10_sample"
    Image.new("RGB", (32, 32)).save(sheets / "test_batch.webp", "EPS")
    monkeypatch.setenv("CIFAR10_DIR", str(sheets))
    with pytest.raises(OSError, match="cannot identify image file"):
        reader["load"](False)


@pytest.fixture
def hosts(official):
    """Addresses of mirrors that behave each in a way of their own."""

    class Mirror(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            kind, body = self.path.split("/")[1], official[1]
            if kind == "missing" or not self.path.endswith(f"/{ARCHIVE}"):
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if kind == "silent":
                time.sleep(2)
            self.wfile.write({"short": body[:-99], "wrong": b"x" * len(body)}.get(kind, body))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kinds = "missing silent short wrong good".split()
    yield {kind: f"http://127.0.0.1:{server.server_port}/{kind}/" for kind in kinds}
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("bad", ["missing", "short", "wrong"])
def test_a_mirror_that_fails_is_followed_by_the_next(reader, official, hosts, folder, capfd, bad):
    reader["MIRRORS"] = [hosts[bad], hosts["good"]]
    images, labels = reader["load"](True)
    assert np.array_equal(images, official[2][:50]) and np.array_equal(labels, official[3][:50])
    assert [path.name for path in (folder / "data").iterdir()] == [ARCHIVE]  # where helpers.data looks for it
    shown = capfd.readouterr()
    assert shown.out == "" and nothing_is_left(shown.err)
    reader["MIRRORS"] = []
    reader["load"](False)  # nothing is fetched twice


def test_a_mirror_that_is_silent_or_slow_is_given_up(reader, official, hosts, tmp_path):
    assert "timeout=20, slowest=200_000" in next(cell.source for cell in CELLS if "def fetch" in cell.source)
    with pytest.raises(OSError, match="timed out"):
        reader["fetch"](hosts["silent"] + ARCHIVE, tmp_path / "part", timeout=0.2)
    clock = itertools.count(step=100)
    reader["time"] = types.SimpleNamespace(monotonic=lambda: next(clock))
    with pytest.raises(OSError, match="too slow, .* kB a second"):
        reader["fetch"](hosts["good"] + ARCHIVE, tmp_path / "part", slowest=10**9)
    reader["fetch"](hosts["good"] + ARCHIVE, tmp_path / "part", timeout=10**6, slowest=10**9)


def test_a_download_that_fails_says_why_and_what_to_do(reader, hosts, folder):
    reader["MIRRORS"] = [hosts["missing"], hosts["wrong"]]
    with pytest.raises(RuntimeError, match="missing/: HTTP Error 404.*wrong/: .*MD5.*set CIFAR10_DIR.*sheets"):
        reader["load"](True)
    assert list((folder / "data").iterdir()) == []


# The reader's own run -----------------------------------------------------------------------------------------------


def contents(place):
    return {path.relative_to(place): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def shapes(value):
    """Return the keys and types of a record, of its first epoch, and of its first row of the confusion matrix."""
    if isinstance(value, dict):
        return {key: shapes(part) for key, part in value.items()}
    if isinstance(value, list):
        return [shapes(value[0])]
    return "number" if isinstance(value, int | float) else type(value).__name__


def test_train_mode_leaves_a_run_as_the_helpers_do(notebook, folder, capfd):
    space, reference = notebook(), contents(folder / "notebooks")
    execute(space, RUN)
    shown = capfd.readouterr()
    assert re.search(r"EPOCH:  1/3 .* val-Accuracy: \d+/30 \(.*%\)  \d+ s, about \d+ s left\n", shown.out)
    assert re.search(r"EPOCH:  3/3 .*%\)  \d+ s\n", shown.out)
    assert "epoch 3" in shown.err and nothing_is_left(shown.err)
    place = folder / "runs" / "my_less_weighted_net_3"
    assert sorted(path.name for path in place.iterdir()) == ["record.json", "weights.pt"]
    assert contents(folder / "notebooks") == reference

    record, ours = read_record(place.name, folder / "runs"), read_record("no_augmentation")
    assert not set(REQUIRED) - set(record)
    for field in ("test", "recipe", "data"):
        assert shapes(record[field]) == shapes(ours[field]), field
    assert [shapes(row) for row in record["history"]] == [shapes(ours["history"][0])] * 3
    assert set(record["versions"]) <= set(ours["versions"]) and record["device"].endswith("cores")
    assert record["recipe"] == ours["recipe"] | SMALL and record["parameters"] == ours["parameters"]
    source = {"source": "contact sheets of 78 images", "exactness": "bit-exact"}
    assert record["data"] == source | {"test_images": "test images"}
    assert record["weights_sha256"] == hashlib.sha256((place / "weights.pt").read_bytes()).hexdigest()

    images, labels = space["test_images"].numpy(), space["test_labels"].numpy()
    network = load_pretrained(place.name, folder / "runs")
    score = evaluate(network, data.test_loader(data.Cifar10(images, labels)), torch.device("cpu"))
    assert score["correct"] == record["test"]["correct"] == record["history"][-1]["test_correct"]
    assert score["confusion"] == record["test"]["confusion"] and score["loss"] == pytest.approx(record["test"]["loss"])
    assert score["class_accuracy"] == pytest.approx(record["test"]["class_accuracy"])
    assert score["accuracy"] == record["test"]["accuracy"] == record["history"][-1]["test_accuracy"]


def test_the_recipe_that_is_shown_is_that_of_the_reference_run(notebook):
    space = notebook(**{key: read_record("no_augmentation")["recipe"][key] for key in SMALL})
    assert space["RECIPE"] == read_record("no_augmentation")["recipe"]


def test_the_order_is_new_in_every_epoch_and_decided_by_seed_and_epoch(notebook):
    space, seen = notebook(), {}
    space["tqdm"] = lambda batches, *_, **__: [torch.cat(batches)]
    for key in ((0, 1), (0, 2), (1, 1), (0, 1)):
        space["normalise"] = lambda images, key=key: seen.setdefault(key, []).append(images) or torch.zeros(48, 1)
        network = torch.nn.Linear(1, 10)
        optimizer = torch.optim.SGD(network.parameters())
        space["train_epoch"](network, optimizer, optimizer, key[1], space["RECIPE"] | {"seed": key[0]})
    (first, again), (second,), (other,) = seen.values()
    assert torch.equal(first, again) and not torch.equal(first, second) and not torch.equal(first, other)
    assert len({image.numpy().tobytes() for image in first}) == 48  # each once


def test_a_finished_run_is_not_trained_again(notebook, folder, capsys):
    execute(notebook(), RUN)
    before = contents(folder)
    for mode in ("train", "full"):
        capsys.readouterr()
        execute(notebook(mode), RUN)
        assert contents(folder) == before and "EPOCH" not in capsys.readouterr().out


@pytest.mark.parametrize(("mode", "lines"), [("quick", 2), ("full", 0)])
def test_other_modes_leave_nothing(notebook, folder, capfd, mode, lines):
    space, before = notebook(mode), contents(folder)
    execute(space, RUN)
    shown = capfd.readouterr()
    assert shown.out.count("EPOCH") == lines and shown.err == ""
    assert contents(folder) == before


class Off(Exception):
    pass


@pytest.mark.parametrize("when", ["in the third epoch", "while it is saved", "before the record is written"])
def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(notebook, folder, monkeypatch, when):
    execute(notebook(), RUN)
    place = folder / "runs" / "my_less_weighted_net_3"
    whole, record = torch.load(place / "weights.pt"), read_record(place.name, folder / "runs")
    shutil.rmtree(place)

    space = notebook()
    plain = {name: space[name] for name in ("train_epoch", "write_whole")}

    def train_epoch(network, optimizer, schedule, epoch, recipe):
        result = plain["train_epoch"](network, optimizer, schedule, epoch, recipe)
        if epoch == 3 and when == "in the third epoch":  # after its last step, before its checkpoint
            raise Off
        return result

    def write_whole(path, write):
        def half(part):
            part.write_bytes(b"half")
            raise Off

        saved = place / "checkpoint_05.pt"
        epochs = len(torch.load(saved)["history"]) if saved.exists() else 0
        saving = path.name == saved.name and epochs == 2 and when == "while it is saved"
        last = path.name == "record.json" and when == "before the record is written"
        plain["write_whole"](path, half if saving or last else write)

    with pytest.raises(Off):
        space |= {"train_epoch": train_epoch, "write_whole": write_whole}
        execute(space, RUN)
    assert not (place / "record.json").exists()

    torch.manual_seed(99)  # another session, in which chance went another way
    execute(notebook(), RUN)
    resumed, again = torch.load(place / "weights.pt"), read_record(place.name, folder / "runs")
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())
    for one, other in zip(again["history"], record["history"], strict=True):
        assert {key: one[key] for key in one if "seconds" not in key} == {
            key: other[key] for key in other if "seconds" not in key
        }
    assert again["test"] == record["test"]
    assert sorted(path.name for path in place.iterdir() if path.suffix != ".part") == ["record.json", "weights.pt"]


@pytest.mark.parametrize("fault", ["damaged", "of another recipe", "of other data"])
def test_a_checkpoint_that_does_not_fit_is_named(notebook, folder, fault):
    space = notebook()
    checkpoint = folder / "runs" / "my_less_weighted_net_3" / "checkpoint_05.pt"
    space["train"](space["RECIPE"], checkpoint)
    if fault == "damaged":
        checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    elif fault == "of another recipe":
        space["RECIPE"] |= {"lr": 0.2}
    else:
        space["train_images"][0, 0, 0, 0] ^= 1  # one pixel
    with pytest.raises(RuntimeError, match="checkpoint_05.pt cannot be taken up .*: begin as then, or delete it"):
        execute(space, RUN)


def test_a_loss_that_is_no_number_ends_the_run(notebook):
    space = notebook()
    space["train_epoch"] = lambda *_: (math.nan, 10.0)
    with pytest.raises(AssertionError, match="the training loss is nan: lower the learning rate"):
        space["train"](space["RECIPE"])


# Beside the reference run -------------------------------------------------------------------------------------------


def beside(folder, monkeypatch, capsys, own=None, mode="quick"):
    """Return what the comparison prints, and how many curves it draws, where ``own`` is the reader's record."""
    monkeypatch.setenv("NOTEBOOK_MODE", mode)
    path = folder / "runs" / "my_less_weighted_net_30" / "record.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    if own is not None:
        path.write_text(own if isinstance(own, str) else json.dumps(own))
    space, drawn = {"train": lambda *_: ("a network", "a history"), "keep": lambda *_: None}, []
    for mark in (SET_UP, "import matplotlib.pyplot", "RECIPE = ", "def test(", RUN, "REFERENCE = ", "def told"):
        execute(space, mark)
    monkeypatch.setattr(space["plt"], "show", lambda: drawn.extend(space["axis"].lines))
    capsys.readouterr()
    execute(space, BESIDE)
    space["plt"].close("all")
    return capsys.readouterr().out, drawn


def own_record(correct=8330, images=10_000, epochs=30):
    record = read_record("no_augmentation")
    record["test"] |= {"correct": correct, "images": images, "accuracy": 100 * correct / images}
    record["test"]["class_accuracy"]["cat"] = 12.34
    record["history"] = record["history"][:epochs]
    return record


def test_without_an_own_run_one_sentence_says_how_to_get_one(folder, monkeypatch, capsys):
    said, drawn = beside(folder, monkeypatch, capsys)
    assert said.count("\n") == 1 and "runs/my_less_weighted_net_30" in said and "train mode" in said and not drawn
    (stored,) = [cell.outputs for cell in CELLS if BESIDE in cell.source]
    assert [output.text for output in stored] == [said]


@pytest.mark.parametrize(
    "own",
    [
        "{",
        "[1, 2]",
        {"network": "less_weighted_net"},
        own_record() | {"history": [{"epoch": 1}]},
        own_record() | {"test": own_record()["test"] | {"images": 0}},
        own_record(correct=10_001),
        own_record() | {"network": "session_net"},
    ],
    ids=["cut short", "a list", "only a network", "no accuracy", "no images", "more right than images", "session_net"],
)
def test_a_record_that_cannot_be_shown_is_named(folder, monkeypatch, capsys, own):
    said, drawn = beside(folder, monkeypatch, capsys, own)
    assert said.count("\n") == 1 and "my_less_weighted_net_30" in said and "rename its folder" in said and not drawn


@pytest.mark.parametrize("mode", ["quick", "full", "train"])
def test_an_own_run_is_shown_beside_the_reference_in_every_mode(folder, monkeypatch, capsys, mode):
    said, (ours, yours) = beside(folder, monkeypatch, capsys, own_record(correct=300, images=1000, epochs=1), mode)
    assert (ours.get_color(), yours.get_color()) == ("#D55E00", "#CC79A7") and yours.get_linestyle() == "--"
    assert (len(ours.get_xdata()), len(yours.get_xdata())) == (30, 1) and yours.get_label() == "your run"
    rows = r"epochs +30 +1", r"test images +10000 +1000", r"last epoch, % +83\.3 +30\.0", r"cat, % +70\.2 +12\.34"
    for row in rows:
        assert re.search(rf"^{row}$", said, re.MULTILINE), row
    assert "Your run ends 53.30 points below the reference run: more than chance" in said


@pytest.mark.parametrize(("correct", "verdict"), [(8400, "no more"), (8402, "more"), (8260, "no more"), (8258, "more")])
def test_the_verdict_is_computed(folder, monkeypatch, capsys, correct, verdict):
    """Two standard deviations of 0.25 points for each run: both are tested on the same images."""
    said, _ = beside(folder, monkeypatch, capsys, own_record(correct))
    chance = 2 * math.sqrt(2 * 0.25**2)
    assert f"{'above' if correct > 8330 else 'below'} the reference run: {verdict} than chance" in said
    assert f"up to {chance:.2f} points" in said


def test_the_verdict_allows_for_a_run_that_was_tested_on_a_part_of_the_images(folder, monkeypatch, capsys):
    said, _ = beside(folder, monkeypatch, capsys, own_record(correct=818, images=1000))
    chance = 2 * math.sqrt(2 * 0.25**2 + 83.3 * 16.7 * (1 / 1_000 - 1 / 10_000))
    assert f"1.50 points below the reference run: no more than chance, which makes up to {chance:.2f} points" in said


def test_a_run_of_another_recipe_is_not_taken_for_the_same(folder, monkeypatch, capsys):
    """The command line's own, for one: without --augment none it augments."""
    own = own_record()
    own["recipe"] |= {"augment": "gentle", "lr": 0.05, "seed": 7, "clip": None, "teacher": "better_62"}
    own["data"] = own["data"] | {"test_images": "validation split of the training images"}
    said, _ = beside(folder, monkeypatch, capsys, own)
    did = "lr 0.1, yours 0.05; augment none, yours gentle; "
    did += "test_images test images, yours validation split of the training images; teacher None, yours better_62"
    assert said.endswith(f"But they did not do the same: {did}.\n")
    assert "did not do the same" not in beside(folder, monkeypatch, capsys, own_record() | {"seed": 7})[0]


@pytest.mark.parametrize("changes", [{"augment": "gentle"}, {"optimizer": "AdamW"}, {"network": "session_net"}])
def test_a_recipe_that_the_code_does_not_follow_is_refused(notebook, changes):
    space = notebook()
    cell = next(cell.source for cell in CELLS if "FIXED = " in cell.source)
    name, value = next(iter(changes.items()))
    run(cell.replace("RECIPE = FIXED | dict(", f"RECIPE = FIXED | dict({name}={value!r}, "), "the edited cell", space)
    with pytest.raises(AssertionError, match="change the code, too"):
        space["train"](space["RECIPE"])


# The story is that of the reference run -----------------------------------------------------------------------------


def test_the_reference_run_has_the_recipe_of_the_notebook(folder, monkeypatch):
    """As the text says beside it."""
    monkeypatch.setenv("CIFAR10_DIR", str(folder / "images" / "cifar10_sample"))
    space = {}
    execute(space, SET_UP)
    execute_before(space, RUN)
    assert read_record("no_augmentation")["recipe"] == space["RECIPE"]


@pytest.mark.parametrize(
    "own", [None, own_record(correct=100, images=1000, epochs=1), "{"], ids=["none", "bad", "damaged"]
)
def test_whatever_the_own_run_reached_nothing_that_is_compared_changes(notebook, folder, capsys, own):
    space = notebook("quick", **read_record("no_augmentation")["recipe"])
    space["train"] = lambda *_: None
    if own:
        path = folder / "runs" / "my_less_weighted_net_30" / "record.json"
        path.parent.mkdir(parents=True)
        path.write_text(own if isinstance(own, str) else json.dumps(own))
    begin = next(i for i, cell in enumerate(CELLS) if RUN in cell.source)
    for cell in CELLS[begin:]:
        capsys.readouterr()
        run(cell.source, "a cell", space)
        if "nbval-ignore-output" not in cell.metadata.get("tags", []):
            stored = "".join(output.get("text", "") for output in cell.outputs)
            assert capsys.readouterr().out == stored, cell.source


@pytest.mark.parametrize(("off", "holds"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_one_sample_image_more_or_less_is_rounding(notebook, capsys, off, holds):
    """And the number that is printed, and compared, is the recorded one."""
    space = notebook("quick")
    execute(space, "REFERENCE = ")
    space["record"]["sample"]["correct"] = 839 + off
    if not holds:
        with pytest.raises(AssertionError, match="not those of the record"):
            execute(space, "shown_images")
        return
    capsys.readouterr()
    execute(space, "shown_images")
    assert f"{839 + off} of 1000 right" in capsys.readouterr().out
    for mark in ("history = record", "known, unseen = 86", "when wrong, it is about"):
        execute(space, mark)
