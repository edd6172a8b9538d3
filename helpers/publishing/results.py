"""The results of all runs as tables: ``python -m helpers.publishing.results`` brings them up to date.

The README's table between its two markers, from the records of the reference runs; and, in
``notebooks/runs/experiments.csv``, the log of the short runs for the better network and its teacher (notebook 09).
"""

import csv
import io
from pathlib import Path

from helpers.records import REPOSITORY, RUNS, read_record
from helpers.training import Recipe

README = REPOSITORY / "README.md"
BEGIN, END = "<!-- results: written by python -m helpers.publishing.results -->", "<!-- end of results -->"


def results_table(runs=RUNS):
    """Return the results of all runs as a Markdown table, the lowest accuracy first."""
    records = [read_record(path.parent.name, runs) for path in Path(runs).glob("*/record.json")]
    rows = [
        "| run | test % | training % | parameters | network | epochs | augmentation | time | device |",
        "| --- | ---: | ---: | ---: | --- | ---: | --- | ---: | --- |",
    ]
    for record in sorted(records, key=lambda record: (record["test"]["accuracy"], record["name"])):
        recipe, last = record["recipe"], record["history"][-1]
        rows.append(
            f"| `{record['name']}` | **{record['test']['accuracy']:.2f}** | {last['train_accuracy']:.2f} "
            f"| {record['parameters']:,} | `{record['network']}` | {recipe['epochs']} | {recipe['augment']} "
            f"| {record['seconds'] / 60:.0f} min | {record['device'].replace('(R)', '').replace(' Processor', '')} |"
        )
    return "\n".join(rows)


def with_results(text, runs=RUNS):
    """Return the README's ``text`` with the table between its two markers made anew."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"the README must hold the lines {BEGIN} and {END} once: the table goes between them")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{results_table(runs)}\n{END}{after}"


SERIES = ("experiments", "teachers", "staircase")
COLUMNS = ("series", "experiment", "network", "parameters", "macs", "training_images", "epochs", "batch_size")
COLUMNS += ("optimizer", "lr", "weight_decay", "decayed", "augment", "ema", "teacher", "seed")
MEASURED = ("scored_on", "accuracy", "seconds", "device")


def experiments_csv(runs=RUNS):
    """Return every short run of the ``SERIES`` as a row of comma-separated values, the best of each series first."""
    records = [
        read_record(path.parent.name, path.parent.parent) | {"series": series}
        for series in SERIES
        for path in Path(runs).glob(f"{series}/*/record.json")
    ]
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS + MEASURED, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    rows = map(_row, records)
    table.writerows(
        sorted(rows, key=lambda row: (row["series"], row["scored_on"], -row["accuracy"], row["experiment"]))
    )
    return text.getvalue()


def _row(record):
    """Return what the log says of a record."""
    held_out = record["data"]["test_images"] != "test images"
    drawn = record["data"].get("training_images", "45,000" if held_out else "50,000")
    seen = {"training_images": drawn.split()[0].replace(",", ""), "scored_on": record["data"]["test_images"]}
    named = {"experiment": record["name"], "accuracy": round(record["test"]["accuracy"], 2)}
    return vars(Recipe()) | record["recipe"] | record | seen | named  # a record may be older than a choice


if __name__ == "__main__":
    (RUNS / "experiments.csv").write_text(experiments_csv(), encoding="utf-8")
    README.write_text(with_results(README.read_text(encoding="utf-8")), encoding="utf-8")
