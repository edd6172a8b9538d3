"""The results of all runs as tables: ``python -m helpers.publishing.results`` brings them up to date.

The README's table between its two markers, from the records of the reference runs; and, in
``notebooks/runs/experiments.csv``, the log of the experiments for the better network (notebook 09).
"""

import csv
import io
from pathlib import Path

from helpers.records import REPOSITORY, RUNS, read_record

README = REPOSITORY / "README.md"
BEGIN, END = "<!-- results: written by python -m helpers.publishing.results -->", "<!-- end of results -->"


def results_table(runs=RUNS):
    """Return the results of all runs as a Markdown table, the lowest accuracy first."""
    records = [read_record(path.parent.name, runs) for path in Path(runs).glob("*/record.json")]
    rows = [
        "| run | test % | training % | parameters | network | epochs | augmentation | time | device |",
        "| --- | ---: | ---: | ---: | --- | ---: | --- | ---: | --- |",
    ]
    for record in sorted(records, key=lambda record: record["test"]["accuracy"]):
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


COLUMNS = ("experiment", "network", "parameters", "macs", "epochs", "optimizer", "lr", "weight_decay", "augment")
COLUMNS += ("ema", "teacher", "seed")
MEASURED = ("validation_accuracy", "seconds", "device")


def experiments_csv(runs=RUNS):
    """Return every run in ``runs/experiments`` as a row of comma-separated values, the highest accuracy first."""
    records = [
        read_record(path.parent.name, path.parent.parent) for path in Path(runs).glob("experiments/*/record.json")
    ]
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS + MEASURED, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    for record in sorted(records, key=lambda record: (-record["test"]["accuracy"], record["name"])):
        accuracy = round(record["test"]["accuracy"], 2)
        table.writerow(record["recipe"] | record | {"experiment": record["name"], "validation_accuracy": accuracy})
    return text.getvalue()


if __name__ == "__main__":
    (RUNS / "experiments.csv").write_text(experiments_csv(), encoding="utf-8")
    README.write_text(with_results(README.read_text(encoding="utf-8")), encoding="utf-8")
