"""The suite measures every part and divides rightly; how fast it is here, no test can know."""

import json

import pytest

from helpers.bench import __main__ as command
from helpers.bench import pipelines, suite
from helpers.bench.measuring import training_flops
from helpers.networks import session_net


def test_ratios_divide_ours_by_plain():
    def pace(**rates):
        return {name: {"images_per_second": rate} for name, rate in rates.items()}

    parts = {
        "augmentation": pace(
            **{"seeding, ours": 900.0, "seeding, plain": 30.0, "all, seeding ours": 9.0, "all, seeding plain": 6.0}
        ),
        "step": pace(plain=100.0, float32=150.0),
        "epoch": pace(plain=80.0, ours=200.0)
        | pace(**{"ours, its steps alone": 250.0, "ours, with tests": 180.0, "asked anew, with tests": 120.0}),
        "evaluation": pace(float32=1000.0),
    }
    found = suite.ratios(parts, {"float32": 500.0}, "float32")
    assert found["step, ours / plain"] == found["epoch, ours / plain"] == 2.5
    assert found["step, float32 / plain"] == 1.5 and found["epoch / its steps alone, in time"] == 1.25
    assert found["share of an epoch in which the device waits"] == pytest.approx(0.2)
    assert found["seconds for 50,000 training and 10,000 test images"] == 260
    assert found["epochs and tests, running ahead / asked anew"] == found["augmentation, seeding ours / plain"] == 1.5
    assert found["seeding, ours / plain"] == 30 and found["share of seeding in augmentation"] == 0.01
    gflops = 250 * training_flops(session_net()) / 1e9
    assert found["share of the matrix product's peak"] == pytest.approx(gflops / 500)


def test_a_small_suite_measures_every_part(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(suite, "matmul_peak", lambda device, precision: 100.0)
    monkeypatch.setattr(suite.training, "keep_freed_memory", lambda: None)  # it would hold for the other tests
    monkeypatch.setattr(suite, "BATCH", 32)
    monkeypatch.setattr(pipelines, "BATCH", 32)
    file = tmp_path / "bench.json"
    command.main(["--quick", "--rounds", "1", "--batches", "1", "--device", "cpu", "--json", str(file)])
    result = json.loads(file.read_text(encoding="utf-8"))
    assert set(result["parts"]) == {"augmentation", "data", "step", "batch size", "epoch", "evaluation"}
    assert {"device", "versions", "peak_gflops", "ratios", "memory_gb"} <= set(result)
    assert all(row["images_per_second"] > 0 for rows in result["parts"].values() for row in rows.values())
    assert "step, ours / plain" in capsys.readouterr().out
