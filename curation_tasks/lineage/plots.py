"""Plots as inline SVG: no file beside the page, the page's own fonts and colours, equal bytes for equal figures.

Matplotlib is imported when the first plot is drawn; its colours are placeholders that become the page's CSS variables, so
that one drawing serves light, dark and paper.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from curation_tasks.lineage.signals import Signal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Placeholder colour of the drawing → CSS variable of the page.
_COLOURS = {
    "#010101": "--ink",
    "#020202": "--muted",
    "#030303": "--line",
    "#040404": "--kept",
    "#050505": "--rejected",
    "#060606": "--bound",
}
_INK, _MUTED, _LINE, _KEPT, _REJECTED, _BOUND = _COLOURS
_BINS = 48
_CENTRED_BINS = 12
_CURVE_POINTS = 500
_LABEL_CHARACTERS = 44
_MOST_REASONS = 20
_SETTINGS = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _MUTED,
    "text.color": _INK,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "axes.axisbelow": True,
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
}


def funnel_plot(rows: Sequence[Mapping[str, Any]]) -> str:
    """Documents that enter each stage, cut into those that leave it and those rejected.

    Args:
        rows: Of ``curation_tasks.lineage.funnel.funnel``.

    Returns:
        An ``<svg>`` element.
    """
    with _axes("funnel", 8.6, 0.6 + 0.42 * len(rows)) as (figure, axes):
        kept, rejected = [row["documents"] for row in rows], [row["rejected"] for row in rows]
        _stage_bars(axes, [row["stage"] for row in rows], kept, rejected)
        for position, row in enumerate(rows):
            share = f" ({row['rejected'] / row['documents_in']:.1%} rejected)" if row["rejected"] else ""
            _bar_label(axes, row["documents_in"], position, f"{row['documents']:,}{share}")
        axes.set_xlim(0, max([*(row["documents_in"] for row in rows), 1]) * 1.28)
        axes.set_xlabel("documents")
        return _svg(figure)


def _stage_bars(axes: Axes, names: Sequence[str], kept: Sequence[int], rejected: Sequence[int]) -> None:
    positions = np.arange(len(names))
    axes.barh(positions, kept, height=0.64, color=_KEPT)
    axes.barh(positions, rejected, left=kept, height=0.64, color=_REJECTED)
    axes.set_yticks(positions, [_short(name) for name in names])
    axes.tick_params(axis="y", length=0, labelcolor=_INK)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x")
    axes.xaxis.set_major_formatter(_counts(max([*map(sum, zip(kept, rejected, strict=True)), 1])))


def _bar_label(axes: Axes, value: float, position: int, text: str) -> None:
    axes.annotate(text, (value, position), xytext=(4, 0), textcoords="offset points", va="center", ha="left", fontsize=8.5)


def reasons_plot(stage: str, reasons: Mapping[str, int]) -> str:
    """Rejected documents of a stage by reason, the most frequent ones first; an ``<svg>`` element."""
    shown = list(reasons.items())[:_MOST_REASONS]
    with _axes(f"reasons of {stage}", 8.6, 0.5 + 0.3 * len(shown)) as (figure, axes):
        positions = np.arange(len(shown))
        axes.barh(positions, [amount for _, amount in shown], height=0.64, color=_REJECTED)
        axes.set_yticks(positions, [_short(reason) for reason, _ in shown])
        axes.tick_params(axis="y", length=0, labelcolor=_INK)
        for position, (_, amount) in enumerate(shown):
            _bar_label(axes, amount, position, f"{amount:,}")
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.grid(axis="x")
        most = max(amount for _, amount in shown)
        axes.set_xlim(0, most * 1.15)
        axes.xaxis.set_major_formatter(_counts(most))
        return _svg(figure)


def signal_plot(signal: Signal) -> str:
    """The distribution of a signal, kept and rejected documents stacked, with a line at each threshold; an ``<svg>`` element.

    The outermost bars hold what lies beyond them: the range shown is that of 99 % of the values and of all thresholds.
    """
    with _axes(f"signal {signal.stage}.{signal.name}", 4.2, 2.2) as (figure, axes):
        edges = bin_edges(signal.values, list(signal.thresholds.values()))
        kept, rejected = _histogram(signal.kept, edges), _histogram(signal.rejected, edges)
        axes.stairs(kept, edges, fill=True, color=_KEPT)
        axes.stairs(kept + rejected, edges, baseline=kept, fill=True, color=_REJECTED)
        for position, bound in sorted({(_line(reason, bound, edges), bound) for reason, bound in signal.thresholds.items()}):
            axes.axvline(position, color=_BOUND, linewidth=1.4, linestyle=(0, (4, 2)))
            inwards = 1 if position < edges[0] + 0.8 * (edges[-1] - edges[0]) else -1
            axes.annotate(
                f"{bound:g}", (position, 1), xycoords=("data", "axes fraction"), xytext=(3 * inwards, -1), textcoords="offset points",
                ha="left" if inwards > 0 else "right", va="top", fontsize=8, color=_BOUND,
            )  # fmt: skip
        highest = max(1, (kept + rejected).max())
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(0, highest * 1.18)  # room for the numbers of the thresholds
        axes.grid(axis="y")
        axes.tick_params(labelsize=8)
        axes.locator_params(axis="y", nbins=4)
        if _centred(edges):
            axes.locator_params(axis="x", integer=True)
        axes.yaxis.set_major_formatter(_counts(highest))
        return _svg(figure)


def precision_recall_plot(bounds: np.ndarray, precision: np.ndarray, recall: np.ndarray) -> str:
    """Precision over recall of a classifier, with some bounds marked; an ``<svg>`` element.

    Args:
        bounds: float64, shape (n,), falling.
        precision: float64, shape (n,), of what has a score of at least the bound.
        recall: float64, shape (n,).
    """
    shown = np.unique(np.searchsorted(recall, np.linspace(0, 1, _CURVE_POINTS)).clip(0, len(recall) - 1))
    with _axes("precision and recall", 4.2, 3.2) as (figure, axes):
        axes.plot(recall[shown], precision[shown], color=_KEPT, linewidth=1.6, drawstyle="steps-post")
        for bound in (0.1, 0.5, 0.9):
            at = np.searchsorted(-bounds, -bound, "right") - 1
            if at >= 0:
                axes.plot(recall[at], precision[at], marker="o", markersize=4, color=_BOUND)
                axes.annotate(
                    f"{bound:g}", (recall[at], precision[at]), xytext=(-5, -5), textcoords="offset points", ha="right", va="top",
                    fontsize=8, color=_BOUND,
                )  # fmt: skip
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0, 1.02)
        axes.grid()
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")
        return _svg(figure)


def scores_plot(scores: np.ndarray, positive: np.ndarray) -> str:
    """Distribution of a classifier's scores, positive and other documents, each as shares of its own; an ``<svg>`` element."""
    with _axes("scores", 4.2, 3.2) as (figure, axes):
        edges = np.linspace(0, 1, 41)
        for chosen, colour in ((positive, _KEPT), (~positive, _REJECTED)):
            shares = np.histogram(scores[chosen], edges)[0] / max(1, chosen.sum())
            axes.stairs(shares, edges, color=colour, linewidth=1.6)
        axes.set_xlim(0, 1)
        axes.grid(axis="y")
        axes.set_xlabel("score")
        axes.set_ylabel("share of the documents")
        return _svg(figure)


def sweep_plot(name: str, bounds: np.ndarray, alone: np.ndarray, together: np.ndarray, bound: float) -> str:
    """The share of documents that a rule keeps as its threshold moves; an ``<svg>`` element.

    Args:
        name: Of the plot, unlike those of others on the page.
        bounds: float64, shape (n,), ascending: thresholds.
        alone: float64, shape (n,), 0 to 1: what the rule alone keeps.
        together: float64, shape (n,), 0 to 1: what it keeps together with the others as they are.
        bound: The threshold as it is.
    """
    with _axes(f"sweep {name}", 4.2, 2.2) as (figure, axes):
        axes.plot(bounds, 100 * alone, color=_MUTED, linewidth=1.4, linestyle=(0, (1, 1)))
        axes.plot(bounds, 100 * together, color=_KEPT, linewidth=1.8)
        axes.axvline(bound, color=_BOUND, linewidth=1.4, linestyle=(0, (4, 2)))
        axes.set_xlim(bounds[0], bounds[-1] if bounds[-1] > bounds[0] else bounds[0] + 1)
        axes.set_ylim(-3, 103)
        axes.grid(axis="y")
        axes.tick_params(labelsize=8)
        axes.locator_params(axis="y", nbins=5)
        axes.yaxis.set_major_formatter(lambda value, position=0: f"{value:.0f} %")
        return _svg(figure)


def bin_edges(values: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """Edges of equally wide bins. Bins of whole numbers hold equally many of them, so that no comb appears; few are centred.

    Args:
        values: float64, shape (n,), n > 0, finite.
        thresholds: Bounds that must lie inside.

    Returns:
        float64, shape (bins + 1,), ascending.
    """
    low, high = np.quantile(values, [0.005, 0.995])
    low, high = min([low, *thresholds]), max([high, *thresholds])
    if np.all(values == np.floor(values)):
        low, high = np.floor(low), np.floor(high) + 1
        step = max(1.0, np.ceil((high - low) / _BINS))
        edges = low + step * np.arange(int(np.ceil((high - low) / step)) + 1)
        return edges - 0.5 if len(edges) <= _CENTRED_BINS + 1 else edges
    if high <= low:
        high = low + max(abs(low) * 0.01, 1e-9)
    return np.linspace(low, high, _BINS + 1)


def _centred(edges: np.ndarray) -> bool:
    """Whether bars stand on whole numbers, rather than between two edges of a scale."""
    return len(edges) <= _CENTRED_BINS + 1 and edges[0] % 1 == 0.5


def _line(reason: str, bound: float, edges: np.ndarray) -> float:
    """Where to draw a threshold: at its value; among centred bars, on that side of its bar where rejection begins."""
    if not _centred(edges) or bound % 1:
        return bound
    return bound - 0.5 if reason.endswith(".min") else bound + 0.5 if reason.endswith(".max") else bound


def _histogram(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]


@contextmanager
def _axes(name: str, width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure of its own, without pyplot's global state. ``name`` makes its ids differ from those of other plots."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({**_SETTINGS, "svg.hashsalt": name}), warnings.catch_warnings():
        # Names in other scripts are drawn by the browser; that Matplotlib's font lacks their glyphs is no matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        figure.set_label(name)
        yield figure, figure.add_subplot()


def _svg(figure: Figure) -> str:
    """The drawing as an element for an HTML page: no prolog, no metadata, no ids but those used, the page's colours."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    text = text.replace("xlink:href", "href")
    text = _own_identities(text, figure.get_label())
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r"font-family: [^;\"]*", "font-family: var(--sans)", text)
    text = re.sub(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true" focusable="false">', text, count=1)
    for colour, variable in _COLOURS.items():
        text = text.replace(colour, f"var({variable})")
    return re.sub(r"\n\s*", "\n", text).strip()


def _own_identities(svg: str, name: str) -> str:
    """Drops the ids that nothing refers to and makes the others differ from those of the page's other drawings."""
    prefix = f"plot-{xxhash.xxh3_64_hexdigest(name.encode())}-"
    used = {identity: f"{prefix}{number}" for number, identity in enumerate(dict.fromkeys(re.findall(r'(?:href="|url\()#([^")]+)', svg)))}

    def rename(tag: re.Match[str]) -> str:
        text = re.sub(r' id="([^"]*)"', lambda found: f' id="{used[found[1]]}"' if found[1] in used else "", tag[0])
        return re.sub(r'((?:href="|url\()#)([^")]+)', lambda found: found[1] + used[found[2]], text)

    return re.sub(r"<[^>]+>", rename, svg)


def _short(name: str) -> str:
    """The beginning and the end, which say whose rule it is and which side."""
    end = _LABEL_CHARACTERS // 2
    return name if len(name) <= _LABEL_CHARACTERS else f"{name[: _LABEL_CHARACTERS - 1 - end]}…{name[-end:]}"


def _counts(highest: float) -> Callable[[float, int], str]:
    """Ticks of an axis of counts, all in one unit: ``400``, ``15k``, ``3M``."""
    size, unit = next(((size, unit) for size, unit in ((1e9, "B"), (1e6, "M"), (1e4, "k")) if highest >= size), (1, ""))
    size = 1e3 if unit == "k" else size

    def tick(value: float, position: int = 0) -> str:
        return f"{value / size:g}{unit if value else ''}" if unit else (f"{value:,.0f}" if value == int(value) else "")

    return tick
