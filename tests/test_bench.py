"""The benchmark counts and divides rightly; how fast it is here, no test can know."""

import json

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from helpers import bench, data
from helpers.augment import PIPELINES
from helpers.networks import build, session_net

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def few():
    images, labels = data.load_cifar10(True, data.SAMPLE)
    chosen = np.arange(2048) % len(labels)
    return images[chosen], labels[chosen]


def test_summary_is_the_median_and_the_distance_of_the_quartiles():
    kept = bench.summary([4.0, 1.0, 2.0, 3.0, 100.0], images=300)
    assert (kept["median_seconds"], kept["images_per_second"]) == (3.0, 100.0)
    assert kept["spread_percent"] == pytest.approx(100 * (4 - 2) / 3, abs=0.1)


def test_epochs_in_a_row_count_from_the_end_of_the_first(monkeypatch):
    clock, done = [0.0], []

    def takes(seconds, name):
        clock[0] += seconds
        done.append(name)

    monkeypatch.setattr(bench.time, "perf_counter", lambda: clock[0])
    epochs = [["first"], ["second"], ["third"]]
    found = bench.epochs_in_a_row(lambda batches: takes(10, batches[0]), lambda: takes(1, "test"), epochs)
    assert done == ["test", "first", "test", "second", "test", "third"] and found == (20, 22)


def test_our_loader_stays_for_one_epoch_and_runs_ahead_by_a_sixth(few):
    """The first can be timed without the start of its workers; the second goes over the end of an epoch."""
    one, more = bench.our_loader(*few, 1), bench.our_loader(*few, 1, epochs=range(1, 4))
    assert (one.persistent_workers, more.persistent_workers) == (True, False)
    assert len(few[1]) == 16 * bench.BATCH == 2048 and len(one) == 16 and len(more) == 48
    assert one.prefetch_factor == more.prefetch_factor == 16 // 6
    assert not one.pin_memory and bench.our_loader(*few, 1, torch.device("cuda")).pin_memory


def test_plain_seeding_keeps_the_same_promise(few):
    """What is compared does the same: one key, one picture, whatever was drawn before."""
    plain, image = bench.PlainlySeeded(PIPELINES["light"]()), few[0][0]
    one, again = ([plain(image, 1, index).tobytes() for index in indices] for indices in (range(9), range(8, -1, -1)))
    assert one == again[::-1] and len(set(one)) > 4


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
        "augmentation": pace(
            **{"seeding, ours": 900.0, "seeding, plain": 30.0, "all, seeding ours": 9.0, "all, seeding plain": 6.0}
        ),
        "step": pace(plain=100.0, float32=150.0),
        "epoch": pace(plain=80.0, ours=200.0)
        | pace(**{"ours, its steps alone": 250.0, "ours, with tests": 180.0, "asked anew, with tests": 120.0}),
        "evaluation": pace(float32=1000.0),
    }
    found = bench.ratios(parts, {"float32": 500.0}, "float32")
    assert found["step, ours / plain"] == found["epoch, ours / plain"] == 2.5
    assert found["step, float32 / plain"] == 1.5 and found["epoch / its steps alone, in time"] == 1.25
    assert found["share of an epoch in which the device waits"] == pytest.approx(0.2)
    assert found["seconds for 50,000 training and 10,000 test images"] == 260
    assert found["epochs and tests, running ahead / asked anew"] == found["augmentation, seeding ours / plain"] == 1.5
    assert found["seeding, ours / plain"] == 30 and found["share of seeding in augmentation"] == 0.01
    gflops = 250 * bench.training_flops(session_net()) / 1e9
    assert found["share of the matrix product's peak"] == pytest.approx(gflops / 500)


def test_a_small_suite_measures_every_part(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "matmul_peak", lambda device, precision: 100.0)
    monkeypatch.setattr(bench.training, "keep_freed_memory", lambda: None)  # it would hold for the other tests
    monkeypatch.setattr(bench, "BATCH", 32)
    file = tmp_path / "bench.json"
    bench.main(["--quick", "--rounds", "1", "--batches", "1", "--device", "cpu", "--json", str(file)])
    result = json.loads(file.read_text(encoding="utf-8"))
    assert set(result["parts"]) == {"augmentation", "data", "step", "batch size", "epoch", "evaluation"}
    assert {"device", "versions", "peak_gflops", "ratios", "memory_gb"} <= set(result)
    assert all(row["images_per_second"] > 0 for rows in result["parts"].values() for row in rows.values())
    assert "step, ours / plain" in capsys.readouterr().out
