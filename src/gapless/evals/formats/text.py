"""Plain text: one input per line."""

from __future__ import annotations

from gapless.evals.formats.base import Entry, Source


def read(name: str, text: str) -> Source:
    """Reads one input per line; empty lines are passed over."""
    lines = enumerate(text.splitlines(), 1)
    return Source(name, [Entry(line, f"{name}:{number}") for number, line in lines if line.strip()])
