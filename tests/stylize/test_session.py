"""Sessions: networks that are cached, shared and let go."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

from fast_nst import Stylizer
from fast_nst.engines.engine import EngineOptions
from fast_nst.errors import UserError
from fast_nst.models.model import Model
from fast_nst.stylize.session import Session
from tests.conftest import inverting_model, noise

BLEND = {"udnie": 0.7, "evening": 0.3}
ONE_THREAD = EngineOptions(engine="onnxruntime", threads=1)


def test_one_session_runs_several_models_at_several_strengths():
    session, pixels = Session(ONE_THREAD), noise(20, 30)[None]
    negative, blend = Model.read(inverting_model()), Model.read(BLEND)
    np.testing.assert_array_equal(session.run(negative, 1.0, pixels), 255 - pixels)
    for strength in (1.2, 0.7):
        other = Stylizer(BLEND, strength=strength, threads=1)
        np.testing.assert_array_equal(session.run(blend, strength, pixels), other.run(pixels))
    assert session.engine(blend, 1.2) is session.engine(Model.read(BLEND), 1.2)
    with pytest.raises(UserError, match=r"^strength 1\.2 is above 1, and .* names no base"):
        negative.network_strength(1.2)
    with pytest.raises(UserError, match="names no base"):
        session.engine(negative, 1.2)


def test_clones_share_one_budget():
    session = Session(ONE_THREAD)
    clone = session.clone(threads=1, of=3)
    assert clone._budget is session._budget
    assert clone.options.threads == 1


def test_tiles_let_go_of_their_own_model_only():
    session = Session(EngineOptions(engine="onnxruntime", threads=1, max_memory="64MB"))
    small, large = Model.read("udnie_fast"), Model.read("evening_fast")
    kept, gone = session.engine(small, 1.0), session.engine(large, 0.5)
    session.run(large, 1.0, noise(900, 900)[None])
    assert session.engine(small, 1.0) is kept
    assert session.engine(large, 0.5) is not gone


def test_what_is_asked_for_by_several_threads_is_opened_once():
    session, opened = Session(ONE_THREAD), []
    gate = threading.Event()

    def open_slowly() -> object:
        opened.append(threading.get_ident())
        gate.wait(5)
        return object()

    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(session.cached("a", open_slowly)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    assert session.cached("b", lambda: 1) == 1  # another key does not wait
    gate.set()
    for thread in threads:
        thread.join(5)
    assert len(opened) == 1
    assert len({id(one) for one in found}) == 1 == len(found) - 3


def test_a_failure_is_not_cached():
    session = Session(ONE_THREAD)

    def fail() -> object:
        raise UserError("no")

    with pytest.raises(UserError, match="no"):
        session.cached("a", fail)
    assert session.cached("a", lambda: 2) == 2


def test_a_network_that_is_no_longer_kept_is_let_go_at_once():
    gc.collect()
    gc.disable()
    try:
        stylize = Stylizer("udnie", threads=1)
        first = weakref.ref(stylize.session.engine(stylize.model, 1.0))
        assert first() is not None
        for strength in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.1):
            stylize.session.engine(stylize.model, strength)
        assert first() is None
        last = weakref.ref(stylize.session.engine(stylize.model, 1.1))
        del stylize
        assert last() is None
    finally:
        gc.enable()
