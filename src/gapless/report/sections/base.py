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

    def filled(self) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """Heads and rows without the columns in which no row has anything."""
        kept = [i for i in range(len(self.heads)) if i == 0 or any(row[i] for row in self.rows)]
        heads = tuple(self.heads[i] for i in kept)
        return heads, tuple(tuple(row[i] for i in kept) for row in self.rows)
