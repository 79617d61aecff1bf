"""Networks that are shared and let go."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest

from fast_nst import Stylizer
from fast_nst.errors import UserError
from fast_nst.models.model import parts_of
from tests.conftest import inverting_model, noise

BLEND = {"udnie": 0.7, "evening": 0.3}


def test_a_twin_of_other_models_and_strength():
    stylize = Stylizer(inverting_model(), threads=1, detail=0)
    assert stylize.unmixable
    parts = [replace(parts_of(name)[0], share=share) for name, share in BLEND.items()]
    twin = stylize.clone(1, of=3, parts=parts, strength=1.2)
    assert not twin.unmixable
    assert twin._session._budget is stylize._session._budget
    pixels = noise(20, 30)
    other = Stylizer(BLEND, strength=1.2, threads=1, detail=0)
    np.testing.assert_array_equal(twin(pixels), other(pixels))
    np.testing.assert_array_equal(stylize(pixels), 255 - pixels)
    with pytest.raises(UserError, match=r"^strength is 1\.6: it must be from 0"):
        stylize.clone(1, of=3, parts=parts, strength=1.6)
    with pytest.raises(UserError, match=r"^strength 1\.2 is above 1, and .* names no root"):
        stylize.clone(1, of=3, strength=1.2)


def test_a_network_that_is_no_longer_kept_is_let_go_at_once():
    gc.collect()
    gc.disable()
    try:
        stylize = Stylizer("udnie", threads=1)
        first = weakref.ref(stylize._session.engine(1.0))
        assert first() is not None
        for strength in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.1):
            stylize._session.engine(strength)
        assert first() is None
        last = weakref.ref(stylize._session.engine(1.1))
        del stylize
        assert last() is None
    finally:
        gc.enable()
