"""The faults of ``mutations.py`` can still be made: whoever changes a line that one of them breaks hears of it here."""

import shutil

import pytest
from mutations import FAULTS, REPOSITORY


@pytest.mark.parametrize("what, file, change, selection", FAULTS, ids=[fault[0] for fault in FAULTS])
def test_every_fault_can_be_made(what, file, change, selection, tmp_path):
    record = (REPOSITORY / file).with_name("record.json")
    for path in {REPOSITORY / file, *([record] if record.exists() else [])}:
        shutil.copy(path, tmp_path)
    copy = tmp_path / (REPOSITORY / file).name
    before = copy.read_bytes()
    change(copy)
    assert copy.read_bytes() != before, f"{what}: nothing in {file} was changed"
    assert all((REPOSITORY / word).exists() for word in selection.split() if word.startswith(("tests/", "notebooks/")))
