"""The reference runs: the weights reach what the record says, and the notebooks say the same."""

import re

import nbformat
import pytest
import torch

from helpers import data, records
from helpers.networks import KIND_WIDTHS, build, count_parameters, load_pretrained
from helpers.records import RUNS, read_record
from helpers.training import evaluate
from helpers.training.checkpoints import LARGE

NAMES = sorted(path.parent.name for path in RUNS.glob("*/record.json"))
CPU = torch.device("cpu")


def check(record):
    """Assert that the parts of a record agree with each other and with its network."""
    assert record["parameters"] == count_parameters(build(record["network"]))
    assert [row["epoch"] for row in record["history"]] == list(range(1, record["recipe"]["epochs"] + 1))
    test, last = record["test"], record["history"][-1]
    confusion = torch.tensor(test["confusion"])
    rounded = 2 if record["parameters"] >= LARGE else 0  # a large network is tested as it is kept, in half precision
    assert test["correct"] == confusion.diagonal().sum()
    assert abs(test["correct"] - last["test_correct"]) <= rounded
    assert confusion.sum(1).tolist() == [1000] * 10
    assert test["accuracy"] == pytest.approx(test["correct"] / 100)
    assert list(test["class_accuracy"].values()) == pytest.approx((confusion.diagonal() / 10).tolist())
    assert record["seconds"] == pytest.approx(sum(row["seconds"] for row in record["history"]), abs=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_record_is_consistent(name):
    record = read_record(name)
    assert records.sha256(RUNS / name / "weights.pt") == record["weights_sha256"]
    check(record)


def test_the_list_of_runs_has_every_folder_and_the_notebooks_that_show_it():
    listed = (RUNS / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)/?` \| .+ \| (.+) \|$", listed, re.MULTILINE))
    assert set(rows) == {path.name for path in RUNS.iterdir() if path.is_dir()}
    for run, shown in rows.items():
        for number in re.findall(r"\b\d\d\b", shown):
            (notebook,) = RUNS.parent.glob(f"{number}_*.ipynb")
            assert re.search(rf'["/`]{run}\b', notebook.read_text(encoding="utf-8")), (
                f"{notebook.name} does not show {run}"
            )


def test_experiment_of_notebook_03_is_complete_and_on_equal_terms():
    """Every kind and width with three seeds; the recipes differ in network and seed alone. Its weights are not kept."""
    runs = [read_record(path.parent.name, RUNS / "kinds") for path in (RUNS / "kinds").glob("*/record.json")]
    names = {f"{kind}_{width}" for kind, widths in KIND_WIDTHS.items() for width in widths}
    assert {(run["network"], run["recipe"]["seed"]) for run in runs} == {(n, seed) for n in names for seed in range(3)}
    own = {"network": None, "seed": None}
    recipes = [{key: value for key, value in (run["recipe"] | own).items() if value is not None} for run in runs]
    assert all(recipe == recipes[0] for recipe in recipes)
    assert len({run["weights_sha256"] for run in runs}) == len(runs) == 21
    for run in runs:
        check(run)


def test_precisions_of_notebook_10_are_compared_on_equal_terms():
    """The same network, recipe and seeds as in the experiment of notebook 03, in bfloat16."""
    for seed in range(3):
        exact = read_record(f"standard_32_seed{seed}", RUNS / "kinds")
        rounded = read_record(f"standard_32_bfloat16_seed{seed}", RUNS / "precision")
        assert rounded["recipe"] == exact["recipe"] | {"teacher": None}
        assert (
            rounded["speed"] == exact["speed"] | {"precision": "bfloat16"} and exact["speed"]["precision"] == "float32"
        )
        check(rounded)


@pytest.mark.parametrize("name", NAMES)
def test_weights_give_the_recorded_number_of_sample_images(name):
    score = evaluate(load_pretrained(name), data.test_loader(data.Cifar10(*data.load_cifar10(False, data.SAMPLE))), CPU)
    assert (score["correct"], score["images"]) == tuple(read_record(name)["sample"].values())


@pytest.mark.parametrize("name", NAMES)
def test_weights_give_the_recorded_number_of_all_test_images(name, full_data):
    """Within two images of 10,000: other hardware rounds differently."""
    score = evaluate(load_pretrained(name), data.test_loader(data.Cifar10(*data.load_cifar10(False, full_data))), CPU)
    record = read_record(name)["test"]
    assert score["images"] == 10_000 and abs(score["correct"] - record["correct"]) <= 2
    assert score["loss"] == pytest.approx(record["loss"], abs=1e-4)


def test_runs_that_a_look_at_the_test_set_has_informed_are_marked():
    """Their figures flatter: the record says why, and the README beside its table that they do."""
    marked = {name for name in NAMES if read_record(name).get("informed_by_test_set")}
    assert marked == {"better_62", "better_42_taught"}
    readme = (RUNS.parent.parent / "README.md").read_text(encoding="utf-8")
    assert "Both better runs were chosen with an eye on the test images" in readme


def test_runs_say_what_their_recipes_were_chosen_on():
    """Those whose recipes were chosen on training images that were held out, or copied from others' publications."""
    assert {name for name in NAMES if "held-out" in read_record(name).get("chosen_on", "")} == {
        "teacher_18",
        "teacher_36",
        "mixed_84_taught",
    }


def test_changed_weights_are_found_out():
    """The check above can fail: one weight in a hundred set to zero changes the count."""
    network = load_pretrained("session_62")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.view(-1)[::100] = 0
    score = evaluate(network, data.test_loader(data.Cifar10(*data.load_cifar10(False, data.SAMPLE))), CPU)
    assert score["correct"] != read_record("session_62")["sample"]["correct"]


def test_the_runs_beat_the_original():
    """84.23 % and 83.28 % are its figures, the best epochs of 62 and of 84; these are our last epochs."""
    for name, original in (("session_62", 84.23), ("session_84", 83.28)):
        assert read_record(name)["test"]["accuracy"] > original
    gap = read_record("no_augmentation")["history"][-1]
    assert gap["train_accuracy"] - gap["test_accuracy"] > 9


NOTEBOOK_OF = {
    "session_62": "06_train_62_epochs",
    "session_84": "07_train_84_epochs",
    "no_augmentation": "05_no_augmentation",
}


@pytest.mark.parametrize("name", NOTEBOOK_OF)
def test_notebook_shows_the_recorded_run(name):
    notebook = nbformat.read(RUNS.parent / f"{NOTEBOOK_OF[name]}.ipynb", as_version=4)
    printed = "".join(out.get("text", "") for cell in notebook.cells for out in cell.get("outputs", []))
    for row in read_record(name)["history"]:
        line = re.search(rf"EPOCH: +{row['epoch']}/{len(read_record(name)['history'])} .*", printed)[0]
        assert f"({row['test_accuracy']:.2f}%)" in line or f"val-Accuracy {row['test_accuracy']:.2f}%" in line
