"""The service under load, against a loop that paints one picture after the other.

    python benchmarks/serve.py [--clients 32] [--seconds 30] [--rounds 3]

Clients in a process beside it ask one after the other, each over a connection of its own, with
photographs as JPEG, for JPEG paintings in all styles, a third of them at another strength. The
loop decodes, paints and encodes the same in one thread, with no HTTP and no client to share the
cores with.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import json
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from turns import ratio, resident_megabytes, shown, table, worker

from fast_nst.models.catalogue import style_files
from fast_nst.pictures.read import open_image, open_photograph
from fast_nst.pictures.write import encode_image
from fast_nst.stylize.stylizer import Stylizer

PHOTOGRAPH = Path("fast_nst/assets/photos/coffee.jpg")
SIZE = 640
WARM_UP = 3.0  # seconds, in which networks are opened
STRENGTHS = (1.0, 1.0, 0.8)


def photograph() -> bytes:
    return encode_image(open_photograph(PHOTOGRAPH, SIZE), "JPEG", 90)


def wishes(first: int = 0) -> Iterator[tuple[str, float]]:
    """Styles and strengths in turn."""
    names = [path.stem for path in style_files()]
    every = itertools.cycle(itertools.product(STRENGTHS, names))
    return ((name, strength) for strength, name in itertools.islice(every, first, None))


def loop(seconds: float) -> float:
    """Pictures a second, one after the other in one thread."""
    photo = photograph()
    stylizers = {
        (name, strength): Stylizer(name, strength=strength, threads=1)
        for name, strength in itertools.islice(wishes(), 30)
    }
    for stylize in stylizers.values():
        stylize(open_image(photo))
    done, started = 0, time.perf_counter()
    for wish in wishes():
        encode_image(stylizers[wish](open_image(photo)), "JPEG")
        done += 1
        if time.perf_counter() - started > seconds:
            break
    return done / (time.perf_counter() - started)


def load(port: int, clients: int, seconds: float) -> dict[str, Any]:
    """What so many clients see: latencies in s, and answers by their status."""
    photo = photograph()
    latencies: list[float] = []
    answers: dict[int, int] = {}
    lock = threading.Lock()
    begin = time.perf_counter() + WARM_UP

    def ask(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for name, strength in wishes(7 * number):
            started = time.perf_counter()
            if started > begin + seconds:
                break
            query = f"style={name}&strength={strength}&format=jpg"
            connection.request("POST", f"/api/stylize?{query}", photo)
            answer = connection.getresponse()
            answer.read()
            ended = time.perf_counter()
            if begin < ended < begin + seconds:
                with lock:
                    latencies.append(ended - started)
                    answers[answer.status] = answers.get(answer.status, 0) + 1
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cuts = statistics.quantiles(latencies, n=100)
    return {"answers": answers, "rate": len(latencies) / seconds, "p50": cuts[49], "p99": cuts[98]}


@contextlib.contextmanager
def served(queue: int) -> Iterator[tuple[int, int]]:
    """The service: its port, and its process's number."""
    command = [sys.executable, "-m", "fast_nst.commands.main", "serve", "--no-browser"]
    command += ["--port", "0", "--queue", str(queue)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        found = re.search(r":(\d+) ", process.stderr.readline())
        assert found is not None
        yield int(found[1]), process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def under_load(clients: int, seconds: float) -> dict[str, Any]:
    """What the clients see, and what memory the service has all the while, each second."""
    memory: list[float] = []
    ended = threading.Event()
    with served(queue=clients) as (port, process):

        def look() -> None:
            while not ended.wait(1):
                memory.append(resident_megabytes(process))

        looking = threading.Thread(target=look)
        looking.start()
        found: dict[str, Any] = worker(__file__, "--load", port, clients, seconds)
        ended.set()
        looking.join()
    settled = memory[int(WARM_UP) + 2 :]
    third = max(len(settled) // 3, 1)
    return {**found, "early": max(settled[:third]), "late": max(settled[-third:])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loop", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--load", type=float, nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.loop is not None:
        print(json.dumps(loop(options.loop)))
        return
    if options.load is not None:
        port, clients, seconds = options.load
        print(json.dumps(load(int(port), int(clients), seconds)))
        return
    alone, together = [], []
    for _ in range(options.rounds):
        alone.append(worker(__file__, "--loop", 10))
        together.append(under_load(options.clients, options.seconds))
    rates = [each["rate"] for each in together]
    rows = {
        "loop, one thread": [shown(alone), "1.00", "", "", "", ""],
        f"service, {options.clients} clients": [
            shown(rates),
            f"{ratio(rates, alone):.2f}",
            shown([1000 * each["p50"] for each in together], 0),
            shown([1000 * each["p99"] for each in together], 0),
            shown([each["early"] for each in together], 0),
            shown([each["late"] for each in together], 0),
        ],
    }
    heads = ("pictures a second", "ratio", "median, ms", "99 %, ms", "memory, first third, MB")
    table(f"{SIZE} px", (*heads, "last third, MB"), rows)
    answers = [each["answers"] for each in together]
    print(f"\nanswers by status, of each round: {json.dumps(answers)}")


if __name__ == "__main__":
    main()
