"""The pencil that networks are drawn with: it takes each tensor of a file once, and checks its shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ModelError

__all__ = ["Drawing"]

_EPSILON = 1e-5  # torch.nn.BatchNorm2d
_IGNORED = "num_batches_tracked"  # counts the steps of the training

Node = Any  # an openvino.Node
Floats = NDArray[np.float32]


class Drawing:
    """A network in the making.

    Pictures have the axes (N, C, H, W), with any number of rows. Names are those of the tensors in the file, without
    their last part: ``conv("conv1", ...)`` takes ``conv1.weight``.

    Parameters
    ----------
    tensors : mapping of str to float32 array
        As `mien.runtime.weights.read_weights` gives them. Each must be taken exactly once before `model` is called,
        but for those named ``num_batches_tracked``.
    epsilon : float
        What batch normalizations add to a variance.
    """

    def __init__(self, tensors: Mapping[str, NDArray[Any]], *, epsilon: float = _EPSILON) -> None:
        from openvino import opset13

        self._ops = opset13
        self._epsilon = epsilon
        self._left = {name: array for name, array in tensors.items() if name.rpartition(".")[2] != _IGNORED}
        self._inputs: list[Node] = []

    def take(self, name: str, *shape: int) -> Floats:
        """Take a tensor out of the file.

        Raises
        ------
        ModelError
            It is not there, was taken before, or has another shape or kind of numbers.
        """
        if name not in self._left:
            raise ModelError(f"the weights lack the tensor {name!r}, which the network needs.")
        array = self._left.pop(name)
        if array.shape != shape or array.dtype != np.float32:
            raise ModelError(f"the tensor {name!r} is {array.dtype} {array.shape}; the network needs float32 {shape}.")
        return array

    def input(self, name: str, *shape: int) -> Node:
        """An input of the network, with any number of rows; `shape` is that of a row, with -1 for any."""
        node = self._ops.parameter([-1, *shape], np.float32, name=name)
        node.output(0).set_names({name})
        self._inputs.append(node)
        return node

    def conv(
        self,
        x: Node,
        name: str,
        out: int,
        *,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        groups: int = 1,
        dilation: int = 1,
        norm: str = "",
        bias: bool = False,
        padded: bool = True,
    ) -> Node:
        """A convolution with `out` filters that keeps the picture's size, divided by `stride`.

        Parameters
        ----------
        kernel
            Height and width of a filter.
        dilation
            Steps between the pixels that a filter sees; with 1 they lie side by side.
        norm
            Name of the batch normalization that follows it. It is folded in: filters and bias are scaled, in double
            precision.
        bias
            Whether it has a bias of its own.
        padded
            Whether the picture is continued with zeros; without, it loses what the filters do not cover.
        """
        inputs = channels(x) // groups
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        weight = self.take(f"{name}.weight", out, inputs, height, width)
        shift = self.take(f"{name}.bias", out) if bias else np.zeros(out, np.float32)
        if norm:
            factor, offset = self._norm(norm, out)
            weight = (weight * factor[:, None, None, None]).astype(np.float32)
            shift = (shift * factor + offset).astype(np.float32)
        pad = [height // 2 * dilation, width // 2 * dilation] if padded else [0, 0]
        window = {"strides": [stride] * 2, "pads_begin": pad, "pads_end": pad, "dilations": [dilation] * 2}
        if groups == 1:
            result = self._ops.convolution(x, self._ops.constant(weight), **window)
        else:
            parts = weight.reshape(groups, out // groups, inputs, height, width)
            result = self._ops.group_convolution(x, self._ops.constant(parts), **window)
        if not norm and not bias:
            return result
        return self._ops.add(result, self._ops.constant(shift.reshape(1, -1, 1, 1)))

    def enlarge(self, x: Node, name: str, out: int, *, kernel: int, stride: int, trim: int) -> Node:
        """A convolution the other way round, with a bias: each pixel becomes a filter, `stride` pixels from the next.

        `trim` rows and columns are cut off on each side.
        """
        weight = self.take(f"{name}.weight", out, channels(x), kernel, kernel).swapaxes(0, 1).copy()
        window = {"strides": [stride] * 2, "pads_begin": [trim] * 2, "pads_end": [trim] * 2}
        result = self._ops.convolution_backprop_data(x, self._ops.constant(weight), **window)
        return self._ops.add(result, self._ops.constant(self.take(f"{name}.bias", out).reshape(1, -1, 1, 1)))

    def norm(self, x: Node, name: str) -> Node:
        """A batch normalization of pictures or rows that follows no convolution."""
        shape = [1, -1, *[1] * (len(list(x.get_output_partial_shape(0))) - 2)]
        factor, offset = (
            self._ops.constant(part.reshape(shape).astype(np.float32)) for part in self._norm(name, channels(x))
        )
        return self._ops.add(self._ops.multiply(x, factor), offset)

    def dense(self, x: Node, name: str, out: int, *, bias: bool = True) -> Node:
        """A matrix, and a bias, on rows (N, C)."""
        weight = self.take(f"{name}.weight", out, channels(x))
        product = self._ops.matmul(x, self._ops.constant(weight), transpose_a=False, transpose_b=True)
        if not bias:
            return product
        return self._ops.add(product, self._ops.constant(self.take(f"{name}.bias", out).reshape(1, -1)))

    def relu(self, x: Node, leak: float = 0.0) -> Node:
        """Negative values become zero, or are multiplied by `leak`."""
        return self._ops.prelu(x, self._ops.constant(np.array([leak], np.float32))) if leak else self._ops.relu(x)

    def prelu(self, x: Node, name: str) -> Node:
        """Negative values are multiplied by a number of their channel's own (He et al., 2015)."""
        return self._ops.prelu(x, self._ops.constant(self.take(f"{name}.weight", channels(x))))

    def clamp(self, x: Node, low: float, high: float) -> Node:
        """Values below `low` become `low`, those above `high` become `high`."""
        return self._ops.clamp(x, low, high)

    def sigmoid(self, x: Node) -> Node:
        """Values between 0 and 1."""
        return self._ops.sigmoid(x)

    def softmax(self, x: Node) -> Node:
        """Shares of the last axis."""
        return self._ops.softmax(x, axis=-1)

    def add(self, x: Node, y: Node) -> Node:
        """The sum."""
        return self._ops.add(x, y)

    def multiply(self, x: Node, y: Node) -> Node:
        """The product."""
        return self._ops.multiply(x, y)

    def join(self, parts: Sequence[Node], axis: int = 1) -> Node:
        """Put side by side, along the channels."""
        return self._ops.concat(list(parts), axis)

    def max_pool(self, x: Node, *, padded: bool = True, size: int = 3, stride: int = 2) -> Node:
        """The largest of 3 x 3 pixels (or `size`), at every second pixel (or `stride`)."""
        from openvino import opset1  # the later ones give the places too

        pad = [size // 2 * padded] * 2
        return opset1.max_pool(x, strides=[stride] * 2, pads_begin=pad, pads_end=pad, kernel_shape=[size] * 2)

    def halve(self, x: Node) -> Node:
        """The mean of 2 x 2 pixels; a last odd row or column is left out."""
        from openvino import opset1

        return opset1.avg_pool(
            x, strides=[2, 2], pads_begin=[0, 0], pads_end=[0, 0], kernel_shape=[2, 2], exclude_pad=True
        )

    def widen(self, x: Node, *sizes: int) -> Node:
        """Continue with zeros at the end, to so many channels, rows and columns."""
        known = [size.get_length() for size in list(x.get_output_partial_shape(0))[1:]]
        ends = np.array([0, *(wanted - size for wanted, size in zip(sizes, known, strict=True))])
        constant = self._ops.constant
        return self._ops.pad(x, constant(np.zeros(4, np.int64)), constant(ends), "constant", constant(np.float32(0)))

    def standardize(self, x: Node) -> Node:
        """Each picture less its mean, and divided by its standard deviation; zeros where there is but one value."""
        axes = self._ops.constant(np.array([1, 2, 3]))
        return self._ops.mvn(x, axes, normalize_variance=True, eps=self._epsilon, eps_mode="inside_sqrt")

    def scale(self, x: Node, factor: float) -> Node:
        """Multiply by a number."""
        return self._ops.multiply(x, self._ops.constant(np.float32(factor)))

    def mean(self, x: Node, *, keep: bool = False) -> Node:
        """The mean of each channel: (N, C), or (N, C, 1, 1) where the axes are kept."""
        return self._ops.reduce_mean(x, self._ops.constant(np.array([2, 3])), keep_dims=keep)

    def resize(self, x: Node, like: Node, *, smooth: bool = False) -> Node:
        """The same at the size of another picture: the nearest pixel, or a blend that keeps the corner pixels."""
        shape = self._ops.shape_of(like)
        axes = self._ops.constant(np.array([2, 3]))
        size = self._ops.gather(shape, axes, self._ops.constant(np.int64(0)))
        ways = (
            {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
            if smooth
            else {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        )
        return self._ops.interpolate(x, size, shape_calculation_mode="sizes", axes=axes, **ways)

    def double(self, x: Node) -> Node:
        """The same at twice its size: each pixel four times."""
        ways = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        scales, axes = self._ops.constant(np.array([2, 2], np.float32)), self._ops.constant(np.array([2, 3]))
        return self._ops.interpolate(x, scales, shape_calculation_mode="scales", axes=axes, **ways)

    def rows(self, x: Node, width: int) -> Node:
        """Cut the channels of each pixel into rows of `width`: (N, C, H, W) to (N, H W C / width, width)."""
        pixels = self._ops.transpose(x, self._ops.constant(np.array([0, 2, 3, 1])))
        return self._ops.reshape(pixels, self._ops.constant(np.array([0, -1, width])), special_zero=True)

    def model(self, **outputs: Node) -> Any:
        """The finished ``openvino.Model``, with these outputs.

        Raises
        ------
        ModelError
            The file has a tensor that the network did not take.
        """
        from openvino import Model

        if self._left:
            raise ModelError(
                f"the weights have the tensor {next(iter(self._left))!r}, which the network has no use for."
            )
        results = []
        for name, node in outputs.items():
            result = self._ops.result(node)
            result.output(0).set_names({name})
            results.append(result)
        return Model(results, self._inputs)

    def _norm(self, name: str, size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Factor and offset that a batch normalization comes to."""
        scale, shift, mean, variance = (
            self.take(f"{name}.{part}", size).astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = scale / np.sqrt(variance + self._epsilon)
        return factor, shift - mean * factor


def channels(x: Node) -> int:
    """Size of axis 1."""
    count: int = x.get_output_partial_shape(0)[1].get_length()
    return count
