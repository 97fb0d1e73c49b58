"""Making exported networks take any number of rows, and reading those that OpenVINO refuses.

What is mended, by pattern and never by a model's name:

- inputs that nothing uses (weights that were declared as inputs and then replaced) are dropped;
- a ``Reshape`` that names the batch of 1 it was exported with copies the batch of its input instead;
- ``DequantizeLinear`` in blocks along one axis, which OpenVINO's reader knows only for matrices, is written out;
- ``Convolution2DTransposeBias``, MediaPipe's own operation in TFLite files, is written out;
- 8-bit weights with a constant scale, of which OpenVINO's CPU makes garbage in parallel, are read as floats.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from mien.core.errors import ModelError
from mien.models.card import ImageInput

__all__ = [
    "drop_unused_inputs",
    "free_batch",
    "give_inner",
    "mended_onnx",
    "read_network",
    "spread_input",
    "widen_weights",
]


def read_network(core: Any, path: Path, weights: Path | None) -> Any:
    """Read a network file as an ``openvino.Model``, mended.

    Parameters
    ----------
    core
        The ``openvino.Core`` to read with.
    path, weights
        The network, and the weights of one in two files.

    Raises
    ------
    RuntimeError
        OpenVINO cannot read it.
    """
    files = [path] if weights is None else [path, weights]
    try:
        model = core.read_model(*files)
    except RuntimeError as error:
        known = [name for name in _EXTENSIONS if name in str(error)]
        if not known:
            raise
        model = _core_with(known[0]).read_model(*files)
    drop_unused_inputs(model)
    widen_weights(model)
    return model


def widen_weights(model: Any) -> None:
    """Make the 8-bit weights of an ``openvino.Model``, each times its scale, the floats that they stand for.

    OpenVINO would do so when it compiles, but two requests of the CPU then disturb each other: of the network of
    ``fer-xception``, 12 of 20 compilations for two streams gave garbage (2026.4). The products are those that OpenVINO
    computes for one stream, to the bit. Weights in blocks (`_dequantize`) do not suffer from this, and stay.
    """
    import openvino as ov
    from openvino import opset13 as ops

    for node in model.get_ordered_ops():
        if node.get_type_name() != "Multiply":
            continue
        widened, scale = (node.input_value(side).get_node() for side in (0, 1))
        if widened.get_type_name() != "Convert" or scale.get_type_name() != "Constant":
            continue
        weights = widened.input_value(0).get_node()
        if weights.get_type_name() == "Constant" and weights.get_element_type() == ov.Type.i8:
            values = weights.get_data().astype(np.float32) * scale.get_data()
            node.output(0).replace(ops.constant(values.astype(np.float32)).output(0))


def drop_unused_inputs(model: Any) -> None:
    """Drop the inputs of an ``openvino.Model`` that no operation reads."""
    for parameter in model.get_parameters():
        if not any(output.get_target_inputs() for output in parameter.outputs()):
            model.remove_parameter(parameter)


def give_inner(model: Any, names: Sequence[str]) -> None:
    """Make values inside of an ``openvino.Model`` further outputs, in order.

    Parameters
    ----------
    names
        Of tensors, as an ONNX file has them, or of the operations that make them. Where neither lasts, as in files of
        TensorFlow Lite, ``->Convolution`` is what goes into the last operation of that kind.

    Raises
    ------
    ModelError
        There is no such value.
    """
    for wanted in names:
        found = _value(model.get_ordered_ops(), wanted)
        if found is None:
            raise ModelError(f"the network has no inner value {wanted!r}.")
        model.add_outputs([found])


def spread_input(model: Any) -> None:
    """Give each layer that reads the one input (N, D) of an ``openvino.Model`` a row of its own: (N, R, D).

    The rows are in the order of depth: the first is of the layer that has most operations between it and the result.
    With all R rows alike the network gives what it gave before, up to rounding.

    Raises
    ------
    ModelError
        The network has more inputs than one, or no two matrix products read it.
    """
    from openvino import PartialShape
    from openvino import opset13 as ops

    parameters = model.get_parameters()
    readers = [
        reader
        for parameter in parameters
        for reader in parameter.output(0).get_target_inputs()
        if reader.get_node().get_type_name() == "MatMul"
    ]
    if len(parameters) != 1 or len(readers) < 2:
        raise ModelError("the network has no single input that several layers read: it cannot be spread over them.")
    depths = _depths(model)
    readers.sort(key=lambda reader: -depths[reader.get_node().get_friendly_name()])
    shape = parameters[0].get_partial_shape()
    parameters[0].set_partial_shape(PartialShape([shape[0], len(readers), shape[1]]))
    axis = ops.constant(np.int64(1))
    for row, reader in enumerate(readers):
        reader.replace_source_output(ops.gather(parameters[0], ops.constant(np.int64(row)), axis).output(0))
    model.validate_nodes_and_infer_types()


def _depths(model: Any) -> dict[str, int]:
    """How many operations stand at most between each one, by name, and the result."""
    depths: dict[str, int] = {}
    for node in reversed(model.get_ordered_ops()):
        users = [reader.get_node() for output in node.outputs() for reader in output.get_target_inputs()]
        depths[node.get_friendly_name()] = max((depths[user.get_friendly_name()] + 1 for user in users), default=0)
    return depths


def _value(nodes: Sequence[Any], wanted: str) -> Any:
    if wanted.startswith("->"):
        kind = [node for node in nodes if node.get_type_name() == wanted[2:]]
        return kind[-1].input_value(0) if kind else None
    for node in nodes:
        named = [output for output in node.outputs() if wanted in output.get_names()]
        if named or (node.get_friendly_name() == wanted and node.get_output_size()):
            return (named or node.outputs())[0]
    return None


def free_batch(model: Any) -> None:
    """Let every ``Reshape`` of an ``openvino.Model``, which stands at one row, follow the number of rows.

    Where both the data and the constant target start with 1, the target's 1 becomes "as in the data", which changes
    nothing for one row.
    """
    import openvino as ov
    from openvino import opset13 as ops

    for node in model.get_ordered_ops():
        if node.get_type_name() != "Reshape":
            continue
        data, target = node.input_value(0), node.input_value(1)
        shape = data.get_partial_shape()
        if target.get_node().get_type_name() != "Constant" or shape.rank.is_dynamic or not len(shape):
            continue
        sizes = target.get_node().get_data().astype(np.int64)
        # With the special zero off, a 0 is a size; such a target is left alone.
        keeps_zero = node.get_attributes()["special_zero"] or 0 not in sizes
        if shape[0] == ov.Dimension(1) and sizes.size and sizes[0] == 1 and keeps_zero:
            sizes[0] = 0
            mended = ops.reshape(data, ops.constant(sizes), special_zero=True)
            mended.set_friendly_name(node.get_friendly_name())
            node.output(0).replace(mended.output(0))
    model.validate_nodes_and_infer_types()


def mended_onnx(path: Path, picture: ImageInput | None, inner: Sequence[str] = ()) -> bytes:
    """Mend an ONNX file for ONNX Runtime, by the same rules.

    Parameters
    ----------
    path
        The file.
    picture
        How the first input takes its picture, if it takes one.
    inner
        Names of values inside of it to make further outputs.

    Raises
    ------
    ModelError
        It is not an ONNX file, or has no such inner value.
    ImportError
        The package ``onnx`` is missing.
    """
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import numpy_helper

    try:
        model = onnx.load_model(path, load_external_data=False)
    except DecodeError as error:
        raise ModelError(f"{path.name} is not an ONNX file.") from error
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    used = {name for node in graph.node for name in node.input}
    for entry in list(graph.input):
        if entry.name in constants or entry.name not in used:
            graph.input.remove(entry)
    one_row = _names_with_one_row(model, picture)
    for node in graph.node:
        if node.op_type != "Reshape" or node.input[0] not in one_row or node.input[1] not in constants:
            continue
        sizes = numpy_helper.to_array(constants[node.input[1]]).copy()
        if sizes.size and sizes[0] == 1 and not any(item.name == "allowzero" and item.i for item in node.attribute):
            sizes[0] = 0
            node.input[1] = f"{node.output[0]}/rows"
            graph.initializer.append(numpy_helper.from_array(sizes, node.input[1]))
    for entry in graph.input:
        entry.type.tensor_type.shape.dim[0].dim_param = "rows"
    if missing := set(inner) - {name for node in graph.node for name in node.output}:
        raise ModelError(f"the network has no inner value {min(missing)!r}.")
    graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in inner)
    content: bytes = model.SerializeToString()
    return content


def _names_with_one_row(model: Any, picture: ImageInput | None) -> set[str]:
    """Set an ONNX model to one row (and any size of picture); return the names of all values with 1 on axis 0."""
    import onnx

    graph = model.graph
    for entry in graph.input:
        entry.type.tensor_type.shape.dim[0].dim_value = 1
    if picture is not None and picture.size is None:
        for axis in (2, 3) if picture.layout == "NCHW" else (1, 2):
            graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"side{axis}"
    # What the export wrote about sizes is no longer true.
    del graph.value_info[:]
    for entry in graph.output:
        entry.type.tensor_type.ClearField("shape")
    known = onnx.shape_inference.infer_shapes(model).graph
    shapes = {entry.name: entry.type.tensor_type.shape.dim for entry in (*known.value_info, *known.input)}
    return {name for name, sizes in shapes.items() if sizes and sizes[0].dim_value == 1}


def _dequantize(node: Any) -> list[Any]:
    """Write out ONNX's ``(x - zero_point) * scale``, with one scale for all, per slice of an axis, or per block."""
    from openvino import opset13 as ops

    x, scale = node.get_input(0), node.get_input(1)
    shape = x.get_partial_shape()
    axis = node.get_attribute("axis", 1) % max(len(shape), 1)
    block = node.get_attribute("block_size", 0)

    def spread(values: Any) -> Any:
        if block:
            length = shape[axis].get_length()
            return ops.gather(values, ops.constant(np.arange(length) // block), ops.constant(np.int64(axis)))
        if len(values.get_partial_shape()) == 1:
            sizes = np.ones(len(shape), np.int64)
            sizes[axis] = -1
            return ops.reshape(values, ops.constant(sizes), special_zero=False)
        return values

    result = ops.convert(x, "f32")
    if node.get_input_size() > 2:
        result = ops.subtract(result, ops.convert(spread(node.get_input(2)), "f32"))
    outputs: list[Any] = ops.multiply(result, spread(scale)).outputs()
    return outputs


def _transpose_convolution(node: Any) -> list[Any]:
    """Write out MediaPipe's transposed convolution with a bias: NHWC, weights (out, height, width, in).

    Its stride stands in bytes that the reader does not give. It is the size of the kernel in the networks that have
    this operation: they double a picture by 2 x 2 pixels for each, and then the kind of padding makes no difference.
    """
    from openvino import opset13 as ops

    x, weights, bias = (node.get_input(place) for place in range(3))
    kernel = [size.get_length() for size in weights.get_partial_shape()][1:3]
    if kernel != [2, 2]:
        raise RuntimeError(f"Convolution2DTransposeBias with a kernel of {kernel} is not known")
    first = ops.transpose(x, ops.constant(np.array([0, 3, 1, 2])))
    filters = ops.transpose(weights, ops.constant(np.array([3, 0, 1, 2])))
    none = [0, 0]
    grown = ops.convolution_backprop_data(
        first, filters.output(0), strides=kernel, pads_begin=none, pads_end=none, dilations=[1, 1]
    )
    last = ops.transpose(grown, ops.constant(np.array([0, 2, 3, 1])))
    outputs: list[Any] = ops.add(last, bias).outputs()
    return outputs


#: Operations that OpenVINO cannot read, or not in all their forms: by whose reader, and how they are written out.
_EXTENSIONS: Mapping[str, tuple[str, Callable[[Any], list[Any]]]] = MappingProxyType(
    {
        "DequantizeLinear": ("openvino.frontend.onnx", _dequantize),
        "Convolution2DTransposeBias": ("openvino.frontend", _transpose_convolution),
    }
)


def _core_with(operation: str) -> Any:
    import openvino as ov

    module, convert = _EXTENSIONS[operation]
    core = ov.Core()
    core.add_extension(importlib.import_module(module).ConversionExtension(operation, convert))
    return core
