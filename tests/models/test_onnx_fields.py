"""What is read from model files without `onnx`, against what `onnx` reads."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fast_nst.assets import LIVE_STYLES, STARTS
from fast_nst.errors import UserError
from fast_nst.models.catalogue import style_files
from fast_nst.models.graphs import load, metadata_of, parameters
from fast_nst.models.onnx_fields import initializer_offsets, read_metadata

SHIPPED = [*style_files(), *LIVE_STYLES.glob("*.onnx")]
SHIPPED += [path for starts in STARTS.values() for path in starts.values()]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_numbers_there_are_the_parameters(path):
    data = path.read_bytes()
    places = initializer_offsets(data)
    expected = parameters(load(data, "it"))
    assert list(places) == list(expected)
    for name, (offset, length, kind) in places.items():
        number = np.dtype(kind).newbyteorder("<")
        found = np.frombuffer(data, number, length // number.itemsize, offset)
        assert np.array_equal(found, expected[name].ravel()), name
        assert length == number.itemsize * expected[name].size


def test_roots_are_float32_since_mixed_numbers_take_their_places():
    for starts in STARTS.values():
        places = initializer_offsets(starts["photograph"].read_bytes())
        assert {place.type for place in places.values()} == {"float32"}


def with_tensor(tensor: onnx.TensorProto) -> bytes:
    model = onnx.ModelProto()
    model.graph.initializer.append(tensor)
    return model.SerializeToString()


def test_other_tensors_are_passed_over():
    tensor = numpy_helper.from_array(np.ones(3, np.float32), "other")
    assert initializer_offsets(with_tensor(tensor)) == {}


def test_numbers_in_another_form_are_refused():
    apart = onnx.helper.make_tensor("network.a", onnx.TensorProto.FLOAT, [2], [1.0, 2.0])
    double = numpy_helper.from_array(np.ones(3), "network.a")
    for tensor in (apart, double):
        with pytest.raises(UserError, match=r"^network\.a is not stored as raw floats"):
            initializer_offsets(with_tensor(tensor))


def test_a_truncated_file_is_refused():
    data = STARTS["fine"]["photograph"].read_bytes()
    for length in (len(data) // 2, len(data) - 1):
        with pytest.raises(UserError, match="damaged"):
            initializer_offsets(data[:length])


def test_fuzzed_files_are_refused_or_have_every_offset_inside():
    data = STARTS["fine"]["photograph"].read_bytes()
    # The tags, lengths and names of the file lie before each parameter's values.
    found = initializer_offsets(data).values()
    headers = [place.offset - i for place in found for i in range(1, 50)]
    chance = np.random.default_rng(0)
    read = 0
    for _ in range(300):
        fuzzed = bytearray(data)
        fuzzed[chance.choice(headers)] = chance.integers(0, 256)
        try:
            offsets = initializer_offsets(bytes(fuzzed)).values()
        except UserError:
            continue
        read += 1
        for offset, length, _ in offsets:
            assert 0 <= offset <= offset + length <= len(data)
    assert 50 < read < 250


def test_metadata_are_those_that_onnx_reads():
    for path in SHIPPED:
        data = path.read_bytes()
        assert read_metadata(data) == metadata_of(load(data, path.name))


def test_metadata_of_what_is_no_model_are_none():
    assert read_metadata(b"hello") == read_metadata(b"") == {}
