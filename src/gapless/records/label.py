"""What a person said about one trial, afterwards."""

from __future__ import annotations

from gapless.records.base import Record


class Label(Record, frozen=True, kw_only=True):
    """A person's verdict on a trial. It stands in for the missing end verdict, or corrects it."""

    case: str
    trial: int
    correct: bool
    """Whether the delivered answer was right."""
    blame: str | None = None
    """The first step that went wrong, when the person knows it."""
    note: str = ""


def parse_trial(text: str) -> tuple[str, int]:
    """Reads "case#3" as the trial 3 of a case; "case" alone is trial 0.

    Raises:
        ValueError: What follows "#" is no number.

    Example:
        >>> parse_trial("supplier-7#2")
        ('supplier-7', 2)
    """
    case, mark, number = text.rpartition("#")
    return (case, int(number)) if mark else (text, 0)
