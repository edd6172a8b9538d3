"""The faults of ``mutations.py`` can still be made: whoever changes a line that one of them breaks hears of it here."""

import shutil

import pytest
from mutations import FAULTS, REPOSITORY


@pytest.mark.parametrize("what, file, change, selection", FAULTS, ids=[fault[0] for fault in FAULTS])
def test_every_fault_can_be_made(what, file, change, selection, tmp_path):
    whole = REPOSITORY / file
    for path in (whole, whole.with_name("record.json")):  # a changed weight changes its record, too
        if path.exists():
            shutil.copy(path, tmp_path)
    copy = tmp_path / whole.name
    before = copy.read_bytes()
    change(copy)
    assert copy.read_bytes() != before, f"{what}: nothing in {file} was changed"
    assert all((REPOSITORY / word).exists() for word in selection.split() if word.startswith(("tests/", "notebooks/")))
