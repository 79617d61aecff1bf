"""Where parameters lie in a file: against what `onnx` reads."""

from __future__ import annotations

import contextlib

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fast_nst.assets import STARTS
from fast_nst.errors import UserError
from fast_nst.stylize.gallery import style_files
from fast_nst.stylize.graphs import load, parameters
from fast_nst.stylize.layout import parameter_places


@pytest.mark.parametrize("path", [*style_files(), *STARTS.values()], ids=lambda path: path.stem)
def test_the_numbers_there_are_the_parameters(path):
    data = path.read_bytes()
    places = parameter_places(data)
    expected = parameters(load(data, "it"))
    assert list(places) == list(expected)
    for name, (offset, length) in places.items():
        found = np.frombuffer(data, "<f4", length // 4, offset)
        assert np.array_equal(found, expected[name].ravel()), name
        assert length == 4 * expected[name].size


def with_tensor(tensor: onnx.TensorProto) -> bytes:
    model = onnx.ModelProto()
    model.graph.initializer.append(tensor)
    return model.SerializeToString()


def test_other_tensors_are_passed_over():
    tensor = numpy_helper.from_array(np.ones(3, np.float32), "other")
    assert parameter_places(with_tensor(tensor)) == {}


def test_numbers_in_another_form_are_refused():
    apart = onnx.helper.make_tensor("network.a", onnx.TensorProto.FLOAT, [2], [1.0, 2.0])
    double = numpy_helper.from_array(np.ones(3), "network.a")
    for tensor in (apart, double):
        with pytest.raises(UserError, match=r"^network\.a does not lie in one piece of float32"):
            parameter_places(with_tensor(tensor))


def test_damaged_files_end_in_a_sentence():
    data = STARTS["photograph"].read_bytes()
    with pytest.raises(UserError, match="damaged"):
        parameter_places(data[:-1000])
    chance = np.random.default_rng(0)
    for _ in range(300):
        flipped = bytearray(data[:3000])
        for place in chance.integers(0, len(flipped), 5):
            flipped[place] = chance.integers(0, 256)
        with contextlib.suppress(UserError):
            for offset, length in parameter_places(bytes(flipped)).values():
                assert 0 <= offset <= offset + length <= len(flipped)
