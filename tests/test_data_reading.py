"""Reading CIFAR-10 from its three sources, refusing damaged ones, and packing it."""

import hashlib
import pickle

import numpy as np
import pytest
from conftest import FOLDER, archive_of

from helpers import data
from helpers.data import DataError, load_cifar10, reading
from helpers.data import __main__ as command


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


def test_official_folder_and_archive(official, tmp_path, monkeypatch):
    root, images, labels = official
    for place in (root, root / FOLDER):
        got = load_cifar10(True, place)
        assert np.array_equal(got[0], images[:50]) and np.array_equal(got[1], labels[:50])
    assert np.array_equal(load_cifar10(False, root)[0], images[50:])
    file = tmp_path / reading.ARCHIVE
    file.write_bytes(archive_of(official))
    monkeypatch.setattr(reading, "ARCHIVE_MD5", reading.md5(file))
    for place in (file, tmp_path):
        assert np.array_equal(load_cifar10(True, place)[0], images[:50])
    monkeypatch.setenv("CIFAR10_DIR", str(tmp_path))
    assert np.array_equal(load_cifar10(False)[1], labels[50:])


def test_pickle_that_would_run_code_is_refused(official):
    class Harmful:
        def __reduce__(self):
            return (print, ("run",))

    (official[0] / FOLDER / "test_batch").write_bytes(pickle.dumps({b"data": Harmful()}))
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
    batch = official[0] / FOLDER / "data_batch_3"
    batch.write_bytes(batch.read_bytes()[:1000])
    with pytest.raises(DataError, match="data_batch_3 is damaged"):
        load_cifar10(True, official[0])
    (tmp_path / reading.ARCHIVE).write_bytes(archive_of(official)[:1000])
    with pytest.raises(DataError, match="cut short or altered: its MD5 is not c58f30"):
        load_cifar10(True, tmp_path)


def test_empty_and_missing_folder(tmp_path):
    with pytest.raises(DataError, match="holds neither .* CIFAR10_DIR"):
        load_cifar10(True, tmp_path)
    with pytest.raises(DataError, match="does not exist. .* CIFAR10_DIR"):
        load_cifar10(True, tmp_path / "nowhere")


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


def test_ten_thousand_images_a_sheet(official, tmp_path, monkeypatch):
    batch = np.zeros((2400, 32, 32, 3), np.uint8), np.arange(2400) % 10
    monkeypatch.setattr(reading, "_read_batch", lambda file, path: batch)
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
        command.main(["--pack", str(sheets), "--data", str(data.SAMPLE)])
    assert stopped.value.code == 1 and "is there already" in capsys.readouterr().err
    assert sorted(sheets.iterdir()) == before


def test_pack_of_a_damaged_copy_leaves_nothing(official, tmp_path):
    (official[0] / FOLDER / "test_batch").write_bytes(b"")
    with pytest.raises(DataError, match="test_batch is damaged"):
        data.pack(tmp_path / "packed", official[0])
    assert not any("packed" in path.name for path in tmp_path.iterdir())
