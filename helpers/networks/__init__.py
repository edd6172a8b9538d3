"""The networks of the course, each a function that returns a fresh ``nn.Module``.

Every network takes normalised images ``(N, 3, 32, 32)`` float32 and returns logits ``(N, 10)``: scores before
the softmax. Notebook 04 builds ``session_net`` layer by layer; the others are its points of comparison.
To add a network, write one function and name it in ``NETWORKS`` (``registry.py``).
"""

from helpers.networks.better import (
    MIXED,
    NEAR,
    STEPS,
    SeparableUnit,
    better_net,
    mixed_net,
    residual_net,
)
from helpers.networks.lesson import (
    KIND_WIDTHS,
    conv_bn_relu,
    kind_net,
    less_weighted_net,
    session_net,
    tutorial_net,
)
from helpers.networks.registry import BEST, NETWORKS, build, count_parameters, load_pretrained
from helpers.networks.teacher import deep_teacher_net, teacher_net
