"""Learning from a teacher: a trained network whose answers to an image say more than its label does.

A label says "cat". The teacher says "cat, but a dog is not far off, and a truck is out of the question": ten numbers
for every image, and for the very view of it that augmentation made. Source: G. Hinton, O. Vinyals and J. Dean,
*Distilling the Knowledge in a Neural Network*, 2015. Notebook 09 explains it.
"""

import torch
import torch.nn.functional as F


def cross_entropy(images, logits, labels):
    """Return the mean loss of ``logits (B, 10)`` against ``labels (B,) int64``: learning from the labels alone."""
    return F.cross_entropy(logits, labels)


class Distillation:
    """The loss of a student that learns from ``teacher`` and from the labels.

    Called with normalised ``images (B, 3, 32, 32)``, the student's ``logits (B, 10)`` and ``labels (B,) int64``, it
    returns

        (1 − weight) · cross_entropy(logits, labels)
        + weight · temperature² · KL(softmax(teacher(images) / temperature) ‖ softmax(logits / temperature))

    as the mean over the images. A ``temperature`` above 1 brings out the teacher's small probabilities; its square
    keeps the gradients at the same size. The teacher stays as it is. It answers in the precision of its surroundings,
    but never in float16: an unusual image can overflow it (notebook 09), and its answer would be no number.
    """

    def __init__(self, teacher, weight=0.7, temperature=4.0):
        self.teacher = teacher.eval().requires_grad_(False)
        self.weight, self.temperature = weight, temperature

    def __call__(self, images, logits, labels):
        kind = images.device.type
        bfloat16 = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.bfloat16
        with torch.no_grad(), torch.autocast(kind, torch.bfloat16, enabled=bfloat16):
            answers = F.log_softmax(self.teacher(images).float() / self.temperature, dim=1)
        ours = F.log_softmax(logits / self.temperature, dim=1)
        divergence = F.kl_div(ours, answers, reduction="batchmean", log_target=True)
        labelled = F.cross_entropy(logits, labels)
        return (1 - self.weight) * labelled + self.weight * self.temperature**2 * divergence
