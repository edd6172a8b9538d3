"""The networks by name: each one works, and weights are loaded only where they are the record's."""

import pytest
import torch
from short_runs import one_epoch

from helpers.networks import NETWORKS, build, load_pretrained, registry, session_net
from helpers.records import RUNS, read_record


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_gives_ten_logits(name):
    assert NETWORKS[name]().eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_unknown_network_is_named():
    with pytest.raises(ValueError, match="there is no network 'resnet'.*session_net"):
        build("resnet")


def test_weights_that_are_not_the_records_are_refused(tmp_path):
    """A byte changed, another run's, cut short, none at all: each is named, and none is loaded."""
    one_epoch(tmp_path)
    weights = tmp_path / "run" / "weights.pt"
    good, other = weights.read_bytes(), (RUNS / "tutorial_10" / "weights.pt").read_bytes()
    for bad in (good[:-1] + bytes([good[-1] ^ 1]), other, good[:1000], b""):
        weights.write_bytes(bad)
        with pytest.raises(ValueError, match="weights.pt is damaged or of another run"):
            load_pretrained("run", tmp_path)
    weights.unlink()
    with pytest.raises(ValueError, match="'run' kept no weights"):
        load_pretrained("run", tmp_path)


def test_a_network_that_was_edited_since_is_named(tmp_path, monkeypatch):
    one_epoch(tmp_path)
    monkeypatch.setitem(NETWORKS, "tutorial_net", session_net)
    with pytest.raises(ValueError, match="weights.pt does not fit tutorial_net as it is built here"):
        load_pretrained("run", tmp_path)


def test_better_is_the_best_reference_run_of_the_size_unless_an_own_run_has_that_name(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "OWN_RUNS", tmp_path)
    records = [read_record(path.parent.name, RUNS) for path in RUNS.glob("*/record.json")]
    small = [record for record in records if record["parameters"] <= 187_418]
    best = max(small, key=lambda record: record["test"]["correct"])
    assert registry.BEST == best["name"]
    ours, by_name = load_pretrained("better").state_dict(), load_pretrained(best["name"]).state_dict()
    assert all(torch.equal(ours[key], by_name[key]) for key in by_name)
    (tmp_path / "better").mkdir()
    with pytest.raises(FileNotFoundError, match="no run 'better'"):  # its own folder is asked, where nothing is yet
        load_pretrained("better")
