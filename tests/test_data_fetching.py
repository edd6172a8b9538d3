"""The download: mirrors in order, whole or not at all, and a message that helps."""

import errno
import hashlib
import http.server
import os
import threading
from unittest import mock

import pytest
from conftest import archive_of

from helpers.data import DataError, fetching, load_cifar10, reading


@pytest.fixture
def server(official):
    """A local web server: /good, /short (breaks off), /wrong (another file), /gone (404), and some that
    talk nonsense; yields its address."""
    packed = archive_of(official)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/gone":
                return self.send_error(404)
            if self.path == "/portal":
                return self.wfile.write(b"<html>Please log in</html>\r\n")
            if self.path == "/chunked":
                return self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\nonly this")
            if self.path == "/banana":
                return self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: banana\r\n\r\n" + packed[:100])
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
    archive = fetching.download(tmp_path / "data", mirrors, checksum)
    assert fetching.md5(archive) == checksum
    assert [path.name for path in (tmp_path / "data").iterdir()] == [fetching.ARCHIVE]
    assert archive.stat().st_mode & 0o444 == 0o444  # in a shared folder others read it, too


def test_a_full_disk_is_no_fault_of_the_mirrors(server, tmp_path, monkeypatch):
    full = mock.Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))
    monkeypatch.setattr(fetching, "_fetch", full)
    with pytest.raises(DataError, match="data is full: it takes 170 MB .*CIFAR10_DIR"):
        fetching.download(tmp_path / "data", ["one", "two"], server[1])
    assert full.call_count == 1 and not list((tmp_path / "data").iterdir())


@pytest.mark.parametrize(
    "path, failure", [("gone", "404"), ("short", "broke off|IncompleteRead"), ("wrong", "has MD5")]
)
def test_download_that_fails_leaves_nothing_and_says_what_to_do(server, tmp_path, path, failure):
    with pytest.raises(DataError, match=f"(?s)could not be downloaded.*({failure}).*CIFAR10_DIR.*SAMPLE"):
        fetching.download(tmp_path / "data", [f"{server[0]}/{path}"], server[1])
    assert list((tmp_path / "data").iterdir()) == []


def test_nonsense_from_a_mirror_is_a_failure_like_any_other(server, tmp_path):
    """A captive portal that talks no HTTP, a reply that is cut short, a header that is no number, no address at all."""
    address, checksum = server
    paths = ("portal", "chunked", "banana", "good")
    bad = [f"{address}/{path}" for path in paths[:3]] + ["http://127.0.0.1:port/x", "no address", f"{address}/a b"]
    archive = fetching.download(tmp_path / "one", [*bad, f"{address}/good"], checksum)
    assert fetching.md5(archive) == checksum
    with pytest.raises(DataError) as raised:
        fetching.download(tmp_path / "two", bad, checksum, attempts=1)
    assert all(f"  {url}: " in str(raised.value) for url in bad)


def test_a_proxy_with_a_typo_ends_in_a_sentence(server, tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://proxy:80 80")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(DataError, match="could not be downloaded"):
        fetching.download(tmp_path, ["http://example.invalid/x", "https://example.invalid/x"], server[1], attempts=1)


def test_what_a_killed_download_left_is_swept_up(server, tmp_path):
    left, living = (tmp_path / f"{fetching.ARCHIVE}{name}.part" for name in ("1", "2"))
    for path in (left, living):
        path.write_bytes(b"some")
    os.utime(left, (1, 1))
    fetching.download(tmp_path, [f"{server[0]}/good"], server[1])
    assert not left.exists() and living.exists()


def test_no_network(tmp_path, monkeypatch):
    """An address where nobody listens: what a machine without a network sees, by way of load_cifar10."""
    monkeypatch.delenv("CIFAR10_DIR", raising=False)
    monkeypatch.setattr(reading, "REPOSITORY", tmp_path)
    fetch = fetching.download
    monkeypatch.setattr(reading, "download", lambda folder: fetch(folder, ["http://127.0.0.1:9/x"], timeout=2))
    with pytest.raises(DataError, match="(?s)could not be downloaded.*127.0.0.1:9.*retry"):
        load_cifar10(True)
    assert list((tmp_path / "data").iterdir()) == []


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write to .*file"):
        fetching.download(tmp_path / "file" / "data", [])


def test_slow_download_is_given_up(tmp_path, server, monkeypatch):
    clock = iter(range(0, 10_000, 100))
    monkeypatch.setattr(fetching.time, "monotonic", lambda: next(clock))
    with pytest.raises(DataError, match="too slow"):
        fetching.download(tmp_path, [f"{server[0]}/good"], server[1], slowest=10**9)
