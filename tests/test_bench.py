"""The benchmark counts and divides rightly; how fast it is here, no test can know."""

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from helpers import bench
from helpers.networks import build, session_net

CPU = torch.device("cpu")


def test_works_are_called_in_turns_and_the_first_round_does_not_count():
    calls = []
    times = bench.in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, CPU, rounds=3)
    assert "".join(calls) == "abababab" and [len(taken) for taken in times.values()] == [3, 3]


def test_summary_is_the_median_and_the_distance_of_the_quartiles():
    kept = bench.summary([4.0, 1.0, 2.0, 3.0, 100.0], images=300)
    assert (kept["median_seconds"], kept["images_per_second"]) == (3.0, 100.0)
    assert kept["spread_percent"] == pytest.approx(100 * (4 - 2) / 3, abs=0.1)


def test_training_takes_three_times_the_forward_pass():
    """PyTorch's own counter, over a forward and a backward pass; only the first layer's input needs no gradient.

    On a network without groups: of grouped convolutions PyTorch 2.11 counts the backward pass too high.
    """
    network = build("standard_32")
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(2, 3, 32, 32)).sum().backward()
    first_layer = 2 * 3 * 3 * 3 * 32 * 16 * 16
    assert bench.training_flops(network) == counter.get_total_flops() / 2 + first_layer


def test_ratios_divide_ours_by_plain():
    def pace(**rates):
        return {name: {"images_per_second": rate} for name, rate in rates.items()}

    parts = {
        "step": pace(plain=100.0, float32=150.0),
        "epoch": pace(plain=80.0, ours=200.0) | {"ours, its steps alone": {"images_per_second": 250.0}},
        "evaluation": pace(float32=1000.0),
    }
    found = bench.ratios(parts, {"float32": 500.0}, "float32")
    assert found["step, ours / plain"] == found["epoch, ours / plain"] == 2.5
    assert found["step, float32 / plain"] == 1.5 and found["epoch / its steps alone, in time"] == 1.25
    assert found["share of an epoch in which the device waits"] == pytest.approx(0.2)
    assert found["seconds for 50,000 training and 10,000 test images"] == 260
    gflops = 250 * bench.training_flops(session_net()) / 1e9
    assert found["share of the matrix product's peak"] == pytest.approx(gflops / 500)


def test_a_small_suite_measures_every_part(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "matmul_peak", lambda device, precision: 100.0)
    monkeypatch.setattr(bench.training, "keep_freed_memory", lambda: None)  # it would hold for the other tests
    monkeypatch.setattr(bench, "BATCH", 32)
    file = tmp_path / "bench.json"
    bench.main(["--quick", "--rounds", "1", "--batches", "1", "--device", "cpu", "--json", str(file)])
    result = json.loads(file.read_text(encoding="utf-8"))
    assert set(result["parts"]) == {"data", "step", "batch size", "epoch", "evaluation"}
    assert {"device", "versions", "peak_gflops", "ratios", "memory_gb"} <= set(result)
    assert all(row["images_per_second"] > 0 for rows in result["parts"].values() for row in rows.values())
    assert "step, ours / plain" in capsys.readouterr().out
