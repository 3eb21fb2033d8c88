"""A section as every face shows it: a title, a sentence, a table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table with its words. A part of a gap that has nothing to say gives no section."""

    title: str
    lead: str
    """What the figures are, in one or two sentences."""
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """One cell per head. The first is a name, often a user's word; the others are figures with their interval."""
    under: str = ""
    """What must be read with it."""
    ours: bool = False
    """Whether the names in the first column are gapless' own words."""
