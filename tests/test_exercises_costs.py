"""The exercises of notebooks 03 and 04 that are numbers or formulas: right, nearly right, nonsense."""

from answers import NONSENSE, assert_right, assert_waits, assert_wrong, forms


def test_macs():
    assert_right(
        "03.1", [lambda i, o, k, s, g: k * k * (i // g) * o * s * s, lambda i, o, k, s, g: k**2 * i * o / g * s**2]
    )
    near = [
        lambda i, o, k, s, g: k * k * i * o * s * s,
        lambda i, o, k, s, g: 2 * k * k * i // g * o * s * s,
        lambda i, o, k, s, g: k * k * (i // g) * (o // g) * s * s,
        lambda i, o, k, s, g: k * k * (i // g) * o * s,
        lambda i, o, k, s, g: str(k * k * (i // g) * o * s * s),
        lambda i, o: i * o,
    ]
    assert_wrong("03.1", [*near, *NONSENSE])
    assert_waits("03.1", [lambda *_: ...])


def test_block_for_less():
    assert_right("03.2", forms(16_352.0))
    assert_wrong("03.2", [16_351, 92_160, 4_384, 16_352 + 96, *NONSENSE])


def test_over_the_corner():
    assert_right("03.3", forms(256.0))
    assert_wrong("03.3", [128, 512, 174, 200, 255, 257, 347, 256.5, *NONSENSE])


def field(layers):
    side, jump = 1, 1
    for kernel, stride, dilation in layers:
        side, jump = side + (kernel - 1) * dilation * jump, jump * stride
    return side


def test_receptive_field():
    def backwards(layers):
        side = 1
        for kernel, stride, dilation in reversed(layers):
            side = (side - 1) * stride + dilation * (kernel - 1) + 1
        return side

    def without_dilation(layers):
        return field([(kernel, stride, 1) for kernel, stride, _ in layers])

    def without_stride(layers):
        return field([(kernel, 1, dilation) for kernel, _, dilation in layers])

    def stride_too_early(layers):
        side, jump = 1, 1
        for kernel, stride, dilation in layers:
            jump *= stride
            side += (kernel - 1) * dilation * jump
        return side

    assert_right("03.4", [field, backwards, lambda layers: float(field(layers))])
    near = [
        without_dilation,
        without_stride,
        stride_too_early,
        lambda layers: field(layers) + 1,
        lambda layers: layers[0],
    ]
    assert_wrong("03.4", [*near, *NONSENSE])
    assert_waits("03.4", [lambda layers: ...])


def test_sixteen_groups():
    assert_right("04.1", forms(187_418.0 - 73_728 + 4_608))
    assert_wrong("04.1", [187_418, 113_690, 118_297, 4_608, *NONSENSE])


def test_without_the_stride():
    assert_right("04.2", [(187_418, "half"), [187_418.0, "half"]])
    pairs = [
        (187_418, "less"),
        (187_418, "double"),
        (187_419, "half"),
        ("half", 187_418),
        (187_418,),
        (187_418, "HALF!"),
    ]
    assert_wrong("04.2", [*pairs, (None, "half"), *NONSENSE])


def test_a_wider_field():
    assert_right("04.3", forms(3.0))
    assert_wrong("04.3", [1, 2, 4, 2.75, 47, *NONSENSE])
