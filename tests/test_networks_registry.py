"""The networks by name: each one works, and weights are loaded only where they are the record's."""

import pytest
import torch
from short_runs import one_epoch

from helpers.networks import NETWORKS, build, load_pretrained
from helpers.records import RUNS


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
