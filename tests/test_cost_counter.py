"""The counter: the networks of the course, all of torchvision, any module that runs forward."""

import random
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from modules import CONVOLUTIONS, counted_macs, from_torchvision
from torch import nn
from torchvision import models

from helpers.bench.counters import Function
from helpers.cost import network_cost
from helpers.networks import less_weighted_net, session_net, tutorial_net

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    "network, params, macs",
    [(session_net, 187_418, 57_033_056), (less_weighted_net, 191_514, 57_135_456), (tutorial_net, 62_006, 651_720)],
)
def test_the_networks_of_the_course(network, params, macs):
    cost = network_cost(network())
    assert cost.total.params == params
    assert cost.total.macs == macs == counted_macs(network(), torch.zeros(1, 3, 32, 32))
    assert cost.total.output_shape == (10,)
    for name in ("params", "macs", "activations", "bytes"):
        assert getattr(cost.total, name) == sum(getattr(row, name) for row in cost.layers), name


def test_session_net_layer_by_layer():
    rows = network_cost(session_net()).layers
    convolution = [row for row in rows if row.kind.split()[-1] in CONVOLUTIONS]
    assert [row.receptive_field for row in convolution] == [3, 5, 7, 11, 13, 15, 19, 19, 23, 27, 27, 31]
    assert [row.jump for row in convolution] == [1] * 5 + [2] * 7
    assert [row.output_shape[-1] for row in convolution] == [32, 30, 28, 24, 22, 11, 9, 9, 7, 5, 5, 3]
    kinds = ["standard"] * 3 + [
        "dilated",
        "grouped",
        "standard",
        "depthwise",
        "grouped pointwise",
        "standard",
        "grouped",
    ]
    assert [row.kind for row in convolution] == [*kinds, "pointwise", "standard"]
    assert [row.kind for row in rows].count("batchnorm") == [row.kind for row in rows].count("activation") == 11
    assert (rows[-1].kind, rows[-1].receptive_field, rows[-1].output_shape) == ("pooling", 35, (10, 1, 1))
    assert rows[0].name == "block1.0"


def test_a_batch_multiplies_all_but_the_parameters():
    one, many = network_cost(session_net()).total, network_cost(session_net(), batch_size=128).total
    assert (many.params, many.macs, many.activations) == (one.params, 128 * one.macs, 128 * one.activations)
    read_once = sum(p.numel() for p in session_net().parameters()) + sum(
        b.numel() for name, b in session_net().named_buffers() if "running" in name
    )
    assert many.bytes - 4 * read_once == 128 * (one.bytes - 4 * read_once)
    assert network_cost(session_net(), element_size=2).total.bytes * 2 == one.bytes


def test_a_linear_layer_sees_the_whole_image():
    rows = {row.name: row for row in network_cost(tutorial_net()).layers}
    assert [rows[name].receptive_field for name in ("0", "2", "3", "5", "7")] == [5, 6, 14, 16, 32]
    assert rows["7"].bytes == 4 * (400 + 48_120 + 120)


# torchvision's published counts ---------------------------------------------------------------------------------------


# Left out to save time: the same code as their smaller sisters; and vit_h_14, built for other images than its weights.
LARGE = {f"efficientnet_{size}" for size in ("b4", "b5", "b6", "b7", "v2_m", "v2_l")}
LARGE |= {f"{name}_{size}" for name in ("swin", "swin_v2") for size in "sb"}
LARGE |= {
    "convnext_base",
    "convnext_large",
    "densenet161",
    "densenet169",
    "vit_b_32",
    "vit_l_16",
    "vit_l_32",
    "vit_h_14",
}


@pytest.mark.parametrize("name", sorted(set(models.list_models(module=models)) - LARGE))
def test_the_counts_that_torchvision_publishes(name):
    """Parameters to the last one; operations, published as GFLOPs with 1 MAC = 1 operation, to all three decimals."""
    weights = next(iter(models.get_model_weights(name)))
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    if name == "googlenet":
        options["aux_logits"] = False  # published without its two auxiliary classifiers
    side = weights.transforms.keywords["crop_size"]
    cost = network_cost(from_torchvision(name, **options), (3, side, side))
    assert cost.total.params == weights.meta["num_params"] == sum(row.params for row in cost.layers)
    assert cost.total.macs / 1e9 == pytest.approx(weights.meta["_ops"], abs=0.000501)
    unused = {row.name.split(".")[0] for row in cost.layers if row.kind == "unused"}
    assert unused == (
        {"AuxLogits"} if name == "inception_v3" else set()
    )  # its auxiliary classifier serves training only


# Any module that runs forward -----------------------------------------------------------------------------------------


def test_a_module_used_twice():
    net = nn.Module()
    shared = nn.Conv2d(3, 3, 3, padding=1)
    net = nn.Sequential(shared, nn.ReLU(), shared)
    first, _, second = network_cost(net).layers
    assert (first.name, second.name) == ("0", "0")
    assert (first.params, second.params) == (84, 0)
    assert first.macs == second.macs == 81 * 32 * 32
    assert first.bytes == second.bytes  # the weights are read again
    assert (first.receptive_field, second.receptive_field) == (3, 5)
    assert network_cost(net).total.params == 84


def test_two_layers_with_one_weight():
    net = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.Conv2d(3, 3, 1, bias=False))
    net[1].weight = net[0].weight
    assert [row.params for row in network_cost(net).layers] == [9, 0]


def test_functions_with_parameters_of_their_own():
    weight = nn.Parameter(torch.randn(4, 3, 3, 3))
    scale = nn.Parameter(torch.randn(4, 1, 1))
    net = Function(lambda net, x: F.relu(F.conv2d(x, net.weight)) * net.scale, weight=weight, scale=scale)
    rows = network_cost(net).layers
    assert [(row.name, row.kind, row.params, row.macs) for row in rows] == [
        ("Function", "standard", 108, 108 * 900),
        ("Function", "activation", 0, 0),
        ("Function", "other", 4, 0),
    ]
    assert network_cost(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))).layers[0].params == 4 + 4 + 108


def test_parameters_without_a_use_are_in_the_total():
    net = Function(lambda net, x: net.used(x), used=nn.Conv2d(3, 4, 1), unused=nn.Linear(5, 6))
    cost = network_cost(net)
    assert [(row.name, row.kind, row.params) for row in cost.layers] == [
        ("used", "pointwise", 16),
        ("unused", "unused", 36),
    ]
    assert cost.total.params == 52


def test_other_layers():
    """Those that the course does not use: counted, or refused, but never passed over in silence."""
    net = nn.Sequential(nn.Conv2d(3, 8, 8, 8), nn.Flatten(2), nn.TransformerEncoderLayer(16, 2, 32, batch_first=True))
    cost = network_cost(net)
    attention = 2 * 8 * 8 * 16  # queries · keys and weights · values, over 8 tokens of 16 numbers
    assert cost.total.macs == 8 * 192 * 16 + 8 * (3 * 16 * 16 + 16 * 16 + 2 * 16 * 32) + attention
    assert sum(row.macs for row in cost.layers if row.kind == "attention") == attention
    assert network_cost(nn.Sequential(nn.ConvTranspose2d(3, 4, 2, 2, bias=False))).total.macs == 48 * 32 * 32
    with pytest.raises(NotImplementedError, match="recurrent"):
        network_cost(nn.Sequential(nn.Flatten(2), nn.LSTM(1024, 4)))


def test_a_linear_layer_on_pixels_shows_the_shape_that_it_returns():
    net = Function(lambda net, x: net.linear(x.permute(0, 2, 3, 1).contiguous()), linear=nn.Linear(3, 5))
    (row,) = network_cost(net, (3, 6, 7)).layers
    assert (row.kind, row.output_shape, row.params, row.macs) == ("linear", (6, 7, 5), 20, 15 * 42)
    assert row.receptive_field == 1  # every pixel by itself


@pytest.mark.parametrize("linear", [nn.Linear(3, 5), nn.Linear(3, 5, bias=False)])
def test_a_linear_layer_is_one_row_however_its_input_lies_in_memory(linear):
    net = Function(lambda net, x: net.linear(x.flatten(2).transpose(1, 2)), linear=linear)
    (row,) = network_cost(net, (3, 6, 7), batch_size=2).layers
    params = sum(p.numel() for p in linear.parameters())
    assert (row.kind, row.output_shape, row.params, row.macs) == ("linear", (42, 5), params, 2 * 15 * 42)
    assert (row.activations, row.bytes) == (2 * 210, 4 * (2 * 126 + params + 2 * 210))


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.Hardshrink(), nn.Softshrink(), nn.Softsign(), nn.LogSigmoid()])
def test_an_activation_is_a_row(activation):
    (row,) = network_cost(nn.Sequential(activation)).layers
    assert (row.name, row.kind, row.activations, row.bytes) == ("0", "activation", 3072, 8 * 3072)


@pytest.mark.parametrize("function", [F.softsign, F.relu, F.tanhshrink, torch.tanh, torch.Tensor.sigmoid])
def test_an_activation_that_is_a_function_is_a_row(function):
    rows = network_cost(Function(lambda net, x: function(net.conv(x)), conv=nn.Conv2d(3, 3, 3))).layers
    assert [(row.kind, row.receptive_field) for row in rows] == [("standard", 3), ("activation", 3)]


class WithAttention(nn.Linear):
    def forward(self, x):
        return super().forward(x), None


@dataclass
class Answer:
    logits: torch.Tensor
    loss: torch.Tensor | None = None


class Mapped(dict):
    """As the answers of language models are."""


@pytest.mark.parametrize("wrapped", [Answer, lambda x: Mapped(logits=x), lambda x: [{"logits": (x,)}]])
def test_what_a_network_returns(wrapped):
    layers = nn.Sequential(nn.Flatten(), WithAttention(3072, 10))
    cost = network_cost(Function(lambda net, x: wrapped(net.layers(x)[0]), layers=layers))
    assert (cost.total.macs, cost.total.output_shape) == (30_720, (10,))


def test_a_network_that_loses_the_batch():
    assert network_cost(
        Function(lambda net, x: net.conv(x).squeeze(), conv=nn.Conv2d(3, 10, 32))
    ).total.output_shape == (10,)
    cost = network_cost(Function(lambda net, x: net.linear(x.flatten()), linear=nn.Linear(3072, 10)))
    assert cost.total.output_shape == (10,)
    assert [(row.kind, row.params, row.macs) for row in cost.layers] == [("linear", 30_730, 30_720)]


class Writing(nn.Conv2d):
    """Changes its weights, in three ways, and itself in forward."""

    def forward(self, x):
        with torch.no_grad():
            self.weight.clamp_(0.1, 0.2)
            self.weight.data.view(-1)[:5].fill_(7)
            self.bias.data = self.bias.data + 1
        self.register_buffer("late", x)
        self.calls = 1
        return super().forward(x)


def test_what_forward_writes_is_undone():
    net = Writing(3, 4, 3)
    before, held = {name: tensor.clone() for name, tensor in net.state_dict().items()}, dict(vars(net))
    pointers = [p.data_ptr() for p in net.parameters()]
    assert network_cost(net).total.macs == 97_200
    assert list(net.state_dict()) == ["weight", "bias"] and vars(net) == held
    assert all(tensor.equal(before[name]) for name, tensor in net.state_dict().items())
    assert pointers == [p.data_ptr() for p in net.parameters()]
    net(torch.zeros(1, 3, 8, 8)).sum().backward()


class Restless(nn.Module):
    """Does all that a forward pass could leave behind."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))
        self.register_buffer("last", torch.zeros(4))

    def forward(self, x):
        self.calls += 1
        x = self.drop(self.norm(self.conv(x)))
        self.last = x.mean((0, 2, 3))
        return x + torch.rand_like(x) + torch.randn(1)


@pytest.mark.parametrize("fails", [False, True])
def test_the_module_is_left_as_it_was(fails):
    net = Restless().train()
    net.norm.eval()  # frozen, as in fine-tuning
    net(torch.randn(2, 3, 8, 8)).sum().backward()
    hooked = []
    net.conv.register_forward_hook(lambda *_: hooked.append(True))
    before = {
        name: (tensor, tensor.clone(), tensor._version) for name, tensor in net.state_dict(keep_vars=True).items()
    }
    gradients = [(p.grad, p.grad.clone()) for p in net.parameters()]
    flags = [(m.training, dict(m._forward_hooks), dict(m._forward_pre_hooks), dict(vars(m))) for m in net.modules()]
    global_hooks = len(nn.modules.module._global_forward_hooks), len(nn.modules.module._global_forward_pre_hooks)
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    states = torch.get_rng_state(), random.getstate()

    if fails:
        with pytest.raises(RuntimeError):
            network_cost(net, (5, 8, 8))
    else:
        assert network_cost(net, (3, 8, 8)) == network_cost(net, (3, 8, 8))
        assert hooked == [True, True]

    after = net.state_dict(keep_vars=True)
    assert list(after) == list(before)
    for name, (tensor, copy, version) in before.items():
        assert after[name] is tensor and tensor.equal(copy) and tensor._version == version, name
        assert tensor.dtype == copy.dtype and tensor.device == copy.device
    assert all(p.grad is grad and grad.equal(copy) for p, (grad, copy) in zip(net.parameters(), gradients, strict=True))
    assert flags == [
        (m.training, dict(m._forward_hooks), dict(m._forward_pre_hooks), dict(vars(m))) for m in net.modules()
    ]
    assert global_hooks == (
        len(nn.modules.module._global_forward_hooks),
        len(nn.modules.module._global_forward_pre_hooks),
    )
    assert torch.get_rng_state().equal(states[0]) and random.getstate() == states[1]
    assert torch.is_grad_enabled()
    net(torch.randn(2, 3, 8, 8)).sum().backward()  # and it still trains


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.trace.* is deprecated:FutureWarning")  # by torch 2.14; it still works
def test_any_dtype_device_and_mode():
    expected = network_cost(session_net()).total
    assert network_cost(session_net().double()).total == expected
    assert network_cost(session_net().bfloat16()).total == expected
    assert network_cost(session_net().to("meta")).total == expected
    assert network_cost(session_net().to(memory_format=torch.channels_last)).total == expected
    with torch.inference_mode():
        assert network_cost(session_net()).total == expected
    with torch.autocast("cpu", torch.bfloat16):
        assert network_cost(session_net()).total.macs == expected.macs
    traced = torch.jit.trace(session_net().eval(), torch.zeros(1, 3, 32, 32))
    assert network_cost(traced).total == expected


class WithoutGradients(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)

    @torch.inference_mode()
    def forward(self, x):
        return F.interpolate(self.conv(x), scale_factor=2)


def test_a_forward_in_inference_mode():
    """Where operations come whole, as conv2d and upsample_nearest2d.vec."""
    cost = network_cost(WithoutGradients())
    assert [(row.name, row.kind, row.macs, row.receptive_field) for row in cost.layers] == [
        ("conv", "standard", 97_200, 3)
    ]
    assert cost.total.output_shape == (4, 60, 60)


def test_a_compiled_network_is_compiled_as_before():
    compiled = []

    def backend(graph, inputs):
        compiled.append(graph)
        return graph.forward

    for made in (session_net, tutorial_net):  # a second one of the same class, too
        network = torch.compile(made().eval(), backend=backend)
        before = len(compiled)
        assert str(network_cost(network)) == str(network_cost(made()))
        assert len(compiled) == before
        network(torch.zeros(1, 3, 32, 32))
        assert len(compiled) > before


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.* is deprecated:FutureWarning")
def test_a_frozen_script():
    """Its weights are constants of its graph, a batch normalisation is in the convolution before it."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(3600, 10))
    rows = network_cost(torch.jit.freeze(torch.jit.script(net.eval()))).layers
    assert [(row.kind, row.params, row.macs) for row in rows] == [
        ("standard", 108 + 4, 97_200),
        ("activation", 0, 0),
        ("linear", 36_010, 36_000),
    ]


def test_rectangular_images():
    total = network_cost(nn.Conv2d(3, 4, (3, 5), stride=(1, 2)), (3, 8, 20)).total
    assert (total.output_shape, total.receptive_field, total.jump) == ((4, 6, 8), (3, 5), (1, 2))


@pytest.mark.parametrize(
    "size, error, words",
    [
        ((32, 32), ValueError, r"\(channels, height, width\), not \(32, 32\)"),
        ((3, 0, 32), ValueError, "at least 1, not 0"),
        ((3, 32.0, 32), TypeError, "an integer, not 32.0"),
        ((3, True, 32), TypeError, "an integer, not True"),
        (32, TypeError, r"\(channels, height, width\), not 32"),
        ("3x4", TypeError, r"\(channels, height, width\), not '3x4'"),
    ],
)
def test_a_wrong_input_size_is_refused(size, error, words):
    with pytest.raises(error, match=f"input_size must be .*{words}"):
        network_cost(session_net(), size)


@pytest.mark.parametrize(
    "module, words",
    [(nn.Conv2d, "not the class Conv2d: make one first"), (None, "not None"), (F.relu, "not <function")],
)
def test_what_is_no_module_is_refused(module, words):
    with pytest.raises(TypeError, match=f"module must be an nn.Module, {words}"):
        network_cost(module)


def test_lazy_layers_and_empty_answers_are_refused():
    with pytest.raises(ValueError, match="lazy"):
        network_cost(nn.LazyConv2d(3, 3))
    with pytest.raises(TypeError, match="forward must return tensors, not NoneType"):
        network_cost(Function(lambda net, x: None))
