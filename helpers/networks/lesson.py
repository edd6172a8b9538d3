"""The network of notebook 04, layer by layer, its sister, the baseline, and one for each kind of convolution."""

from collections import OrderedDict

from torch import nn


def conv_bn_relu(in_channels, out_channels, kernel_size=3, **options):
    """Return the three layers convolution (no bias: BatchNorm adds its own), BatchNorm and ReLU as a list."""
    return [
        nn.Conv2d(in_channels, out_channels, kernel_size, bias=False, **options),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


def session_net():
    """Return the network of the course: 12 convolutions in 4 blocks, 187,418 parameters, 57 million MACs.

    Dilated, grouped, depthwise and pointwise convolutions, a stride in place of pooling, and global average
    pooling at the end. Its receptive field is 31 pixels (35 with the pooling).
    """
    return _four_blocks(nn.Conv2d(32, 16, 1, bias=False))


def less_weighted_net():
    """Return ``session_net`` with its 11th convolution as 3×3 instead of 1×1: 191,514 parameters (notebook 05)."""
    return _four_blocks(nn.Conv2d(32, 16, 3, padding=1, bias=False))


def _four_blocks(conv11):
    """Return the four blocks and the pooling around ``conv11``, the one layer in which the two networks differ."""
    block1 = nn.Sequential(
        *conv_bn_relu(3, 16, padding=1),  # (N, 16, 32, 32)
        *conv_bn_relu(16, 32),  # (N, 32, 30, 30)
        *conv_bn_relu(32, 32),  # (N, 32, 28, 28)
    )
    block2 = nn.Sequential(
        *conv_bn_relu(32, 128, dilation=2),  # (N, 128, 24, 24), dilated: 3×3 taps that span 5×5
        *conv_bn_relu(128, 64, groups=2),  # (N, 64, 22, 22), grouped
        *conv_bn_relu(64, 32, stride=2, padding=1),  # (N, 32, 11, 11), strided
    )
    block3 = nn.Sequential(
        *conv_bn_relu(32, 128, groups=32),  # (N, 128, 9, 9), depthwise, four filters a channel
        *conv_bn_relu(128, 256, kernel_size=1, groups=16),  # (N, 256, 9, 9), pointwise
        *conv_bn_relu(256, 32),  # (N, 32, 7, 7)
    )
    block4 = nn.Sequential(
        *conv_bn_relu(32, 32, groups=16),  # (N, 32, 5, 5)
        conv11,
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),  # (N, 16, 5, 5)
        nn.Conv2d(16, 10, 3),  # (N, 10, 3, 3), the only bias: nothing normalises after it
    )
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())  # (N, 10)
    return nn.Sequential(OrderedDict(block1=block1, block2=block2, block3=block3, block4=block4, pool=pool))


def tutorial_net():
    """Return the network of PyTorch's CIFAR-10 tutorial, 62,006 parameters: the baseline of the results table.

    Source: https://docs.pytorch.org/tutorials/beginner/blitz/cifar10_tutorial.html
    """
    return nn.Sequential(
        nn.Conv2d(3, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 6, 14, 14)
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 16, 5, 5)
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


KINDS = ("standard", "dilated", "dilated_apart", "grouped", "separable")

# Equal widths: 32 channels. Equal parameters: as many channels as bring a kind nearest to the standard network's count.
KIND_WIDTHS = {"standard": (32,), "dilated": (32,), "dilated_apart": (32,), "grouped": (32, 64), "separable": (32, 90)}


def kind_net(kind, width):
    """Return the small network of notebook 03's experiment, its four inner 3×3 layers of one ``kind`` of convolution.

    ``kind`` is one of ``KINDS``: "standard"; "dilated" by 2; "dilated_apart", the same, but not in the layer with a
    stride; "grouped" in 4 groups; "separable", a depthwise convolution and a pointwise one. The first convolution
    (3 → ``width`` channels, stride 2) and the classifier are the same for all, as are the sizes of the maps: 16×16,
    then 8×8 with twice as many channels. "grouped" needs a ``width`` that 4 divides.
    """
    if kind not in KINDS:
        raise ValueError(f"there is no kind {kind!r}: choose one of {', '.join(KINDS)}")

    def layer(in_channels, out_channels, stride=1):
        if kind == "separable":
            depthwise = conv_bn_relu(in_channels, in_channels, stride=stride, padding=1, groups=in_channels)
            return [*depthwise, *conv_bn_relu(in_channels, out_channels, kernel_size=1)]
        dilated = kind == "dilated" or (kind == "dilated_apart" and stride == 1)
        dilation, groups = 2 if dilated else 1, 4 if kind == "grouped" else 1
        options = {"stride": stride, "padding": dilation, "dilation": dilation, "groups": groups}
        return conv_bn_relu(in_channels, out_channels, **options)

    return nn.Sequential(
        *conv_bn_relu(3, width, stride=2, padding=1),  # (N, width, 16, 16)
        *layer(width, width),
        *layer(width, width),
        *layer(width, 2 * width, stride=2),  # (N, 2 · width, 8, 8)
        *layer(2 * width, 2 * width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, 10),
    )
