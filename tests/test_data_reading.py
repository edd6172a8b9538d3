"""Reading CIFAR-10 from its three sources, refusing damaged ones, and packing it."""

import errno
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import FOLDER, archive_of

from helpers import data
from helpers.data import DataError, load_cifar10, pack, reading
from helpers.data import __main__ as command
from helpers.data import official as module


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


# The places --------------------------------------------------------------------------------------------------------


def test_empty_and_missing_folder(tmp_path):
    with pytest.raises(DataError, match="holds neither .* CIFAR10_DIR"):
        load_cifar10(True, tmp_path)
    with pytest.raises(DataError, match="does not exist. .* CIFAR10_DIR"):
        load_cifar10(True, tmp_path / "nowhere")


def test_the_variable_may_have_spaces_at_its_ends_and_is_named_in_full(official, monkeypatch, tmp_path):
    monkeypatch.setenv("CIFAR10_DIR", f" {official[0]} ")
    assert len(load_cifar10(False)[1]) == 10
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CIFAR10_DIR", "of/mine")
    with pytest.raises(DataError, match=f"^{tmp_path / 'of' / 'mine'} does not exist"):
        load_cifar10(False)


@pytest.fixture
def fetched(official, monkeypatch, tmp_path):
    """The repository's ``data/``, empty, and a download that puts the archive there; yields it and the calls."""
    calls, content = [], archive_of(official)
    monkeypatch.setattr(module, "ARCHIVE_MD5", hashlib.md5(content).hexdigest())

    def download(folder):
        calls.append(folder)
        folder.mkdir(exist_ok=True, parents=True)
        (folder / reading.ARCHIVE).write_bytes(content)

    monkeypatch.setattr(reading, "REPOSITORY", tmp_path)
    monkeypatch.setattr(reading, "download", download)
    return tmp_path / "data", calls


@pytest.mark.parametrize("left", [0, 3])
def test_a_folder_half_unpacked_does_not_stop_the_download(official, fetched, monkeypatch, left):
    monkeypatch.setenv("CIFAR10_DIR", "")
    (place, calls), folder = fetched, fetched[0] / FOLDER
    folder.mkdir(parents=True)
    for i in range(left):
        os.link(official[0] / FOLDER / f"data_batch_{i + 1}", folder / f"data_batch_{i + 1}")
    for _ in range(2):
        assert np.array_equal(load_cifar10(True)[0], official[1][:50])
    assert calls == [place]


def test_a_folder_half_unpacked_is_named_with_what_it_lacks(official):
    for name in ("data_batch_2", "test_batch"):
        (official[0] / FOLDER / name).unlink()
    for place in (official[0], official[0] / FOLDER):
        with pytest.raises(DataError, match=f"{FOLDER} lacks data_batch_2, test_batch: unpack the archive again"):
            load_cifar10(True, place)


def test_one_file_of_a_data_set_is_not_taken_for_an_archive(official, sheets):
    for file in (official[0] / FOLDER / "data_batch_1", sheets / "data_batch_1.webp"):
        with pytest.raises(DataError, match=f"one file of a data set: name its folder, {file.parent}$"):
            load_cifar10(True, file)


def test_a_picture_beside_the_official_folder_is_no_contact_sheet(official):
    (official[0] / "preview.webp").write_bytes(b"")
    assert len(load_cifar10(True, official[0])[1]) == 50


# Packing ----------------------------------------------------------------------------------------------------------


def same_data(one, other):
    read = [[array for train in (True, False) for array in load_cifar10(train, root)] for root in (one, other)]
    return all(np.array_equal(*pair) for pair in zip(*read, strict=True))


def test_packed_data_are_read_back_exactly(official, tmp_path, monkeypatch, capsys):
    root, images, labels = official
    folder = tmp_path / "for the class, día 1" / "cifar10"
    command.main(["--pack", str(folder), "--data", str(root)])
    assert "60 images" in capsys.readouterr().out
    assert sorted(path.name for path in folder.glob("*.webp")) == ["data_batch_1.webp", "test_batch.webp"]
    assert sorted(path.name for path in folder.parent.iterdir()) == ["cifar10"]
    monkeypatch.setenv("CIFAR10_DIR", str(folder))
    assert same_data(None, root) and np.array_equal(load_cifar10(True)[0], images[:50])


def test_an_empty_disk_is_packed_onto(official, tmp_path, monkeypatch):
    """No file is renamed into it from outside, and its parent may not be written to."""
    stick, moved = tmp_path / "media" / "stick", []
    stick.mkdir(parents=True)
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda path, target: moved.append(path) or replace(path, target))
    pack(stick, official[0])
    assert moved and all(stick in path.parents for path in moved)
    assert same_data(stick, official[0]) and {path.suffix for path in stick.iterdir()} == {".webp", ".txt"}


def test_ten_thousand_images_a_sheet(official, tmp_path, monkeypatch):
    """Of a small data set that is taken for the whole one."""
    batch = np.zeros((2400, 32, 32, 3), np.uint8), np.arange(2400) % 10
    monkeypatch.setattr(module, "_read_batch", lambda file, path: batch)
    monkeypatch.setattr(data.sheets, "FULL", None)
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


def test_pack_on_a_full_disk_ends_in_a_sentence(official, tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(reading, "write_sheet", full)
    with pytest.raises(SystemExit):
        command.main(["--pack", str(tmp_path / "packed"), "--data", str(official[0])])
    assert "No space left on device" in capsys.readouterr().err
    assert not (tmp_path / "packed").exists()


def test_pack_leaves_alone_what_is_there(sheets, capsys):
    before = sorted(sheets.iterdir())
    with pytest.raises(SystemExit) as stopped:
        command.main(["--pack", str(sheets), "--data", str(data.SAMPLE)])
    assert stopped.value.code == 1 and "is there already" in capsys.readouterr().err
    assert sorted(sheets.iterdir()) == before


def test_pack_of_a_damaged_copy_leaves_nothing(official, tmp_path):
    (official[0] / FOLDER / "test_batch").write_bytes(b"")
    with pytest.raises(DataError, match="test_batch is damaged"):
        data.pack(tmp_path / "packed", official[0])
    assert not any("packed" in path.name for path in tmp_path.iterdir())
