"""Reasons that fit a line."""

from __future__ import annotations

MOST = 160
"""Characters."""


def brief(text: str, most: int = MOST) -> str:
    """The beginning of a text: whole sentences where one ends in time, else whole words and a mark.

    Example:
        >>> brief("No elicitation here. Use another client.", 30)
        'No elicitation here.'
        >>> brief("the answer is not as declared", 20)
        'the answer is not…'
    """
    if len(text) <= most:
        return text
    head = text[:most]
    end = head.rfind(". ")
    if end > 0:
        return head[: end + 1]
    words = head[: most - 1]
    return f"{words.rpartition(' ')[0] or words}…"
