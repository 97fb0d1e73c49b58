"""Keras's weights in HDF5, files that try more than that, and FaceNet drawn from them against its own description."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from mien.core.errors import ModelError, UnsafeFile
from mien.runtime.graphs import facenet
from mien.runtime.hdf5 import read_keras
from mien.runtime.openvino import library
from mien.runtime.weights import read_weights
from tests.shared import open_bundle

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


def write(path: Path, **more: Any) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = '{"class_name": "Lambda", "config": {"function": "os.system"}}'
        file.create_dataset("model_weights/dense/dense/kernel:0", data=VALUES, **more)
        file.create_dataset("model_weights/dense/dense/bias:0", data=VALUES[0])
        file.create_dataset("optimizer_weights/iterations:0", data=[1])
    return path


def test_weights_by_layer(tmp_path: Path) -> None:
    found = read_keras(write(tmp_path / "w.h5"))
    assert list(found) == ["dense.bias", "dense.kernel"]
    np.testing.assert_array_equal(found["dense.kernel"], VALUES)
    np.testing.assert_array_equal(read_weights(tmp_path / "w.h5")["dense.kernel"], VALUES)


def test_weights_without_their_network(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = [b"input_1", b"dense"]
        file.create_group("input_1")
        file.create_dataset("dense/dense/kernel:0", data=VALUES)
    np.testing.assert_array_equal(read_keras(tmp_path / "w.h5")["dense.kernel"], VALUES)


def test_links_to_other_files(tmp_path: Path) -> None:
    path, secret = write(tmp_path / "w.h5"), write(tmp_path / "secret.h5")
    with h5py.File(path, "a") as file:
        file["model_weights/more"] = h5py.ExternalLink(secret.name, "model_weights")
    with pytest.raises(UnsafeFile, match="link to another place"):
        read_keras(path)
    soft = write(tmp_path / "soft.h5")
    with h5py.File(soft, "a") as file:
        file["model_weights/more"] = h5py.SoftLink("/optimizer_weights")
    with pytest.raises(UnsafeFile, match="link to another place"):
        read_keras(soft)


def test_a_group_within_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "w.h5")
    with h5py.File(path, "a") as file:
        file["model_weights/dense/again"] = file["model_weights"]
    with pytest.raises(UnsafeFile, match="too many"):
        read_keras(path)


def test_weights_that_lie_elsewhere(tmp_path: Path) -> None:
    outside = tmp_path / "etc-passwd"
    outside.write_bytes(bytes(24))
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        storage = [(str(outside), 0, 24)]
        file.create_dataset("model_weights/a/kernel:0", shape=(6,), dtype="<f4", external=storage)
    with pytest.raises(UnsafeFile, match="another file"):
        read_keras(path)
    virtual = tmp_path / "v.h5"
    layout = h5py.VirtualLayout(shape=(2, 3), dtype="<f4")
    layout[:] = h5py.VirtualSource(write(tmp_path / "s.h5"), "model_weights/dense/dense/kernel:0", shape=(2, 3))
    with h5py.File(virtual, "w") as file:
        file.create_virtual_dataset("model_weights/a/kernel:0", layout)
    with pytest.raises(UnsafeFile, match="another file"):
        read_keras(virtual)


def test_filters_bombs_and_other_numbers(tmp_path: Path) -> None:
    with pytest.raises(UnsafeFile, match="filtered"):
        read_keras(write(tmp_path / "w.h5", compression="gzip"))
    bomb = tmp_path / "bomb.h5"
    with h5py.File(bomb, "w") as file:
        file.create_dataset("model_weights/a/kernel:0", shape=(1 << 30,), dtype="<f4", chunks=(1024,))
    with pytest.raises(UnsafeFile, match="larger than itself"):
        read_keras(bomb)
    doubles = tmp_path / "doubles.h5"
    with h5py.File(doubles, "w") as file:
        file.create_dataset("model_weights/a/kernel:0", data=np.zeros(3))
    with pytest.raises(ModelError, match="no file of Keras's weights"):
        read_keras(doubles)
    nothing = tmp_path / "nan.h5"
    with h5py.File(nothing, "w") as file:
        file.create_dataset("model_weights/a/kernel:0", data=np.full(3, np.nan, np.float32))
    with pytest.raises(ModelError, match="no file of Keras's weights"):
        read_keras(nothing)


def test_two_weights_of_one_name(tmp_path: Path) -> None:
    path = write(tmp_path / "w.h5")
    with h5py.File(path, "a") as file:
        file.create_dataset("model_weights/other/dense/bias:0", data=VALUES[1])
    with pytest.raises(ModelError, match="no file of Keras's weights"):
        read_keras(path)


def test_a_network_of_other_shapes() -> None:
    library()
    for shape in ((), (3,), (3, 3, 3, 31)):
        with pytest.raises(ModelError, match=r"which the network needs|the network needs float32"):
            facenet.build({"Conv2d_1a_3x3.kernel": np.zeros(shape, np.float32)})


def test_what_is_no_such_file(tmp_path: Path) -> None:
    for name, content in (("empty", b""), ("text", b"weights"), ("torn", write(tmp_path / "w.h5").read_bytes()[:700])):
        path = tmp_path / f"{name}.h5"
        path.write_bytes(content)
        with pytest.raises(ModelError, match=f"{name}.h5 is no file of Keras's weights"):
            read_keras(path)
    with h5py.File(tmp_path / "none.h5", "w") as file:
        file["something"] = [1.0]
    with pytest.raises(ModelError, match="no file"):
        read_keras(tmp_path / "none.h5")


# -- FaceNet -----------------------------------------------------------------------------------------------------------


def described(path: Path) -> bytes:
    """The network as the file itself describes it, layer by layer, as ONNX: another way to the same numbers."""
    onnx = pytest.importorskip("onnx")
    with h5py.File(path) as file:
        layers = json.loads(file.attrs["model_config"])["config"]["layers"]
        arrays: dict[str, NDArray[Any]] = {}
        file["model_weights"].visititems(
            lambda name, entry: arrays.update({name: entry[()]}) if isinstance(entry, h5py.Dataset) else None
        )
    nodes, weights = [], []

    def constant(name: str, values: NDArray[Any]) -> str:
        weights.append(onnx.numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
        return name

    def of(layer: str, part: str) -> NDArray[Any]:
        return arrays[f"{layer}/{layer}/{part}:0"]

    kinds = {"Activation": "Relu", "Add": "Add", "Dropout": "Identity", "GlobalAveragePooling2D": "GlobalAveragePool"}
    for layer in layers:
        kind, name, config = layer["class_name"], layer["name"], layer["config"]
        inputs = [node[0] for node in layer["inbound_nodes"][0]] if layer["inbound_nodes"] else []
        if kind == "InputLayer":
            continue
        attributes: dict[str, Any] = {}
        if kind in ("Conv2D", "MaxPooling2D"):
            attributes = {
                "strides": config["strides"],
                "auto_pad": {"same": "SAME_UPPER"}.get(config["padding"], "VALID"),
            }
        if kind == "Conv2D":
            inputs.append(constant(f"{name}/k", np.moveaxis(of(name, "kernel"), (-1, -2), (0, 1))))
            inputs += [constant(f"{name}/b", of(name, "bias"))] if config["use_bias"] else []
            operation = "Conv"
        elif kind == "MaxPooling2D":
            operation, attributes["kernel_shape"] = "MaxPool", config["pool_size"]
        elif kind == "BatchNormalization":
            beta = of(name, "beta")
            parts = {"g": np.ones_like(beta), "b": beta, "m": of(name, "moving_mean"), "v": of(name, "moving_variance")}
            inputs += [constant(f"{name}/{part}", values) for part, values in parts.items()]
            operation, attributes = "BatchNormalization", {"epsilon": config["epsilon"]}
        elif kind == "Concatenate":
            operation, attributes = "Concat", {"axis": 1}
        elif kind == "Lambda":
            operation = "Mul"
            inputs.append(constant(f"{name}/s", np.array(config["arguments"]["scale"])))
        elif kind == "Dense":
            nodes.append(onnx.helper.make_node("Flatten", inputs, [f"{name}/flat"]))
            operation, inputs = "MatMul", [f"{name}/flat", constant(f"{name}/k", of(name, "kernel"))]
        else:
            operation = kinds[kind]
        nodes.append(onnx.helper.make_node(operation, inputs, [name], **attributes))
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in ((layers[0]["name"], [1, 3, 160, 160]), (layers[-1]["name"], [1, 128]))
    ]
    graph = onnx.helper.make_graph(nodes, "facenet", ends[:1], ends[1:], weights)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.weights
def test_facenet_is_what_its_file_describes() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    bundle = open_bundle("facenet", precision="f32")
    picture = np.random.default_rng(0).integers(0, 256, (2, 160, 160, 3), np.uint8)
    (ours,) = bundle.session().run(picture)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    reference = onnxruntime.InferenceSession(
        described(bundle.path("model")), options, providers=["CPUExecutionProvider"]
    )
    for row, found in zip(picture, ours, strict=True):
        whitened = ((row - row.mean()) / row.std()).astype(np.float32).transpose(2, 0, 1)
        (theirs,) = reference.run(None, {reference.get_inputs()[0].name: whitened[None]})
        np.testing.assert_allclose(found, theirs[0], atol=2e-3)
    (rough,) = open_bundle("facenet").session().run(picture)
    cosines = (rough * ours).sum(1) / np.linalg.norm(rough, axis=1) / np.linalg.norm(ours, axis=1)
    assert cosines.min() >= 0.999
