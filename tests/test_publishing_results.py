"""The tables of results are those of the records."""

import csv
import io

import pytest

from helpers import records
from helpers.publishing import results
from helpers.records import RUNS, read_record
from helpers.training.checkpoints import LARGE


def test_readme_shows_the_results_of_the_records():
    text = results.README.read_text(encoding="utf-8")
    assert results.with_results(text) == text, "run python -m helpers.publishing.results"
    assert f"| **{read_record('session_62')['test']['accuracy']:.2f}** |" in text


def test_a_readme_without_the_place_for_the_table_is_named():
    for text in ("", results.BEGIN, f"{results.END} {results.END} {results.BEGIN}"):
        with pytest.raises(ValueError, match="README must hold the lines <!-- .* once"):
            results.with_results(text)


def test_the_log_of_the_experiments_is_that_of_the_records():
    written = (RUNS / "experiments.csv").read_text(encoding="utf-8")
    assert written == results.experiments_csv(), "run python -m helpers.publishing.results"
    for row in csv.DictReader(io.StringIO(written)):
        record = read_record(row["experiment"], RUNS / row["series"])
        rounding = 2 if record["parameters"] >= LARGE else 0  # weights in half precision
        assert abs(record["test"]["correct"] - record["history"][-1]["test_correct"]) <= rounding
        held_out = row["scored_on"].startswith("validation")
        assert held_out or row["series"] == "teachers", "a choice is made on validation images"
        assert record["test"]["images"] == (5_000 if held_out else 10_000)


def test_experiments_are_one_row_each_the_best_of_a_series_first(tmp_path):
    best, other = read_record("session_62"), read_record("no_augmentation")
    for name, record in (("other", other), ("best, so far", best)):
        records.write_record(record | {"name": name, "macs": 5}, tmp_path / "experiments")
    part = {"training_images": "10,000 of 45,000, drawn", "test_images": "validation split"}
    records.write_record(best | {"name": "short", "data": part}, tmp_path / "staircase")
    first, second, short = csv.DictReader(io.StringIO(results.experiments_csv(tmp_path)))
    assert (first["experiment"], second["experiment"]) == ("best, so far", "other")
    assert (first["network"], first["macs"], first["epochs"], first["lr"]) == ("session_net", "5", "62", "0.1")
    assert float(first["accuracy"]) == best["test"]["accuracy"] and first["device"] == best["device"]
    assert (first["training_images"], first["decayed"]) == ("50000", "all")
    assert [short[key] for key in ("series", "training_images", "scored_on")] == [
        "staircase",
        "10000",
        "validation split",
    ]
