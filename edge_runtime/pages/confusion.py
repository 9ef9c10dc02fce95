"""Which label is taken for which, as a table."""

from __future__ import annotations

from html import escape

import numpy as np
import numpy.typing as npt

__all__ = ["WIDEST_MATRIX", "confusion_table", "share"]

WIDEST_MATRIX = 24  # labels; with more, the most frequent confusions are listed
_MOST_CONFUSED = 24


def confusion_table(
    counts: npt.NDArray[np.int64], labels: tuple[str, ...], caption: str = ""
) -> str:
    """Return a table of (K, K) counts, a row a true label and a column an answer."""
    few = len(labels) <= WIDEST_MATRIX
    return _matrix(counts, labels, caption) if few else _confused(counts, labels)


def _matrix(counts: npt.NDArray[np.int64], labels: tuple[str, ...], caption: str) -> str:
    head = "".join(f"<th><span>{escape(label)}</span></th>" for label in labels)
    body = ""
    for i, label in enumerate(labels):
        total = max(1, int(counts[i].sum()))
        cells = "".join(
            f'<td style="--share:{counts[i, j] / total:.3f}" class="{"hit" if i == j else "miss"}" '
            f'title="{escape(label)} taken for {escape(labels[j])}: {counts[i, j]} of {total}">'
            f"{counts[i, j] or ''}</td>"
            for j in range(len(labels))
        )
        body += f"<tr><th>{escape(label)}</th>{cells}</tr>"
    return (
        f'<table class="matrix"><caption>{escape(caption)}a row a true label, a column an answer'
        "</caption>"
        f"<tr><th></th>{head}</tr>{body}</table>"
    )


def _confused(counts: npt.NDArray[np.int64], labels: tuple[str, ...]) -> str:
    off = counts.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None, kind="stable")[:_MOST_CONFUSED]
    rows = "".join(
        f"<tr><td>{escape(labels[i])}</td><td>{escape(labels[j])}</td><td>{off[i, j]}</td></tr>"
        for i, j in (divmod(int(k), len(labels)) for k in order)
        if off[i, j]
    )
    return (
        '<table class="figures"><caption>most frequent confusions</caption>'
        f"<tr><th>is</th><th>taken for</th><th>times</th></tr>{rows}</table>"
    )


def share(value: float | None) -> str:
    """Return a precision or recall as people read it; of a label nobody said there is none."""
    return "none" if value is None else f"{value:.1%}"
