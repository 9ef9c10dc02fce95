"""Charts as SVG text: curves and calibration. No drawing library, so that a page is one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from edge_runtime.measure.calibration import Bin

__all__ = ["calibration_chart", "curves"]

_WIDTH, _HEIGHT = 460, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 28, 34
_COLORS = ("var(--a)", "var(--b)")


def curves(title: str, series: Mapping[str, Sequence[float]]) -> str:
    """Draw one or two lines over the epochs.

    Args:
        title: Above the chart.
        series: Name to one value an epoch; all of one length, at least one.
    """
    values = [v for row in series.values() for v in row]
    low, high = min(values), max(values)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    epochs = max(len(row) for row in series.values())
    parts = [_frame(title)]
    for tick in _ticks(low, high):
        y = _y(tick, low, high)
        parts.append(
            _rule(_LEFT, y, _WIDTH - _RIGHT, y) + _text(_LEFT - 6, y + 4, f"{tick:g}", "end")
        )
    last = _text(_WIDTH - _RIGHT, _HEIGHT - 12, f"epoch {epochs}", "end")
    parts.append(_text(_LEFT, _HEIGHT - 12, "epoch 1", "start") + (last if epochs > 1 else ""))
    for place, (name, row) in enumerate(series.items()):
        color = _COLORS[place % len(_COLORS)]
        points = " ".join(f"{_x(i, epochs):.1f},{_y(v, low, high):.1f}" for i, v in enumerate(row))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>'
            f'<circle cx="{_x(len(row) - 1, epochs):.1f}" cy="{_y(row[-1], low, high):.1f}" r="3" '
            f'fill="{color}"/>'
            f'<text x="{_LEFT + 110 + 150 * place}" y="16" style="fill:{color}">'
            f"{escape(name)} {row[-1]:.3f}</text>"
        )
    return _svg(parts)


def calibration_chart(title: str, bins: Sequence[Bin]) -> str:
    """Draw how often answers are right against how sure they were; bars show how many there are."""
    most = max(1, *(b.n for b in bins))
    parts = [_frame(title)]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(share, 0, 1)
        parts.append(
            _rule(_LEFT, y, _WIDTH - _RIGHT, y) + _text(_LEFT - 6, y + 4, f"{share:.0%}", "end")
        )
    span = _WIDTH - _LEFT - _RIGHT
    for one in bins:
        x, width = _LEFT + one.low * span, (one.high - one.low) * span - 2
        height = (one.n / most) * (_HEIGHT - _TOP - _BOTTOM) * 0.35
        if one.n:
            parts.append(
                f'<rect x="{x + 1:.1f}" y="{_HEIGHT - _BOTTOM - height:.1f}" width="{width:.1f}" '
                f'height="{height:.1f}" fill="var(--faint)"><title>{one.n} answers</title></rect>'
                f'<circle cx="{_LEFT + one.score * span:.1f}" cy="{_y(one.right, 0, 1):.1f}" '
                f'r="4.5" fill="var(--a)"><title>score {one.score:.2f}: right {one.right:.0%} of '
                f"{one.n}</title></circle>"
            )
    parts.append(
        f'<line x1="{_LEFT}" y1="{_y(0, 0, 1):.1f}" x2="{_WIDTH - _RIGHT}" y2="{_y(1, 0, 1):.1f}" '
        'stroke="var(--b)" stroke-dasharray="5 4"/>'
        + _text(_LEFT, _HEIGHT - 12, "score 0", "start")
        + _text(_WIDTH - _RIGHT, _HEIGHT - 12, "score 1", "end")
    )
    return _svg(parts)


def _svg(parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img">'
        + "".join(parts)
        + "</svg>"
    )


def _frame(title: str) -> str:
    return f'<text x="{_LEFT}" y="16" class="title">{escape(title)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="var(--line)"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _x(i: int, epochs: int) -> float:
    return _LEFT + (i / max(1, epochs - 1)) * (_WIDTH - _LEFT - _RIGHT)


def _y(value: float, low: float, high: float) -> float:
    return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two values, four to eight of them."""
    span = high - low
    step = next(
        10.0**power * factor
        for power in range(-9, 9)
        for factor in (1, 2, 5)
        if span / (10.0**power * factor) <= 6
    )
    first = int(low / step) - 1
    ticks = [round(k * step, 10) for k in range(first, first + 12)]
    return [t for t in ticks if low - 1e-9 <= t <= high + 1e-9]
