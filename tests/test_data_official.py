"""The official files: read as Python 2 wrote them, and never opened where they could run code."""

import hashlib
import io
import os
import pickle
import struct

import numpy as np
import pytest
from conftest import FOLDER, archive_of
from torchvision.datasets import CIFAR10

from helpers.data import DataError, load_cifar10, reading
from helpers.data import official as module


def test_checksums_are_those_that_torchvision_publishes():
    assert module.BATCHES == {name: md5 for name, md5 in CIFAR10.train_list + CIFAR10.test_list}


def test_official_files_are_read_where_md5_is_forbidden_as_a_protection(official, tmp_path, monkeypatch):
    """By an OpenSSL in FIPS mode. Here it says which file is whole, and protects nothing that SHA-256 would."""
    file = tmp_path / reading.ARCHIVE
    file.write_bytes(archive_of(official))
    monkeypatch.setattr(module, "ARCHIVE_MD5", hashlib.md5(file.read_bytes()).hexdigest())
    md5 = hashlib.md5

    def strict(content=b"", *, usedforsecurity=True):
        if usedforsecurity:
            raise ValueError("[digital envelope routines] unsupported")
        return md5(content)

    monkeypatch.setattr(hashlib, "md5", strict)
    assert len(load_cifar10(True, file)[1]) == len(load_cifar10(True, official[0])[1]) == 50


def test_official_folder_and_archive(official, tmp_path, monkeypatch):
    root, images, labels = official
    for place in (root, root / FOLDER):
        got = load_cifar10(True, place)
        assert np.array_equal(got[0], images[:50]) and np.array_equal(got[1], labels[:50])
    assert np.array_equal(load_cifar10(False, root)[0], images[50:])
    file = tmp_path / reading.ARCHIVE
    file.write_bytes(archive_of(official))
    monkeypatch.setattr(module, "ARCHIVE_MD5", hashlib.md5(file.read_bytes()).hexdigest())
    for place in (file, tmp_path):
        assert np.array_equal(load_cifar10(True, place)[0], images[:50])
    monkeypatch.setenv("CIFAR10_DIR", str(tmp_path))
    assert np.array_equal(load_cifar10(False)[1], labels[50:])


def as_python_2_wrote_it(pixels, labels, core):
    """Return a batch as the published ones are: a pickle of protocol 2 with Python 2's strings, by hand."""
    text = lambda bytes_: b"U" + bytes([len(bytes_)]) + bytes_  # noqa: E731
    number = lambda value: b"J" + struct.pack("<i", value)  # noqa: E731
    array = b"cnumpy.%s.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" % core + text(b"b") + b"tR"
    dtype = (
        b"cnumpy\ndtype\n(" + text(b"u1") + b"K\x00K\x01tR(K\x03" + text(b"|") + b"NNN" + number(-1) * 2 + b"K\x00tb"
    )
    shape = b"(" + b"".join(map(number, pixels.shape)) + b"t"
    data = b"(K\x01" + shape + dtype + b"\x89T" + struct.pack("<i", pixels.nbytes) + pixels.tobytes() + b"tb"
    numbers = b"](" + b"".join(map(number, labels)) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + data + text(b"labels") + numbers + b"u."


@pytest.mark.parametrize("core", [b"core", b"_core"])
def test_a_batch_of_python_2_and_of_any_numpy_is_read(official, monkeypatch, core):
    root, images, labels = official
    pixels = images[50:].transpose(0, 3, 1, 2).reshape(10, 3072)
    content = as_python_2_wrote_it(np.ascontiguousarray(pixels), labels[50:].tolist(), core)
    (root / FOLDER / "test_batch").write_bytes(content)
    monkeypatch.setitem(module.BATCHES, "test_batch", hashlib.md5(content).hexdigest())
    got = load_cifar10(False, root)
    assert np.array_equal(got[0], images[50:]) and np.array_equal(got[1], labels[50:])


class Gadget:
    """Pickled, a call of ``function`` with ``arguments`` at reading."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def gadgets(trace):
    """Return pickles, each of which writes the file ``trace`` when an ordinary unpickler reads it."""
    from numpy.testing._private.utils import runstring

    code = f"open({str(trace)!r}, 'w').write('it ran')"
    objects = {
        "a function of numpy that executes text": Gadget(runstring, code, {}),
        "a built-in": Gadget(exec, code),
        "the shell": Gadget(os.system, f"echo ran > {trace}"),
        "an array of objects": np.array([Gadget(exec, code)], dtype=object),
    }
    return {name: pickle.dumps({b"data": value}, protocol=2) for name, value in objects.items()}


def test_no_gadget_runs_a_single_byte(official, tmp_path, monkeypatch):
    """Neither where the checksum stops it, nor where it had the right checksum; an ordinary unpickler runs them all."""
    trace = tmp_path / "trace"
    for name, content in gadgets(trace).items():
        pickle.loads(content)
        assert trace.exists(), f"{name} is harmless: it tests nothing"
        trace.unlink()
        (official[0] / FOLDER / "test_batch").write_bytes(content)
        with pytest.raises(DataError, match="test_batch is damaged or altered, so it is not opened"):
            load_cifar10(False, official[0])
        with monkeypatch.context() as patch:
            patch.setitem(module.BATCHES, "test_batch", hashlib.md5(content).hexdigest())
            with pytest.raises(pickle.UnpicklingError, match="which no CIFAR-10 batch does"):
                load_cifar10(False, official[0])
        assert not trace.exists(), name


@pytest.mark.parametrize(
    "place, name",
    [("numpy", "load"), ("numpy", "memmap"), ("numpy.core.multiarray", "scalar"), ("_codecs", "encode")]
    + [("numpy", "core.multiarray._reconstruct"), ("numpy.core", "multiarray._reconstruct"), ("builtins", "getattr")],
)
def test_nothing_but_arrays_is_looked_up(place, name):
    with pytest.raises(pickle.UnpicklingError, match="asks for"):
        module.ArrayUnpickler(io.BytesIO(b"")).find_class(place, name)


def test_batch_and_archive_cut_short(official, tmp_path):
    batch = official[0] / FOLDER / "data_batch_3"
    batch.write_bytes(batch.read_bytes()[:1000])
    with pytest.raises(DataError, match="data_batch_3 is damaged"):
        load_cifar10(True, official[0])
    (tmp_path / reading.ARCHIVE).write_bytes(archive_of(official)[:1000])
    with pytest.raises(DataError, match="cut short or altered: its MD5 is not c58f30.* Delete it"):
        load_cifar10(True, tmp_path)
    (tmp_path / "thesis.pdf").write_bytes(b"years of work")
    with pytest.raises(DataError, match="thesis.pdf is not the official archive. (?!.*Delete)"):
        load_cifar10(True, tmp_path / "thesis.pdf")
