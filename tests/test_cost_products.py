"""What is multiplied: by hand, and side by side with PyTorch's own counter."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models, ops

from helpers.bench.counters import Function
from helpers.cost import network_cost

pytestmark = pytest.mark.usefixtures("one_thread")


def row(network, size):
    (found,) = [row for row in network_cost(network, size).layers if row.macs]
    return found


def test_a_deformable_convolution():
    net = Function(lambda net, x: net.conv(x, x.new_zeros(1, 18, 8, 8)), conv=ops.DeformConv2d(3, 4, 3, padding=1))
    found = row(net, (3, 8, 8))
    assert (found.kind, found.params, found.macs) == ("deformable standard", 112, 4 * 27 * 64)
    assert found.macs == 6_912 and found.receptive_field is None  # it looks where the image tells it to


def test_pairs_of_features():
    net = Function(lambda net, x: net.pairs(x.flatten(1), x.flatten(1)), pairs=nn.Bilinear(12, 12, 5))
    found = row(net, (3, 2, 2))
    assert (found.kind, found.params, found.macs, found.receptive_field) == ("linear", 725, 12 * 12 * 5, 2)


@pytest.mark.filterwarnings("ignore:torch.chain_matmul is deprecated")
@pytest.mark.parametrize(
    "function, macs",
    [
        (lambda net, x: torch.addbmm(torch.ones(6, 5), x[0], torch.ones(2, 8, 5)), 2 * 6 * 8 * 5),
        (lambda net, x: torch.baddbmm(torch.ones(2, 6, 5), x[0], torch.ones(2, 8, 5)), 2 * 6 * 8 * 5),
        (lambda net, x: torch.addmm(torch.ones(6, 5), x[0, 0], torch.ones(8, 5)), 6 * 8 * 5),
        (lambda net, x: torch.addmv(torch.ones(6), x[0, 0], torch.ones(8)), 6 * 8),
        (lambda net, x: torch.dot(x[0, 0, 0], x[0, 1, 0]), 8),
        (lambda net, x: torch.chain_matmul(x[0, 0], torch.ones(8, 2)), 6 * 8 * 2),
        (lambda net, x: torch.tensordot(x, torch.ones(6, 8, 3), dims=2), 2 * 48 * 3),
        (lambda net, x: F.scaled_dot_product_attention(x, x, x[..., :3]), 2 * 6 * 6 * (8 + 3)),
        (lambda net, x: torch.inner(x[0, 0], torch.ones(5, 8)), 6 * 8 * 5),
        (lambda net, x: torch.kron(x[0, 0], torch.ones(1, 1)), 0),  # each by each: no sum, as any product of elements
    ],
)
def test_products(function, macs):
    assert network_cost(Function(function), (2, 6, 8)).total.macs == macs


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning", "ignore::UserWarning")
def test_layers_whose_weights_are_not_known_are_refused():
    quantised = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Flatten(), nn.Linear(192, 10)), {nn.Linear})
    with pytest.raises(NotImplementedError, match="quantized::linear_dynamic multiplies by its weights is not known"):
        network_cost(quantised, (3, 8, 8))

    @torch.library.custom_op("convolutions_course::product", mutates_args=())
    def product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) @ weight

    with pytest.raises(NotImplementedError, match="convolutions_course::product"):
        network_cost(
            Function(lambda net, x: product(x, net.weight), weight=nn.Parameter(torch.ones(192, 10))), (3, 8, 8)
        )
    with pytest.raises(NotImplementedError, match="convolutions_course::product"):
        network_cost(Function(lambda net, x: product(x, torch.ones(192, 10))), (3, 8, 8))
    with pytest.raises(NotImplementedError, match="aten::cdist|_cdist_forward|_euclidean_dist"):
        net = Function(
            lambda net, x: torch.cdist(x.flatten(1), net.weight, p=3.0), weight=nn.Parameter(torch.ones(10, 192))
        )
        network_cost(net, (3, 8, 8))


# Side by side with PyTorch's own counter ------------------------------------------------------------------------------

SIDE_BY_SIDE = {
    "convolution": nn.Conv2d(4, 6, 3, 2, 1),
    "depthwise": nn.Conv2d(4, 8, 5, padding="same", groups=4),
    "1-d": nn.Sequential(nn.Flatten(2), nn.Conv1d(4, 6, 7, dilation=2)),
    "3-d": nn.Sequential(nn.Unflatten(1, (2, 2)), nn.Conv3d(2, 3, (2, 3, 3))),
    "transposed": nn.ConvTranspose2d(4, 6, 4, 2, 1, output_padding=1),
    "transposed grouped": nn.ConvTranspose2d(4, 6, 3, 3, groups=2),
    "linear": nn.Sequential(nn.Flatten(), nn.Linear(576, 7)),
    "linear on columns": nn.Linear(12, 7),
    "linear on a view": Function(lambda net, x: net.linear(x.transpose(1, 3)), linear=nn.Linear(4, 7)),
    "low rank": nn.Sequential(nn.Linear(12, 2, bias=False), nn.Linear(2, 12)),
    "attention": Function(
        lambda net, x: net.attention(*[x.flatten(2)] * 3)[0], attention=nn.MultiheadAttention(144, 4, batch_first=True)
    ),
    "transformer": nn.Sequential(nn.Flatten(2), nn.TransformerEncoderLayer(144, 3, 32, batch_first=True)),
    "decoder": Function(lambda net, x: net.d(x.flatten(2), x.flatten(2)), d=nn.TransformerDecoderLayer(144, 3, 32)),
    "einsum": Function(lambda net, x: torch.einsum("nchw,cd,we->ndhe", x, torch.ones(4, 5), torch.ones(12, 3))),
    "unfolded": Function(lambda net, x: torch.ones(6, 36) @ F.unfold(x, 3)),
    "both from the image": Function(lambda net, x: x.flatten(2) @ x.flatten(2).mT),
    "weights of the image": Function(
        lambda net, x: F.conv2d(x, x.mean((2, 3))[:, :, None, None] * torch.ones(3, 4, 2, 2))
    ),
    "normalised weights": nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 6, 3)),
    "squeeze and excitation": ops.SqueezeExcitation(4, 2),
    "inverted residual": models.mobilenetv2.InvertedResidual(4, 6, 2, 6),
    "pooled": nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Conv2d(4, 4, 3)),
    "local": nn.Sequential(nn.LocalResponseNorm(2), nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 1), nn.PReLU(4)),
}  # fmt: skip


@pytest.mark.parametrize("name", SIDE_BY_SIDE)
def test_side_by_side_with_pytorchs_counter(name):
    network, fused = SIDE_BY_SIDE[name].eval(), torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        # PyTorch's counter passes over an attention that is one operation on a CPU
        with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            network(torch.zeros(1, 4, 12, 12))
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    macs = network_cost(network, (4, 12, 12)).total.macs
    assert 2 * macs == counter.get_total_flops() > 0
