"""The networks: facts of the course's table, layer by layer, and the receptive field measured by gradient."""

import pytest
import torch
from short_runs import one_epoch
from torch import nn

from helpers import data
from helpers.networks import (
    KIND_WIDTHS,
    NETWORKS,
    STEPS,
    SeparableUnit,
    better_net,
    build,
    count_parameters,
    kind_net,
    less_weighted_net,
    load_pretrained,
    session_net,
    tutorial_net,
)
from helpers.records import RUNS

# kernel, in → out, stride, padding, dilation, groups, side of the output
SESSION = [
    (3, 3, 16, 1, 1, 1, 1, 32),
    (3, 16, 32, 1, 0, 1, 1, 30),
    (3, 32, 32, 1, 0, 1, 1, 28),
    (3, 32, 128, 1, 0, 2, 1, 24),
    (3, 128, 64, 1, 0, 1, 2, 22),
    (3, 64, 32, 2, 1, 1, 1, 11),
    (3, 32, 128, 1, 0, 1, 32, 9),
    (1, 128, 256, 1, 0, 1, 16, 9),
    (3, 256, 32, 1, 0, 1, 1, 7),
    (3, 32, 32, 1, 0, 1, 16, 5),
    (1, 32, 16, 1, 0, 1, 1, 5),
    (3, 16, 10, 1, 0, 1, 1, 3),
]


def convolutions(network):
    """Return the table rows of a network's convolutions and their multiply-adds, in the order in which they run."""
    rows, macs = [], []

    def look(layer, inputs, output):
        c = layer
        square = {len(set(value)) for value in (c.kernel_size, c.stride, c.padding, c.dilation)}
        assert square == {1}
        rows.append(
            (
                c.kernel_size[0],
                c.in_channels,
                c.out_channels,
                c.stride[0],
                c.padding[0],
                c.dilation[0],
                c.groups,
                output.shape[-1],
            )
        )
        macs.append(c.weight.numel() * output.shape[-1] * output.shape[-2])

    handles = [layer.register_forward_hook(look) for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    network.eval()(torch.zeros(1, 3, 32, 32))
    for handle in handles:
        handle.remove()
    return rows, macs


def test_session_net_is_the_table():
    rows, macs = convolutions(session_net())
    assert rows == SESSION
    assert 56.5e6 < sum(macs) < 57.5e6


def test_less_weighted_net_differs_in_convolution_11_alone():
    rows, _ = convolutions(less_weighted_net())
    expected = list(SESSION)
    expected[10] = (3, 32, 16, 1, 1, 1, 1, 5)
    assert rows == expected


@pytest.mark.parametrize(
    "network, parameters", [(session_net, 187_418), (less_weighted_net, 191_514), (tutorial_net, 62_006)]
)
def test_parameter_counts(network, parameters):
    assert count_parameters(network()) == parameters


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_gives_ten_logits(name):
    assert NETWORKS[name]().eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_only_the_last_convolution_has_a_bias_and_no_batchnorm():
    for network in (session_net(), less_weighted_net()):
        layers = [layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.BatchNorm2d, nn.ReLU))]
        kinds = [type(layer) for layer in layers]
        assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 11 + [nn.Conv2d]
        assert [layer.bias is not None for layer in layers if isinstance(layer, nn.Conv2d)] == [False] * 11 + [True]
        assert not any(isinstance(layer, (nn.MaxPool2d, nn.Dropout)) for layer in network.modules())


def reached_by_gradient(features, side, size=1):
    """Return how many rows of an image of ``side``² pixels reach the middle ``size``×``size`` outputs of ``features``.

    With positive weights nothing cancels; kernels that add up to 1 keep gates, which multiply, from growing without
    end. The square that is reached must lie inside the image.
    """
    features = features.double().eval()
    with torch.no_grad():
        for parameter in features.parameters():
            parameter.abs_().add_(0.01)
            if parameter.dim() > 1:
                parameter /= parameter.sum((1, 2, 3), keepdim=True)
    image = torch.ones(1, 3, side, side, dtype=torch.double, requires_grad=True)
    output = features(image)
    middle = slice(output.shape[-1] // 2 - size // 2, output.shape[-1] // 2 + size // 2 + 1)
    output[0, 0, middle, middle].sum().backward()
    reached = image.grad.abs().sum((0, 1)) > 0
    rows, columns = reached.any(1).nonzero().flatten(), reached.any(0).nonzero().flatten()
    assert len(rows) == len(columns) == rows[-1] - rows[0] + 1 == columns[-1] - columns[0] + 1
    assert 0 < rows[0] and rows[-1] < side - 1
    return len(rows)


@pytest.mark.parametrize("pooled, field", [(False, 31), (True, 35)])
def test_receptive_field_by_gradient(pooled, field):
    """One output reaches 31×31 pixels, the pooled one 35×35."""
    assert reached_by_gradient(session_net()[:4], 97, 3 if pooled else 1) == field


def test_better_net_meets_every_condition_of_the_assignment():
    network = better_net()
    assert count_parameters(network) <= 187_418
    assert [name for name, _ in network.named_children()] == ["block1", "block2", "block3", "block4", "output"]
    layers = list(network.modules())
    assert not any(isinstance(layer, (nn.MaxPool2d, nn.AvgPool2d)) for layer in layers)
    assert [isinstance(layer, nn.AdaptiveAvgPool2d) for layer in network.output] == [True, False, False]
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert any(layer.dilation != (1, 1) for layer in convolutions)
    pairs = zip(convolutions, convolutions[1:], strict=False)
    assert any(a.groups == a.in_channels > 1 and b.kernel_size == (1, 1) and b.groups == 1 for a, b in pairs)
    assert reached_by_gradient(network[:4], 257) == 85 > 44


def test_bounded_gates_keep_an_unusual_image_from_ending_as_no_number():
    """Three times the contrast: with plain SiLU some answers are no number. On ordinary images both say the same."""
    network = load_pretrained("better_62")
    images, labels = (torch.from_numpy(part[:20]) for part in data.load_cifar10(False, data.SAMPLE))
    ordinary, _ = data.to_device(images, labels, torch.device("cpu"))
    with torch.no_grad():
        bounded = network(ordinary), network(3 * ordinary)
        for unit in network.modules():
            if isinstance(unit, SeparableUnit):
                unit.activation = nn.SiLU()
        plain = network(ordinary), network(3 * ordinary)
    assert torch.equal(bounded[0], plain[0])
    assert bounded[1].isfinite().all() and not plain[1].isfinite().all()


def test_the_steps_towards_better_net_have_about_the_same_parameters():
    """What a step gains, its change gained, and not a larger network."""
    steps = [build(f"better_{step}") for step in STEPS] + [better_net()]
    assert all(0.95 < count_parameters(step) / count_parameters(better_net()) <= 1 for step in steps)


def test_separable_unit_by_hand():
    """On one pixel a depthwise kernel is its middle tap, so the whole unit is a few products of matrices."""
    torch.manual_seed(0)
    unit = SeparableUnit(8).eval()
    x = torch.randn(2, 8, 1, 1)
    assert torch.equal(unit(x), x)  # its last BatchNorm starts at zero
    nn.init.ones_(unit.last_norm.weight)
    taps = [torch.ones(2)] + [
        layer.weight[:, 0, layer.kernel_size[0] // 2, layer.kernel_size[0] // 2] for layer in unit.depthwise[1:]
    ]
    scale = (1 + 1e-5) ** -0.5  # a fresh BatchNorm in evaluation
    y = scale * torch.cat(taps) * x.flatten(1)
    gate, value = (y @ unit.widen.weight.flatten(1).T).chunk(2, dim=1)
    y = scale * (gate * torch.sigmoid(gate) * value) @ unit.narrow.weight.flatten(1).T
    assert torch.allclose(unit(x).flatten(1), x.flatten(1) + y, atol=1e-6)


def test_kind_nets_differ_in_the_four_inner_layers_alone():
    """Notebook 03's experiment: one kind of 3×3 convolution each, the rest equal."""
    inner = {"standard": (1, 1), "dilated": (2, 1), "grouped": (1, 4)}
    for kind, (dilation, groups) in inner.items():
        first, *layers = [layer for layer in kind_net(kind, 32).modules() if isinstance(layer, nn.Conv2d)]
        assert (first.groups, first.dilation, first.stride) == (1, (1, 1), (2, 2))
        assert [(layer.dilation, layer.groups) for layer in layers] == [((dilation, dilation), groups)] * 4
        assert [layer.stride[0] for layer in layers] == [1, 1, 2, 1]
    layers = [layer for layer in kind_net("separable", 32).modules() if isinstance(layer, nn.Conv2d)][1:]
    assert [(layer.kernel_size[0], layer.groups) for layer in layers] == [(3, 32), (1, 1)] * 3 + [(3, 64), (1, 1)]


def test_kind_nets_have_nearly_equal_parameters_at_their_second_width():
    """The widths are those that come nearest to the standard network, among all that are allowed."""
    standard = count_parameters(kind_net("standard", 32))
    for kind, step in (("grouped", 4), ("separable", 1)):
        nearest = min(range(step, 129, step), key=lambda w: abs(count_parameters(kind_net(kind, w)) - standard))
        assert KIND_WIDTHS[kind] == (32, nearest)
    assert count_parameters(kind_net("dilated", 32)) == standard


def test_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="no kind 'round'"):
        kind_net("round", 32)


def test_unknown_network_is_named():
    with pytest.raises(ValueError, match="there is no network 'resnet'.*session_net"):
        build("resnet")


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
