"""The costs as a table and as a frame."""

import math
import sys

import pytest
from torch import nn

from helpers.cost import conv_cost, cost_table, network_cost
from helpers.networks import session_net, tutorial_net


def test_the_table():
    net = nn.Sequential(nn.Conv2d(3, 16, (1, 3), bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 4 * 2, 1000))
    assert str(network_cost(net, (3, 4, 4))) == (
        "layer  kind        output   params     MACs  activations    bytes  FLOP/byte  field  jump\n"
        "0      standard    16×4×2      144    1,152          128    1,280        1.8    1×3     1\n"
        "1      activation  16×4×2        0        0          128    1,024        0.0    1×3     1\n"
        "3      linear      1000    129,000  128,000        1,000  520,512        0.5      4   4×2\n"
        "total              1000    129,144  129,152        1,256  522,816        0.5      4   4×2"
    )
    assert cost_table([conv_cost(3, 16, 3, 32)]).splitlines()[1].split() == [
        "standard", "16×30×30", "448", "388,800", "14,400", "71,680", "10.8", "3", "1",
    ]  # fmt: skip


def test_the_frame():
    pytest.importorskip("pandas")
    frame = network_cost(session_net()).to_frame()
    assert frame.macs.sum() == 57_033_056
    assert {"name", "kind", "params", "output_shape", "receptive_field", "arithmetic_intensity"} < set(frame.columns)


def test_without_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        network_cost(tutorial_net()).to_frame()
    assert math.isclose(network_cost(tutorial_net()).total.arithmetic_intensity, 2 * 651_720 / 377_088)
