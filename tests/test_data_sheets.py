"""Contact sheets: read back as they were written, and refused where a sheet is missing, twice there or damaged."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers import data
from helpers.data import DataError, data_source, load_cifar10


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
    "label, message",
    [("10", "label 10 of image 2"), ("-1", "label -1 of image 2"), ("cat", "whole number"), ("9" * 30, "whole")],
)
def test_label_that_is_none(sheets, label, message):
    (sheets / "data_batch_1.labels.txt").write_text("\n".join(["1", "2", label] + ["0"] * 22))
    with pytest.raises(DataError, match=f"data_batch_1.labels.txt.*{message}"):
        load_cifar10(True, sheets)


def test_labels_as_windows_powershell_writes_them_are_named(sheets):
    (sheets / "data_batch_1.labels.txt").write_text("1\n" * 25, encoding="utf-16")
    for read in (lambda: load_cifar10(True, sheets), lambda: data_source(sheets)):
        with pytest.raises(DataError, match="data_batch_1.labels.txt is no text in UTF-8"):
            read()


def test_sheet_cut_short(sheets):
    picture = sheets / "data_batch_1.webp"
    picture.write_bytes(picture.read_bytes()[:5000])
    with pytest.raises(DataError, match="data_batch_1.webp is damaged or cut short"):
        load_cifar10(True, sheets)


def test_a_file_of_another_kind_under_the_name_of_a_sheet_is_not_opened(sheets):
    """Pillow hands some kinds to other programs."""
    picture = sheets / "data_batch_1.webp"
    with Image.open(picture) as sheet:
        sheet.convert("RGB").save(picture, "EPS")
    with pytest.raises(DataError, match="data_batch_1.webp is damaged or cut short .*cannot identify"):
        load_cifar10(True, sheets)


def test_a_sheet_larger_than_pillow_opens(sheets, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(DataError, match="data_batch_1.webp is damaged or cut short .*decompression bomb"):
        load_cifar10(True, sheets)


def test_sheet_without_labels_or_for_the_other_purpose(sheets):
    with pytest.raises(DataError, match="no contact sheet for testing"):
        load_cifar10(False, sheets)
    (sheets / "data_batch_1.labels.txt").unlink()
    with pytest.raises(DataError, match="no data_batch_1.labels.txt beside it"):
        load_cifar10(True, sheets)


@pytest.fixture
def five(tmp_path, sample):
    """A folder with five training sheets of ten images and one for testing, as a whole data set has."""
    images, labels = load_cifar10(True, sample)
    for i, name in enumerate([f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]):
        data.write_sheet(tmp_path, name, images[10 * i : 10 * i + 10], labels[10 * i : 10 * i + 10])
    return tmp_path


@pytest.mark.parametrize("number", [1, 3])
def test_a_sheet_that_is_missing_is_noticed(five, number):
    for path in five.glob(f"data_batch_{number}.*"):
        path.unlink()
    with pytest.raises(DataError, match="holds the sheets .*, not data_batch_1, data_batch_2, data_batch_3"):
        load_cifar10(True, five)
    assert len(load_cifar10(False, five)[1]) == 10


def test_the_last_sheet_of_the_whole_set_is_missed_too(full_data, tmp_path):
    for path in Path(full_data).iterdir():
        if "data_batch_5" not in path.name:
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(DataError, match="data_batch_4, not data_batch_1, .*, data_batch_5"):
        load_cifar10(True, tmp_path)


def test_a_sheet_that_is_there_twice_is_noticed(five):
    for end in (".webp", ".labels.txt"):
        shutil.copy(five / f"data_batch_2{end}", five / f"data_batch_4{end}")
    with pytest.raises(DataError, match="data_batch_2.webp and data_batch_4.webp are one and the same"):
        load_cifar10(True, five)


def test_a_copy_beside_the_sheets_is_noticed(five):
    for end in (".webp", ".labels.txt"):
        shutil.copy(five / f"data_batch_2{end}", five / f"data_batch_2 (1){end}")
    with pytest.raises(DataError, match=r"data_batch_2 \(1\).webp: no sheet is called that"):
        load_cifar10(True, five)
