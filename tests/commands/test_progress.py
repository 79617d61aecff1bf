"""Progress bars and Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading

import pytest

from fast_nst.commands import progress
from fast_nst.commands.progress import Progress, stop_on_interrupt


def interrupt_twice(stopped: list[int]) -> None:
    with stop_on_interrupt(lambda: stopped.append(1)):
        signal.raise_signal(signal.SIGINT)
        assert stopped == [1]
        signal.raise_signal(signal.SIGINT)


def test_first_ctrl_c_stops_second_interrupts(capsys):
    stopped: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupt_twice(stopped)
    assert stopped == [1]
    assert "saving what is done" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


def test_stop_on_interrupt_outside_main_thread():
    done = []

    def work():
        with stop_on_interrupt(done.clear):
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]


def many_steps(bar: Progress) -> None:
    for step in range(1000):
        assert not bar.update(step + 1, 1000, "training", {"loss": 0.25})
    bar.close()


def test_progress_lines_without_terminal(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with Progress(unit="step") as bar:
        many_steps(bar)
        assert capsys.readouterr().err == ""  # it took no time
        now[0] += 5
        many_steps(bar)
        bar.update(1, 10)
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("training:   0% 1/1000 [")
    assert err.endswith("]\n")
    assert "\r" not in err


def test_progress_without_standard_error(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    with Progress() as bar:
        many_steps(bar)
        bar.log("a line")
        signal.raise_signal(signal.SIGINT)
        assert bar.stopped
    assert capsys.readouterr().out == ""
