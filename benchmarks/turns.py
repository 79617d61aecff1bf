"""What timings share: a process for each contestant, in turns, medians with their range."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def in_turns(
    contestants: Iterable[str], rounds: int, measure: Callable[[str], Any]
) -> dict[str, list[Any]]:
    """What `measure` says of each contestant, round by round.

    Args:
        contestants: Their names.
        rounds: How many times each has its turn.
        measure: Called with a name.
    """
    found: dict[str, list[Any]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, values in found.items():
            values.append(measure(name))
    return found


def worker(script: str, *arguments: object) -> Any:
    """Run a script in a process of its own; gives what it prints, which is JSON.

    Args:
        script: Its path.
        arguments: Of the command line.
    """
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def seconds_of(command: Sequence[object]) -> float:
    """How long a whole process takes.

    Args:
        command: The Python interpreter's arguments.
    """
    started = time.perf_counter()
    subprocess.run([sys.executable, *map(str, command)], check=True, capture_output=True)
    return time.perf_counter() - started


def milliseconds(call: Callable[[], object], least: float, calls: int = 2) -> float:
    """Median time of a call, after two to warm up: ONNX Runtime allocates anew in the second.

    Args:
        call: What is timed.
        least: Seconds to spend, at the least.
        calls: How many of them, at the least.
    """
    call()
    call()
    times: list[float] = []
    while len(times) < calls or sum(times) < 1000 * least:
        started = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def peak_megabytes() -> float:
    """The most memory that this process had so far; Linux only.

    `resource` would count what the parent had when it started this one.
    """
    return _status("VmHWM")


def resident_megabytes(process: int | str = "self") -> float:
    """The memory that a process has, by its number; Linux only."""
    return _status("VmRSS", process)


def _status(key: str, process: int | str = "self") -> float:
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(status.partition(f"{key}:")[2].split()[0]) / 1024


def shown(values: Sequence[float], digits: int = 1) -> str:
    """Median, with the least and the most."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """Median over the rounds of a value by another of the same round."""
    return statistics.median(value / other for value, other in zip(values, base, strict=True))


def table(corner: str, heads: Iterable[str], rows: Mapping[str, Sequence[str]]) -> None:
    """Print one, in Markdown."""
    heads = list(heads)
    print(f"\n| {corner} | {' | '.join(heads)} |")
    print("|---" * (1 + len(heads)) + "|")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
