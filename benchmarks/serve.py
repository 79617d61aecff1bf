"""Throughput and latency of the service under load, compared with a loop in one thread.

    python benchmarks/serve.py [--clients 32] [--seconds 30] [--rounds 3]

The clients run in another process. Each sends one request after the other over its own
connection: a JPEG photograph, for a JPEG result, in all styles, a third of them at strength 0.8.
The loop decodes, stylizes and encodes the same without HTTP and without clients on the cores.
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
WARM_UP = 3.0  # seconds, in which models are opened
STRENGTHS = (1.0, 1.0, 0.8)


def photograph() -> bytes:
    return encode_image(open_photograph(PHOTOGRAPH, SIZE), "JPEG", 90)


def jobs(first: int = 0) -> Iterator[tuple[str, float]]:
    """Styles and strengths in turn, without end."""
    names = [path.stem for path in style_files()]
    pairs = itertools.cycle(itertools.product(STRENGTHS, names))
    return ((name, strength) for strength, name in itertools.islice(pairs, first, None))


def loop(seconds: float) -> float:
    """Images per second in one thread."""
    photo = photograph()
    stylizers = {
        (name, strength): Stylizer(name, strength=strength, threads=1)
        for name, strength in itertools.islice(jobs(), len(STRENGTHS) * len(style_files()))
    }
    for stylize in stylizers.values():
        stylize(open_image(photo))
    done, started = 0, time.perf_counter()
    for job in jobs():
        encode_image(stylizers[job](open_image(photo)), "JPEG")
        done += 1
        if time.perf_counter() - started > seconds:
            break
    return done / (time.perf_counter() - started)


def load(port: int, clients: int, seconds: float) -> dict[str, Any]:
    """The clients' rate, latencies in s, and number of responses by status."""
    photo = photograph()
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    lock = threading.Lock()
    begin = time.perf_counter() + WARM_UP

    def run_client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for name, strength in jobs(7 * number):
            started = time.perf_counter()
            if started > begin + seconds:
                break
            query = f"style={name}&strength={strength}&format=jpg"
            connection.request("POST", f"/api/stylize?{query}", photo)
            response = connection.getresponse()
            response.read()
            ended = time.perf_counter()
            if begin < ended < begin + seconds:
                with lock:
                    latencies.append(ended - started)
                    statuses[response.status] = statuses.get(response.status, 0) + 1
        connection.close()

    threads = [threading.Thread(target=run_client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cuts = statistics.quantiles(latencies, n=100)
    rate = len(latencies) / seconds
    return {"statuses": statuses, "rate": rate, "p50": cuts[49], "p99": cuts[98]}


@contextlib.contextmanager
def served(queue: int) -> Iterator[tuple[int, int]]:
    """Run the service; gives its port and its process ID."""
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
    """The clients' results, and the service's memory at the start and the end, in MB."""
    memory: list[float] = []
    ended = threading.Event()
    with served(queue=clients) as (port, process):

        def sample() -> None:
            while not ended.wait(1):
                memory.append(resident_megabytes(process))

        sampling = threading.Thread(target=sample)
        sampling.start()
        found: dict[str, Any] = worker(__file__, "--load", port, clients, seconds)
        ended.set()
        sampling.join()
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
    loops, loads = [], []
    for _ in range(options.rounds):
        loops.append(worker(__file__, "--loop", 10))
        loads.append(under_load(options.clients, options.seconds))
    rates = [load["rate"] for load in loads]
    rows = {
        "loop, one thread": [shown(loops), "1.00", "", "", "", ""],
        f"service, {options.clients} clients": [
            shown(rates),
            f"{ratio(rates, loops):.2f}",
            shown([1000 * load["p50"] for load in loads], 0),
            shown([1000 * load["p99"] for load in loads], 0),
            shown([load["early"] for load in loads], 0),
            shown([load["late"] for load in loads], 0),
        ],
    }
    heads = ("pictures a second", "ratio", "median, ms", "99 %, ms", "memory, first third, MB")
    table(f"{SIZE} px", (*heads, "last third, MB"), rows)
    statuses = [load["statuses"] for load in loads]
    print(f"\nresponses by status, of each round: {json.dumps(statuses)}")


if __name__ == "__main__":
    main()
