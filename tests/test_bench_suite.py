"""The suite measures every part and divides rightly; how fast it is here, no test can know."""

import json

import pytest
from short_runs import CPU

from helpers import data
from helpers.bench import __main__ as command
from helpers.bench import pipelines, suite
from helpers.bench.measuring import training_flops
from helpers.networks import session_net
from helpers.training import Speed


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


def test_what_was_prepared_in_a_pause_is_not_timed(monkeypatch):
    """Two workers hold four batches, more than an epoch of three: all are taken off before the first that counts."""
    images, labels = data.load_cifar10(True, data.SAMPLE)
    loader, rows = pipelines.our_loader(images[:300], labels[:300], 2), []

    def counted(train, test, epochs):
        rows.append([len(list(batches)) for batches in epochs])
        return 1.0, 1.0

    monkeypatch.setattr(suite, "epochs_in_a_row", counted)
    suite._epochs(None, None, [], loader, CPU, 2, rounds=1)
    assert len(loader) == 3 and loader.prefetch_factor == 2
    assert rows[0] == [7, 3, 3] and rows[1] == [3, 3, 3]


def test_a_rate_counts_the_images_that_were_trained_on(monkeypatch):
    """512 of the 640 that there are, where a batch is 512."""
    monkeypatch.setattr(suite, "in_turns", lambda works, device, rounds: {name: [1.0] for name in works})
    monkeypatch.setattr(suite, "_epochs", lambda *_: {})
    images, labels = data.load_cifar10(True, data.SAMPLE)
    rows = suite.measure(CPU, images[:640], labels[:640], 1, Speed(), quick=True)["batch size"]
    assert {name: row["images"] for name, row in rows.items()} == {"batch 32": 640, "batch 128": 640, "batch 512": 512}


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
