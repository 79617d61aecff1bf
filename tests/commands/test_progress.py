"""Ctrl-C, once and twice."""

from __future__ import annotations

import signal
import threading

import pytest

from fast_nst.commands.progress import stop_on_interrupt


def interrupt_twice(stopped: list[int]) -> None:
    with stop_on_interrupt(lambda: stopped.append(1)):
        signal.raise_signal(signal.SIGINT)
        assert stopped == [1]
        signal.raise_signal(signal.SIGINT)


def test_the_first_stops_and_the_second_interrupts(capsys):
    stopped: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupt_twice(stopped)
    assert stopped == [1]
    assert "saving what there is" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_it_does_nothing():
    done = []

    def work():
        with stop_on_interrupt(done.clear):
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]
