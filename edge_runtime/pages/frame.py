"""A page for people to look at: one file, no script, nothing fetched."""

from __future__ import annotations

from html import escape

from edge_runtime.pages.style import STYLE

__all__ = ["section", "whole_page"]


def whole_page(title: str, body: str) -> str:
    """Return the page.

    Args:
        title: Plain text.
        body: HTML.
    """
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}</style></head><body>{body}</body></html>\n"
    )


def section(title: str, body: str) -> str:
    """Return a part of a page: `title` is plain text, `body` HTML."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>"
