"""The loss of a student is its formula, in every precision."""

import pytest
import torch
from gpu import PRECISIONS, a_run, batch, pretended_gpu
from short_runs import CPU, small, weights_of
from torch import nn

from helpers.training import Speed, fit
from helpers.training.distillation import Distillation


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


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_teacher_answers_in_float32_where_its_student_computes_in_float16(precision):
    seen = {}
    with pretended_gpu():
        run = a_run(precision, network="better_net", teacher="any")
        for name, network in (("student", run.network), ("teacher", run.criterion.teacher)):
            network[0][0].register_forward_hook(lambda _, __, out, name=name: seen.update({name: out.dtype}))
        run.train_epoch([batch()])
    assert seen["student"] == getattr(torch, precision)
    assert seen["teacher"] == (torch.bfloat16 if precision == "bfloat16" else torch.float32)


def test_a_teacher_that_overflows_in_float16_still_teaches():
    """The second convolution of this one subtracts numbers that float16 cannot hold."""
    teacher = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Conv2d(2, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    nn.init.constant_(teacher[0].weight, 1e5)
    teacher[1].weight.data = torch.tensor([1e-5, -1e-5]).view(1, 2, 1, 1).repeat(10, 1, 1, 1)
    images, logits = torch.ones(4, 3, 32, 32), torch.zeros(4, 10, requires_grad=True)
    with torch.autocast("cpu", torch.float16):
        assert not teacher(images).isfinite().any()
        loss = Distillation(teacher)(images, logits, torch.arange(4))
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()
