"""Records: written whole, read back, refused where they are damaged or their name is a path."""

import json

import pytest
import torch
from short_runs import one_epoch

from helpers import records
from helpers.networks import load_pretrained
from helpers.records import RUNS, read_record


def test_record_is_written_and_read_back(tmp_path):
    record = read_record("session_62")
    records.write_record(record, tmp_path)
    assert read_record("session_62", tmp_path) == record
    assert [path.name for path in (tmp_path / "session_62").iterdir()] == ["record.json"]


@pytest.mark.parametrize("name", ["HISTORY", "CONFUSION", "history", "día"])
def test_a_run_may_have_any_plain_name(tmp_path, name):
    """The words among them that stand in for rows while a record is written."""
    record = read_record("session_62") | {"name": name, "command": f'--name "history": "HISTORY" {name}'}
    records.write_record(record, tmp_path)
    assert read_record(name, tmp_path) == record


def test_what_cannot_be_written_whole_leaves_nothing(tmp_path):
    def half(part):
        part.write_text("half")
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        records.write_whole(tmp_path / "file", half)
    assert not list(tmp_path.iterdir())


def test_record_that_is_missing_damaged_or_incomplete(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run 'none'.*session_62"):
        read_record("none")
    path = tmp_path / "run" / "record.json"
    path.parent.mkdir()
    path.write_text("{")
    with pytest.raises(ValueError, match="record.json is damaged"):
        read_record("run", tmp_path)
    path.write_text(json.dumps({"name": "run"}))
    with pytest.raises(ValueError, match="lacks command, network"):
        read_record("run", tmp_path)
    path.write_text(json.dumps(read_record("session_62") | {"test": None, "history": [7]}))
    with pytest.raises(ValueError, match="lacks loss in test, .* epoch in history"):
        read_record("run", tmp_path)
    with pytest.raises(ValueError, match="lacks command"):
        records.write_record({"name": "run"}, tmp_path)


@pytest.mark.parametrize(
    "name", ["", " ", "a/b", "../up", "..", "/abs", "C:\\x", ".hidden", "a\nb", "mine.", "mine ", "nul", "CON.1"]
)
def test_a_name_that_is_a_path_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="the name of a run is a plain word without slashes"):
        one_epoch(tmp_path, "--name", name)
    with pytest.raises(ValueError, match="plain word"):
        load_pretrained(name)
    assert not list(tmp_path.iterdir())


def test_a_run_of_ones_own_is_found_by_its_name(tmp_path, monkeypatch):
    """After the reference runs, which it cannot hide."""
    monkeypatch.setattr(records, "OWN_RUNS", tmp_path)
    for name in ("mine", "tutorial_10"):
        one_epoch(tmp_path, name=name)
    assert read_record("mine") == read_record("mine", tmp_path)
    images = torch.zeros(1, 3, 32, 32)
    assert torch.equal(load_pretrained("mine")(images), load_pretrained("mine", tmp_path)(images))
    assert read_record("tutorial_10") == read_record("tutorial_10", RUNS) != read_record("tutorial_10", tmp_path)
