"""The report's plots, as SVG."""

from __future__ import annotations

import io
import statistics
from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fast_nst.comparison.measure import Comparison

_OPTIMIZER, _NETWORK = "#3b6ea8", "#d1495b"


def loss_curves(comparisons: Sequence[Comparison]) -> str:
    """Plot total loss over time and over iterations, one thin line a photograph, a bold mean."""
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fast_nst"}):
        figure = Figure(figsize=(11, 4), layout="constrained")
        by_time, by_step = figure.subplots(1, 2, sharey=True)
        _against_time(by_time, comparisons)
        _against_iterations(by_step, comparisons)
        for axes in (by_time, by_step):
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    svg = buffer.getvalue()
    return svg[svg.index("<svg") :]  # HTML does not allow the XML declaration


def _mean(curves: Sequence[Sequence[float]]) -> list[float]:
    return [statistics.fmean(values) for values in zip(*curves, strict=True)]


def _against_time(axes: Axes, comparisons: Sequence[Comparison]) -> None:
    for item in comparisons:
        axes.plot(item.curve["seconds"], item.curve["total"], color=_OPTIMIZER, lw=0.6, alpha=0.35)
        axes.plot(item.network_seconds, item.network["total"], ".", color=_NETWORK, alpha=0.35)
    seconds = _mean([item.curve["seconds"] for item in comparisons])
    axes.plot(seconds, _mean([item.curve["total"] for item in comparisons]), color=_OPTIMIZER, lw=2)
    axes.plot(
        statistics.fmean(item.network_seconds for item in comparisons),
        statistics.fmean(item.network["total"] for item in comparisons),
        "o",
        ms=9,
        color=_NETWORK,
    )
    axes.set_xscale("log")
    axes.set_xlabel("seconds")
    axes.set_ylabel("total loss")


def _against_iterations(axes: Axes, comparisons: Sequence[Comparison]) -> None:
    for item in comparisons:
        axes.plot(item.curve["total"], color=_OPTIMIZER, lw=0.6, alpha=0.35)
    total = _mean([item.curve["total"] for item in comparisons])
    axes.plot(total, color=_OPTIMIZER, lw=2, label="optimizer")
    network = statistics.fmean(item.network["total"] for item in comparisons)
    axes.axhline(network, color=_NETWORK, lw=2, label="network")
    axes.set_xlabel("iterations")
    axes.set_xscale("symlog", linthresh=10)
    axes.set_xlim(0, len(total) - 1)
    ticks = [t for t in (0, 5, 10, 25, 50, 100, 200, 500, 1000) if t < len(total)]
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.minorticks_off()
    axes.legend(frameon=False)
