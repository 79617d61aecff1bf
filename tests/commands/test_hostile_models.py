"""Model files of strangers: refused in one line, and nothing outside of them is read."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from fast_nst.commands.main import main
from tests.conftest import inverting_model


def external(location: str) -> bytes:
    """A model whose parameter lies in another file."""
    model = onnx.load_model_from_string(inverting_model())
    (tensor,) = model.graph.initializer
    tensor.ClearField("int32_data")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "1")):
        tensor.external_data.add(key=key, value=value)
    return model.SerializeToString()


def absurd() -> bytes:
    """A model that fills four terabytes on the way."""
    model = onnx.load_model_from_string(inverting_model())
    size = helper.make_tensor("size", TensorProto.INT64, [2], [10**6, 10**6])
    model.graph.initializer.append(size)
    fill = helper.make_node("ConstantOfShape", ["size"], ["large"])
    total = helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0)
    cast = helper.make_node("Cast", ["sum"], ["byte"], to=TensorProto.UINT8)
    (sub,) = model.graph.node
    sub.output[0] = "negative"
    last = helper.make_node("Add", ["negative", "byte"], ["stylized"])
    model.graph.node.extend([fill, total, cast, last])
    return model.SerializeToString()


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (external("../secret.bin"), "cannot be loaded"),
        (external("/etc/passwd"), "cannot be loaded"),
        (external("beside.bin"), "cannot be loaded"),
        (inverting_model()[:60], "cannot be loaded"),
        (b"\x08\x09" * 50, "cannot be loaded|has the input"),
        (inverting_model(input="picture"), "has the input picture"),
        (absurd(), "cannot be loaded|cannot stylize"),
    ],
    ids=["above", "absolute", "beside", "truncated", "noise", "input", "absurd"],
)
def test_hostile_models_are_refused(
    data: bytes, reason: str, engine: str, photo: Path, tmp_path: Path, capsys, monkeypatch
):
    (tmp_path / "secret.bin").write_bytes(b"\xff")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "beside.bin").write_bytes(b"\xff")
    (tmp_path / "models" / "m.onnx").write_bytes(data)
    monkeypatch.chdir(tmp_path / "models")
    code = main(["infer", str(photo), "-m", "m.onnx", "-o", "out.png", "--engine", engine])
    err = capsys.readouterr().err
    assert code == 2
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert any(word in err for word in reason.split("|")), err
    assert not (tmp_path / "models" / "out.png").exists()


def test_a_model_of_absurd_size_is_not_read(photo: Path, tmp_path: Path, capsys):
    with (tmp_path / "m.onnx").open("wb") as file:
        file.truncate(10**12)
    code = main(
        ["infer", str(photo), "-m", str(tmp_path / "m.onnx"), "-o", str(tmp_path / "o.png")]
    )
    err = capsys.readouterr().err
    assert (code, err.count("\n")) == (2, 1)
    assert "has 1,000,000 MB: an exported style has less than 1" in err
