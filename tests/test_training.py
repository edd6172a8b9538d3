"""The training path: the same weights after an interruption, the right scores, errors that help."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from helpers import data, records, training
from helpers.distillation import Distillation
from helpers.networks import build, load_pretrained
from helpers.records import OWN_RUNS, RUNS, read_record
from helpers.training import Recipe, Speed, TrainingError, evaluate, fit

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def few():
    """64 training and 40 test images of the sample."""
    images, labels = data.load_cifar10(True, data.SAMPLE)
    test_images, test_labels = data.load_cifar10(False, data.SAMPLE)
    return (images[:64], labels[:64]), (test_images[:40], test_labels[:40])


def weights_of(network):
    return torch.cat([value.flatten().double() for value in network.state_dict().values()])


def small(**changes):
    return Recipe(**{"network": "tutorial_net", "epochs": 3, "batch_size": 20, **changes})


class Killed(Exception):
    pass


def kill_after(epoch):
    def report(row):
        if row["epoch"] == epoch:
            raise Killed

    return report


@pytest.mark.parametrize("changes", [{}, {"ema": 0.9}, {"optimizer": "AdamW", "lr": 0.01}])
def test_resumed_run_ends_with_the_same_weights(few, tmp_path, changes):
    recipe, checkpoint = small(network="session_net", **changes), tmp_path / "checkpoint.pt"
    whole, whole_history = fit(recipe, *few, CPU, Speed())
    with pytest.raises(Killed):
        fit(recipe, *few, CPU, Speed(), report=kill_after(2), checkpoint=checkpoint)
    resumed, history = fit(recipe, *few, CPU, Speed(), checkpoint=checkpoint, resume=True)
    assert torch.equal(weights_of(whole), weights_of(resumed))
    scores = [
        [(row["epoch"], row["lr"], row["train_loss"], row["test_loss"]) for row in h] for h in (history, whole_history)
    ]
    assert scores[0] == scores[1] and len(history) == 3
    assert ["device" in row for row in whole_history] == [True, False, False]
    assert ["device" in row for row in history] == [True, False, True]  # each start notes where it computes


def command_line(runs, *more):
    line = [sys.executable, "-m", "helpers.training", "--network", "tutorial_net", "--epochs", "4", "--name", "run"]
    line += [
        "--data",
        str(data.SAMPLE),
        "--runs",
        str(runs),
        "--no-compile",
        "--workers",
        "1",
        "--device",
        "cpu",
        *more,
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs behind a shell would hear no Ctrl-C
    try:
        return subprocess.Popen(line, cwd=data.REPOSITORY, **pipes)
    finally:
        signal.signal(signal.SIGINT, heard)


def test_sigkill_at_any_moment_then_resume(tmp_path):
    """A process killed with SIGKILL, twice, ends where an undisturbed one ends: the weight files are equal."""
    undisturbed = command_line(tmp_path / "a")
    output, _ = undisturbed.communicate(timeout=1800)
    assert undisturbed.returncode == 0, output
    for epoch, moment in ((1, 0.0), (2, 0.3)):
        process = command_line(tmp_path / "b", "--resume")
        while f"EPOCH:  {epoch}/4" not in process.stdout.readline():
            assert process.poll() is None
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    last = command_line(tmp_path / "b", "--resume")
    output, _ = last.communicate(timeout=1800)
    assert last.returncode == 0, output
    assert "EPOCH:  4/4" in output and "EPOCH:  1/4" not in output
    a, b = (read_record("run", tmp_path / folder) for folder in "ab")
    weights = [torch.load(tmp_path / folder / "run" / "weights.pt", weights_only=True) for folder in "ab"]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert a["test"] == b["test"] and a["command"] == b["command"] and a["device"] == b["device"]
    assert sorted(path.name for path in (tmp_path / "b" / "run").iterdir()) == ["record.json", "weights.pt"]
    assert load_pretrained("run", tmp_path / "b")(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a process")
def test_ctrl_c_says_how_to_go_on(tmp_path):
    process = command_line(tmp_path, "--epochs", "500")
    while "EPOCH:  1/500" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 1 and "--resume" in output and "Traceback" not in output, output


LATE = """
import signal, time
from helpers.training import insist_on_interrupts
class Part:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
insist_on_interrupts()
try:
    Part()
    for _ in range(600):
        time.sleep(0.1)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_counts_where_python_would_only_report_it():
    """In a ``__del__``, of which the communication with the workers has many."""
    done = subprocess.run([sys.executable, "-c", LATE], cwd=data.REPOSITORY, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


def one_epoch(runs, *more, name="run"):
    line = f"--network tutorial_net --epochs 1 --name {name} --data {data.SAMPLE} --runs {runs} --no-compile"
    return training.main([*line.split(), "--workers", "0", "--device", "cpu", *more])


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_finished_run_is_not_overwritten_unless_told(tmp_path, capsys):
    """Neither with nor without --resume; with --force it is, at the end, and not by a run that is broken off."""
    one_epoch(tmp_path)
    before = contents(tmp_path)
    for more in ([], ["--resume"], ["--seed", "1"]):
        with pytest.raises(TrainingError, match="run is a finished run: choose another --name, or .* with --force"):
            one_epoch(tmp_path, *more)
    assert contents(tmp_path) == before
    assert one_epoch(tmp_path, "--seed", "1", "--force")["seed"] == 1 == read_record("run", tmp_path)["seed"]
    assert "--force" not in read_record("run", tmp_path)["command"]


def test_runs_go_to_the_readers_folder_under_a_name_that_is_no_reference_runs(tmp_path, monkeypatch):
    options = training.parse([])
    assert options.runs == OWN_RUNS and OWN_RUNS not in RUNS.parents and OWN_RUNS != RUNS
    names = [path.name for path in RUNS.iterdir()]
    assert names and not [name for name in names if name.startswith("my_")]
    assert training.own_name(Recipe()) == "my_session_net_62"
    for name in names:
        with pytest.raises(TrainingError, match=f"{name} is the name of a reference run"):
            training.main(["--name", name, "--epochs", "1", "--data", str(data.SAMPLE)])
    for reference in ("session_62", "better_62"):
        with pytest.raises(TrainingError, match="is a finished run"):
            training.main(["--name", reference, "--runs", str(RUNS), "--data", str(data.SAMPLE), "--resume"])


@pytest.mark.parametrize("name", ["", " ", "a/b", "../up", "..", "/abs", "C:\\x", ".hidden", "a\nb"])
def test_a_name_that_is_a_path_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="the name of a run is a plain word without slashes"):
        one_epoch(tmp_path, "--name", name)
    with pytest.raises(ValueError, match="plain word"):
        load_pretrained(name)
    assert not list(tmp_path.iterdir())


def test_a_run_of_ones_own_is_found_by_its_name(tmp_path, monkeypatch):
    """After the reference runs, which it cannot hide."""
    monkeypatch.setattr(records, "OWN_RUNS", tmp_path)
    for name in ("mine", "tutorial_10"):
        one_epoch(tmp_path, name=name)
    assert read_record("mine") == read_record("mine", tmp_path)
    images = torch.zeros(1, 3, 32, 32)
    assert torch.equal(load_pretrained("mine")(images), load_pretrained("mine", tmp_path)(images))
    assert read_record("tutorial_10") == read_record("tutorial_10", RUNS) != read_record("tutorial_10", tmp_path)


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


def test_damaged_checkpoint_falls_back_to_the_one_before(few, tmp_path):
    recipe, checkpoint = small(), tmp_path / "checkpoint.pt"
    whole, _ = fit(recipe, *few, CPU, Speed())
    with pytest.raises(Killed):
        fit(recipe, *few, CPU, Speed(), report=kill_after(2), checkpoint=checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    resumed, history = fit(recipe, *few, CPU, Speed(), checkpoint=checkpoint, resume=True)
    assert torch.equal(weights_of(whole), weights_of(resumed))
    checkpoint.write_bytes(b"no")
    checkpoint.with_name("checkpoint.pt.last").write_bytes(b"no")
    with pytest.raises(TrainingError, match="checkpoint.pt is damaged"):
        fit(recipe, *few, CPU, Speed(), checkpoint=checkpoint, resume=True)


def test_foreign_checkpoint_is_refused(few, tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    fit(small(epochs=1), *few, CPU, Speed(), checkpoint=checkpoint)
    with pytest.raises(TrainingError, match="lr 0.1 there, 0.2 here"):
        fit(small(epochs=1, lr=0.2), *few, CPU, Speed(), checkpoint=checkpoint, resume=True)
    torch.save({"something": 1}, checkpoint)
    with pytest.raises(TrainingError, match="no checkpoint of this course"):
        fit(small(), *few, CPU, Speed(), checkpoint=checkpoint, resume=True)


def test_loss_that_is_no_number_is_an_error_with_a_remedy(few):
    with pytest.raises(TrainingError, match="the training loss is (nan|inf).*lower the learning rate"):
        fit(small(lr=1e12, epochs=2), *few, CPU, Speed())


def test_the_schedule_ends_with_the_last_step(few):
    """OneCycle is planned for exactly the steps that are taken: it rises to lr and ends at nearly zero."""
    run = training._Run(small(), 4, CPU, Speed())
    rates = []
    for _ in range(12):
        rates.append(run.scheduler.get_last_lr()[0])
        run.optimizer.step()
        run.scheduler.step()
    assert max(rates) == pytest.approx(0.1, rel=0.1) and rates[-1] < 1e-5
    with pytest.raises(ValueError, match="Tried to step"):
        run.scheduler.step()


def one_layer():
    """Return a linear classifier of pixels and a batch of random images and labels."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 10))
    return network, torch.randint(0, 256, (8, 32, 32, 3), dtype=torch.uint8), torch.arange(8)


def two_steps(network, images, labels, **recipe):
    optimizer = training.OPTIMIZERS[recipe["optimizer"]](network.parameters(), small(**recipe))
    constant = torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)
    training.train_epoch(network, [(images, labels)] * 2, optimizer, constant, CPU)


def gradients(x, labels, weight, bias):
    slope = (F.softmax(x @ weight.T + bias, 1) - F.one_hot(labels, 10)) / len(x)
    return slope.T @ x, slope.sum(0)


def test_sgd_is_with_nesterov_momentum():
    """Two steps on one batch, against the update written out (Sutskever et al., 2013, in PyTorch's form)."""
    network, images, labels = one_layer()
    values = [parameter.detach().clone() for parameter in network.parameters()]
    two_steps(network, images, labels, optimizer="SGD", lr=0.01, weight_decay=0.1)
    x, velocities = data.to_device(images, labels, CPU)[0].flatten(1), [0, 0]
    for _ in range(2):
        slopes = [slope + 0.1 * value for slope, value in zip(gradients(x, labels, *values), values, strict=True)]
        velocities = [0.9 * velocity + slope for velocity, slope in zip(velocities, slopes, strict=True)]
        moves = zip(values, slopes, velocities, strict=True)
        values = [value - 0.01 * (slope + 0.9 * velocity) for value, slope, velocity in moves]
    assert torch.allclose(network[1].weight, values[0], atol=1e-5)


def test_adamw_decays_weights_apart_from_their_gradients():
    """Two steps on one batch, against the update written out (Loshchilov and Hutter, 2019)."""
    network, images, labels = one_layer()
    values = [parameter.detach().clone() for parameter in network.parameters()]
    two_steps(network, images, labels, optimizer="AdamW", lr=0.01, weight_decay=0.1, momentum=0.8)
    x, means, squares = data.to_device(images, labels, CPU)[0].flatten(1), [0, 0], [0, 0]
    for step in (1, 2):
        slopes = gradients(x, labels, *values)
        means = [0.8 * mean + 0.2 * slope for mean, slope in zip(means, slopes, strict=True)]
        squares = [0.999 * square + 0.001 * slope**2 for square, slope in zip(squares, slopes, strict=True)]
        for index, (mean, square) in enumerate(zip(means, squares, strict=True)):
            adaptive = mean / (1 - 0.8**step) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
            values[index] = values[index] * (1 - 0.01 * 0.1) - 0.01 * adaptive
    assert torch.allclose(network[1].weight, values[0], atol=1e-4)


def test_average_of_the_weights_follows_its_formula(few):
    """After n steps the average is decay·average + (1 − decay)·weights, begun at those after the first step."""
    recipe = small(epochs=1, ema=0.5, batch_size=32)
    run = training._Run(recipe, 2, CPU, Speed())
    seen = []
    update = run.ema.update
    run.ema.update = lambda network: (seen.append(network[0].weight.detach().clone()), update(network))
    batches = data.train_loader(data.Cifar10(*few[0]), 32)
    run.train_epoch(batches)
    assert len(seen) == 2
    assert torch.allclose(run.ema.module[0].weight, 0.5 * seen[0] + 0.5 * seen[1])


def test_distillation_is_its_formula():
    """Against probabilities written out for two images and a teacher that always gives the same answer."""
    answer = torch.tensor([[3.0, 1.0] + [0.0] * 8])
    teacher = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 4 * 4, 10))
    torch.nn.init.zeros_(teacher[1].weight)
    teacher[1].bias.data = answer[0]
    loss_of = Distillation(teacher, weight=0.25, temperature=2.0)
    logits = torch.tensor([[2.0, 0.0] + [1.0] * 8, [0.5] * 10], requires_grad=True)
    labels = torch.tensor([0, 3])
    loss = loss_of(torch.randn(2, 3, 4, 4), logits, labels)

    p, q, hard = (answer / 2).exp(), (logits / 2).exp(), logits.exp()
    p, q, hard = p / p.sum(1, keepdim=True), q / q.sum(1, keepdim=True), hard / hard.sum(1, keepdim=True)
    divergence = (p * (p / q).log()).sum(1)
    labelled = -hard[torch.arange(2), labels].log()
    assert torch.allclose(loss, (0.75 * labelled + 0.25 * 4 * divergence).mean())
    loss.backward()
    assert logits.grad.abs().sum() > 0 and all(p.grad is None for p in teacher.parameters())
    with torch.no_grad():
        assert torch.allclose(
            Distillation(teacher, 1.0)(torch.zeros(2, 3, 4, 4), answer.expand(2, 10), labels),
            torch.zeros(()),
            atol=1e-6,
        )


def test_a_run_with_a_teacher_learns_from_it(few):
    """It ends with other weights than without, and an unknown teacher is named."""
    taught, _ = fit(small(epochs=1, teacher="tutorial_10"), *few, CPU, Speed())
    alone, _ = fit(small(epochs=1), *few, CPU, Speed())
    assert not torch.equal(weights_of(taught), weights_of(alone))
    with pytest.raises(FileNotFoundError, match="no run 'nobody'"):
        fit(small(teacher="nobody"), *few, CPU, Speed())


def test_accuracy_and_loss_are_means_over_images():
    """Batches of unequal size: 5 of 7 right is 71.4 %, not the mean of the batches' shares."""
    scores = torch.eye(10) * 5

    class Oracle(torch.nn.Module):
        def forward(self, images):  # the first pixel tells the class to answer
            return scores[(images[:, 0, 0, 0] * data.STD[0] * 255 + data.MEAN[0] * 255).round().long()]

    images = np.zeros((7, 32, 32, 3), np.uint8)
    images[:, 0, 0, 0] = [0, 1, 2, 3, 4, 9, 9]
    labels = np.array([0, 1, 2, 3, 4, 5, 6])
    score = evaluate(Oracle(), data.test_loader(data.Cifar10(images, labels), batch_size=5), CPU)
    assert (score["correct"], score["images"]) == (5, 7) and score["accuracy"] == pytest.approx(500 / 7)
    right, wrong = np.log(np.exp(5) + 9) - 5, np.log(np.exp(5) + 9)
    assert score["loss"] == pytest.approx((5 * right + 2 * wrong) / 7, rel=1e-5)
    assert score["confusion"][5][9] == 1 and score["class_accuracy"]["dog"] == 0


def test_scores_of_a_training_epoch_are_means_over_images_too(few):
    """Batches of unequal size, and steps of length zero, so that the network is the same for all."""
    images, labels = (torch.from_numpy(part[:7]) for part in few[0])
    network = build("tutorial_net")
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    constant = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
    batches = [(images[:5], labels[:5]), (images[5:], labels[5:])]
    loss, correct, count = training.train_epoch(network, batches, optimizer, constant, CPU)
    logits = network(data.to_device(images, labels, CPU)[0])
    assert loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
    assert (correct, count) == ((logits.argmax(1) == labels).sum(), 7)


def test_faster_paths_compute_the_same_network(few):
    """bfloat16 and channels-last change the scores by rounding only."""
    network = load_pretrained("session_62")
    batches = data.test_loader(data.Cifar10(*few[1]))
    exact, _ = training.predict(network, batches, CPU, Speed())
    network = network.to(memory_format=torch.channels_last)
    last, _ = training.predict(network, batches, CPU, Speed())
    rounded, _ = training.predict(network, batches, CPU, Speed("bfloat16"))
    assert torch.allclose(exact, last, atol=1e-4)
    assert (exact.softmax(1) - rounded.softmax(1)).abs().max() < 0.05


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch_size": 0}, {"lr": -1.0}, {"ema": 1.0}, {"warmup": 0.0}, {"optimizer": "Adan"}]
)
def test_recipe_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        Recipe(**wrong)


def test_unknown_network_is_named():
    with pytest.raises(ValueError, match="there is no network 'resnet'.*session_net"):
        build("resnet")


def test_help_explains_every_option(capsys):
    with pytest.raises(SystemExit):
        training.parse(["--help"])
    text = capsys.readouterr().out
    for option in ("--network", "--epochs", "--batch-size", "--lr", "--seed", "--resume", "--name", "--data"):
        assert option in text


def test_command_in_the_record_names_nothing_of_this_machine():
    kept = training._public(["--epochs", "2", "--data", "somewhere", "--resume", "--runs=else", "--lr", "0.2"])
    assert kept == ["--epochs", "2", "--lr", "0.2"]


@pytest.mark.parametrize("pays", [True, False])
def test_best_speed_takes_bfloat16_only_where_it_pays(monkeypatch, pays):
    """Some CPUs have the instructions and are slower with them than in float32."""
    monkeypatch.setattr(training, "reduced_precision", lambda device: "bfloat16")
    monkeypatch.setattr(training, "_bfloat16_pays", lambda: pays)
    assert Speed.best(CPU).precision == ("bfloat16" if pays else "float32")
