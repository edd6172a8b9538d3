"""Reading CIFAR-10 from its three sources, refusing damaged ones, and serving it."""

import contextlib
import hashlib
import http.server
import io
import itertools
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import tarfile
import threading
import time
import warnings

import numpy as np
import pytest
import torch

from helpers import data
from helpers.data import DataError, load_cifar10


def test_sample_holds_the_same_number_of_every_class():
    for train, each in ((True, 200), (False, 100)):
        images, labels = load_cifar10(train, data.SAMPLE)
        assert images.shape == (10 * each, 32, 32, 3) and images.dtype == np.uint8
        assert labels.dtype == np.int64 and np.bincount(labels).tolist() == [each] * 10


def test_sample_is_as_it_was_taken_from_the_whole_set():
    """By a checksum of every pixel and label; the next test compares them with the whole set, where that is at hand."""
    digest = hashlib.sha256()
    for train in (True, False):
        for part in load_cifar10(train, data.SAMPLE):
            digest.update(part.tobytes())
    assert digest.hexdigest() == "5961927f8ddca077ba3e330928bd3f77bfa14f7a154cee4c0a13be035347c166"


def test_sample_is_part_of_the_whole_set(full_data):
    """Every sample image stands in the whole set, pixel for pixel, under the same label."""
    for train in (True, False):
        images, labels = load_cifar10(train, full_data)
        known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
        for image, label in zip(*load_cifar10(train, data.SAMPLE), strict=True):
            assert known[image.tobytes()] == label


def test_whole_set_has_the_published_statistics(full_data):
    images, labels = load_cifar10(True, full_data)
    assert images.shape == (50_000, 32, 32, 3) and np.bincount(labels).tolist() == [5000] * 10
    assert np.allclose(images.mean((0, 1, 2)) / 255, data.MEAN, atol=5e-5)
    assert np.allclose([images[..., c].std() / 255 for c in range(3)], data.STD, atol=1e-4)
    assert len(load_cifar10(False, full_data)[1]) == 10_000


# The official archive ---------------------------------------------------------------------------------------------


@pytest.fixture
def official(tmp_path):
    """A small data set in the official format, as a folder; returns it with its images and labels."""
    images, labels = load_cifar10(True, data.SAMPLE)
    folder = tmp_path / "official" / data.FOLDER
    folder.mkdir(parents=True)
    for i, name in enumerate([f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]):
        part = slice(10 * i, 10 * i + 10)
        batch = {b"data": images[part].transpose(0, 3, 1, 2).reshape(10, 3072), b"labels": labels[part].tolist()}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    return folder.parent, images[:60], labels[:60]


def archive_of(official):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(official[0] / data.FOLDER, data.FOLDER)
    return packed.getvalue()


def test_official_folder_and_archive(official, tmp_path, monkeypatch):
    root, images, labels = official
    for place in (root, root / data.FOLDER):
        got = load_cifar10(True, place)
        assert np.array_equal(got[0], images[:50]) and np.array_equal(got[1], labels[:50])
    assert np.array_equal(load_cifar10(False, root)[0], images[50:])
    file = tmp_path / data.ARCHIVE
    file.write_bytes(archive_of(official))
    monkeypatch.setattr(data, "ARCHIVE_MD5", data.md5(file))
    for place in (file, tmp_path):
        assert np.array_equal(load_cifar10(True, place)[0], images[:50])
    monkeypatch.setenv("CIFAR10_DIR", str(tmp_path))
    assert np.array_equal(load_cifar10(False)[1], labels[50:])


def test_pickle_that_would_run_code_is_refused(official):
    class Harmful:
        def __reduce__(self):
            return (print, ("run",))

    (official[0] / data.FOLDER / "test_batch").write_bytes(pickle.dumps({b"data": Harmful()}))
    with pytest.raises(DataError, match="test_batch.*asks for builtins.print"):
        load_cifar10(False, official[0])


# Damage -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def sheets(tmp_path):
    """A folder with a training sheet of 25 images, 10 a row."""
    images, labels = load_cifar10(True, data.SAMPLE)
    data.write_sheet(tmp_path, "data_batch_1", images[:25], labels[:25], columns=10)
    return tmp_path


def test_a_sheet_is_read_back_as_it_was_written(sheets):
    images, labels = load_cifar10(True, data.SAMPLE)
    got = load_cifar10(True, sheets)
    assert np.array_equal(got[0], images[:25]) and np.array_equal(got[1], labels[:25])


def test_label_count_that_does_not_fit(sheets):
    text = sheets / "data_batch_1.labels.txt"
    for count in (20, 31):
        text.write_text("3\n" * count)
        with pytest.raises(DataError, match=f"data_batch_1.webp has 3 rows of 10 tiles.* has {count} labels"):
            load_cifar10(True, sheets)


@pytest.mark.parametrize(
    "label, message", [("10", "label 10 of image 2"), ("-1", "label -1 of image 2"), ("cat", "whole number")]
)
def test_label_that_is_none(sheets, label, message):
    (sheets / "data_batch_1.labels.txt").write_text("\n".join(["1", "2", label] + ["0"] * 22))
    with pytest.raises(DataError, match=f"data_batch_1.labels.txt.*{message}"):
        load_cifar10(True, sheets)


def test_sheet_cut_short(sheets):
    picture = sheets / "data_batch_1.webp"
    picture.write_bytes(picture.read_bytes()[:5000])
    with pytest.raises(DataError, match="data_batch_1.webp is damaged or cut short"):
        load_cifar10(True, sheets)


def test_sheet_without_labels_or_for_the_other_purpose(sheets):
    with pytest.raises(DataError, match="no contact sheet for testing"):
        load_cifar10(False, sheets)
    (sheets / "data_batch_1.labels.txt").unlink()
    with pytest.raises(DataError, match="no data_batch_1.labels.txt beside it"):
        load_cifar10(True, sheets)


def test_batch_and_archive_cut_short(official, tmp_path):
    batch = official[0] / data.FOLDER / "data_batch_3"
    batch.write_bytes(batch.read_bytes()[:1000])
    with pytest.raises(DataError, match="data_batch_3 is damaged"):
        load_cifar10(True, official[0])
    (tmp_path / data.ARCHIVE).write_bytes(archive_of(official)[:1000])
    with pytest.raises(DataError, match="cut short or altered: its MD5 is not c58f30"):
        load_cifar10(True, tmp_path)


def test_empty_and_missing_folder(tmp_path):
    with pytest.raises(DataError, match="holds neither .* CIFAR10_DIR"):
        load_cifar10(True, tmp_path)
    with pytest.raises(DataError, match="does not exist. .* CIFAR10_DIR"):
        load_cifar10(True, tmp_path / "nowhere")


# Downloading ------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(official):
    """A local web server: /good, /short (breaks off), /wrong (another file), /gone (404); yields its address."""
    packed = archive_of(official)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/gone":
                return self.send_error(404)
            body = {"/good": packed, "/short": packed[:2000], "/wrong": b"x" * len(packed)}[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(packed)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}", hashlib.md5(packed).hexdigest()
        running.shutdown()


def test_download_goes_on_to_the_next_mirror(server, tmp_path):
    address, checksum = server
    mirrors = [f"{address}/{path}" for path in ("gone", "short", "wrong", "good")]
    archive = data.download(tmp_path / "data", mirrors, checksum)
    assert data.md5(archive) == checksum
    assert [path.name for path in (tmp_path / "data").iterdir()] == [data.ARCHIVE]


@pytest.mark.parametrize(
    "path, failure", [("gone", "404"), ("short", "broke off|IncompleteRead"), ("wrong", "has MD5")]
)
def test_download_that_fails_leaves_nothing_and_says_what_to_do(server, tmp_path, path, failure):
    with pytest.raises(DataError, match=f"(?s)could not be downloaded.*({failure}).*CIFAR10_DIR.*SAMPLE"):
        data.download(tmp_path / "data", [f"{server[0]}/{path}"], server[1])
    assert list((tmp_path / "data").iterdir()) == []


def test_no_network(tmp_path, monkeypatch):
    """An address where nobody listens: what a machine without a network sees, by way of load_cifar10."""
    monkeypatch.delenv("CIFAR10_DIR", raising=False)
    monkeypatch.setattr(data, "REPOSITORY", tmp_path)
    fetch = data.download
    monkeypatch.setattr(data, "download", lambda folder: fetch(folder, ["http://127.0.0.1:9/x"], timeout=2))
    with pytest.raises(DataError, match="(?s)could not be downloaded.*127.0.0.1:9.*retry"):
        load_cifar10(True)
    assert list((tmp_path / "data").iterdir()) == []


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write to .*file"):
        data.download(tmp_path / "file" / "data", [])


def test_slow_download_is_given_up(tmp_path, server, monkeypatch):
    clock = iter(range(0, 10_000, 100))
    monkeypatch.setattr(data.time, "monotonic", lambda: next(clock))
    with pytest.raises(DataError, match="too slow"):
        data.download(tmp_path, [f"{server[0]}/good"], server[1], slowest=10**9)


# Serving ----------------------------------------------------------------------------------------------------------


def test_normalised_training_set_has_mean_0_and_deviation_1():
    assert (data.MEAN, data.STD) == ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))  # of the whole set, published
    images, labels = load_cifar10(True, data.SAMPLE)
    x, y = data.to_device(torch.from_numpy(images), torch.from_numpy(labels), torch.device("cpu"))
    assert x.shape == (2000, 3, 32, 32) and x.dtype == torch.float32 and y.dtype == torch.int64
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert x.mean((0, 2, 3)).abs().max() < 0.05 and (x.std((0, 2, 3)) - 1).abs().max() < 0.05
    pixel = (images[5, 7, 9] / 255 - np.array(data.MEAN)) / np.array(data.STD)
    assert np.allclose(x[5, :, 7, 9], pixel, atol=1e-5)


def test_every_image_once_an_epoch_in_an_order_of_its_own():
    """One epoch's batches after the other's, never mixed; the order is what (seed, epoch) always gave."""
    batches = data.ShuffledBatches(1000, 128, seed=1, epochs=(3, 1, 2))
    listed = list(batches)
    assert len(listed) == len(batches) == 24 and [len(batch) for batch in listed] == ([128] * 7 + [104]) * 3
    for number, epoch in enumerate((3, 1, 2)):
        keys = [key for batch in listed[8 * number : 8 * number + 8] for key in batch]
        order = np.random.default_rng((1, epoch)).permutation(1000).tolist()
        assert sorted(order) == list(range(1000)) and keys == [(epoch, index) for index in order]
    assert len({tuple(index for _, index in batch) for batch in listed}) == 24


class Watched(data.Cifar10):
    """Keeps the epoch of the last batch that any worker has prepared, where every process can read it."""

    def __init__(self, images):
        super().__init__(images, np.zeros(len(images), np.int64))
        self.seen = (data.start_method() or multiprocessing).Value("i", 0)

    def __getitems__(self, keys):
        self.seen.value = max(self.seen.value, keys[0][0])
        return super().__getitems__(keys)


def wait_until(true, seconds=600):
    ends = time.monotonic() + seconds
    while not true() and time.monotonic() < ends:
        time.sleep(0.01)
    return true()


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_run_ahead_over_the_end_of_an_epoch(workers):
    """While an epoch is evaluated they work on the next, but not on the whole run."""
    dataset = Watched(np.zeros((2048, 32, 32, 3), np.uint8))
    batches = iter(data.train_loader(dataset, 128, workers=workers, epochs=range(1, 30)))
    assert len(list(itertools.islice(batches, 16))) == 16
    assert wait_until(lambda: dataset.seen.value >= 2)  # nothing more was asked for
    time.sleep(0.3)
    assert dataset.seen.value <= 1 + data.AHEAD // len(dataset)


@pytest.mark.skipif(sys.platform != "linux", reason="where workers would be forked without our doing")
def test_workers_are_not_forked_from_a_process_with_threads():
    """Whatever the Python: before 3.14 they would be; and without a warning, which 3.12 has for that."""
    loader = data.train_loader(Watched(np.zeros((32, 32, 32, 3), np.uint8)), 16, workers=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches = iter(loader)
        assert len(list(batches)) == 2 and loader.multiprocessing_context.get_start_method() == "forkserver"


def test_as_many_images_are_prepared_as_memory_allows_and_batches_as_the_workers_pipe_does():
    dataset = Watched(np.zeros((9, 32, 32, 3), np.uint8))
    ahead = {size: data.train_loader(dataset, size, workers=2).prefetch_factor for size in (16, 128, 512, 8192)}
    assert ahead == {16: 32, 128: 32, 512: 8, 8192: 2}


@pytest.mark.parametrize("taken", [3, 16, 32])
def test_workers_end_with_the_iterator_wherever_it_is_left(taken):
    """In the middle of an epoch, at its end, at the end of all; also where a traceback still holds the iterator."""
    loader = data.train_loader(Watched(np.zeros((256, 32, 32, 3), np.uint8)), 16, workers=2, epochs=range(1, 3))
    batches = iter(loader)
    assert len(list(itertools.islice(batches, taken))) == taken and len(multiprocessing.active_children()) == 2
    del batches
    assert wait_until(lambda: not multiprocessing.active_children())

    def train(batches):
        for _ in itertools.islice(batches, taken):
            pass
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped") as held, contextlib.closing(batch for batch in loader) as batches:
        train(batches)
    assert held.tb is not None and wait_until(lambda: not multiprocessing.active_children())


STOPPED = """
import sys
import time
import numpy as np
from helpers import data

dataset = data.Cifar10(np.zeros((256, 32, 32, 3), np.uint8), np.zeros(256, np.int64))
batches = iter(data.train_loader(dataset, 16, workers=2, epochs=range(1, 100_000)))
try:
    for number, _ in enumerate(batches):
        if number == 20:
            print("running", flush=True)
            if sys.argv[1] == "error":
                raise RuntimeError("stopped")
            if sys.argv[1] == "end":
                break
            if sys.argv[1] == "kill":
                time.sleep(60)  # the workers prepare all that they may
finally:
    data.end(batches)
"""


def listen_to_ctrl_c():
    """Undo what a shell does to a command in the background, and so to its children: it has them ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("how", ["error", "end", "kill", "Ctrl-C"])
def test_stopping_early_is_quick_and_quiet(how):
    """An error, an end with the iterator still there, a kill, and Ctrl-C, which reaches the workers, too.

    The pipes to here are closed when the last worker is gone.
    """
    if how == "Ctrl-C" and os.name != "posix":
        pytest.skip("Windows has no signal for a group of processes alone")
    command = [sys.executable, "-c", STOPPED, how]
    process = subprocess.Popen(
        command,
        cwd=data.REPOSITORY,
        env=os.environ | {"PYTHONWARNINGS": "ignore::UserWarning"},  # Python's, of what a killed process leaves
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=listen_to_ctrl_c if os.name == "posix" else None,
    )
    try:
        assert process.stdout.readline() == "running\n"
        if how == "Ctrl-C":
            os.killpg(process.pid, signal.SIGINT)
        if how == "kill":
            time.sleep(2)
            process.kill()
        _, noise = process.communicate(timeout=600)
    finally:
        process.kill()
        if os.name == "posix":  # workers that are left, where this fails
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    last = {"error": ["RuntimeError: stopped"], "Ctrl-C": ["KeyboardInterrupt"]}.get(how, [])
    assert noise.splitlines()[-1:] == last and noise.count("Traceback") == len(last), noise


def test_memory_is_pinned_for_a_gpu_alone(monkeypatch):
    """Not where there is a GPU, but where the batches go to it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    dataset = data.Cifar10(*load_cifar10(False, data.SAMPLE))
    for loader in (data.train_loader, data.test_loader):
        devices = {"cuda:1": True, "cpu": False, "mps": False}
        assert {name: loader(dataset, device=torch.device(name)).pin_memory for name in devices} == devices
        assert not loader(dataset).pin_memory


def test_test_images_come_in_order_and_untouched():
    images, labels = load_cifar10(False, data.SAMPLE)
    served = list(data.test_loader(data.Cifar10(images, labels), 300))
    assert torch.equal(torch.cat([x for x, _ in served]), torch.from_numpy(images))
    assert torch.equal(torch.cat([y for _, y in served]), torch.from_numpy(labels))


@pytest.mark.parametrize("images", [np.zeros((2, 3, 32, 32), np.uint8), np.zeros((2, 32, 32, 3), np.float32)])
def test_wrong_image_shape_or_type(images):
    with pytest.raises(ValueError, match="must be .N, 32, 32, 3. uint8, not"):
        data.Cifar10(images, np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="2 images and 3 labels"):
        data.Cifar10(np.zeros((2, 32, 32, 3), np.uint8), np.zeros(3, np.int64))


def test_split_keeps_every_image_once():
    images, labels = load_cifar10(True, data.SAMPLE)
    labels = np.arange(2000)
    kept, held = data.split(images, labels, 300)
    assert len(held[1]) == 300 and sorted([*kept[1], *held[1]]) == list(range(2000))
    assert np.array_equal(held[0][0], images[held[1][0]])
    with pytest.raises(ValueError, match="not 2000"):
        data.split(images, labels, 2000)


# Packing ----------------------------------------------------------------------------------------------------------


def same_data(one, other):
    read = [[array for train in (True, False) for array in load_cifar10(train, root)] for root in (one, other)]
    return all(np.array_equal(*pair) for pair in zip(*read, strict=True))


def test_packed_data_are_read_back_exactly(official, tmp_path, monkeypatch, capsys):
    root, images, labels = official
    folder = tmp_path / "for the class, día 1" / "cifar10"
    data.main(["--pack", str(folder), "--data", str(root)])
    assert "60 images" in capsys.readouterr().out
    assert sorted(path.name for path in folder.glob("*.webp")) == ["data_batch_1.webp", "test_batch.webp"]
    assert sorted(path.name for path in folder.parent.iterdir()) == ["cifar10"]
    monkeypatch.setenv("CIFAR10_DIR", str(folder))
    assert same_data(None, root) and np.array_equal(load_cifar10(True)[0], images[:50])


def test_ten_thousand_images_a_sheet(official, tmp_path, monkeypatch):
    batch = np.zeros((2400, 32, 32, 3), np.uint8), np.arange(2400) % 10
    monkeypatch.setattr(data, "_read_batch", lambda file, path: batch)
    data.pack(tmp_path / "packed", official[0])
    counts = {path.name: len(path.read_text().split()) for path in (tmp_path / "packed").glob("*.txt")}
    assert counts == {
        "data_batch_1.labels.txt": 10_000,
        "data_batch_2.labels.txt": 2_000,
        "test_batch.labels.txt": 2400,
    }


def test_contact_sheets_are_packed_with_what_they_say_of_their_exactness(sheets, tmp_path_factory):
    images, labels = load_cifar10(False, data.SAMPLE)
    data.write_sheet(sheets, "test_batch", images[:5], labels[:5])
    (sheets / "approximate.txt").write_text("data_batch_1 3\n")
    folder = tmp_path_factory.mktemp("empty")
    assert data.pack(folder, sheets) == 30
    assert same_data(folder, sheets) and data.data_source(folder) == data.data_source(sheets)
    assert "1 of 30" in data.data_source(folder)["exactness"]


def test_pack_leaves_alone_what_is_there(sheets, capsys):
    before = sorted(sheets.iterdir())
    with pytest.raises(SystemExit) as stopped:
        data.main(["--pack", str(sheets), "--data", str(data.SAMPLE)])
    assert stopped.value.code == 1 and "is there already" in capsys.readouterr().err
    assert sorted(sheets.iterdir()) == before


def test_pack_of_a_damaged_copy_leaves_nothing(official, tmp_path):
    (official[0] / data.FOLDER / "test_batch").write_bytes(b"")
    with pytest.raises(DataError, match="test_batch is damaged"):
        data.pack(tmp_path / "packed", official[0])
    assert not any("packed" in path.name for path in tmp_path.iterdir())
