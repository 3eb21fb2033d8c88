"""An action that may happen once: what is known of it when somebody is about to run it."""

from __future__ import annotations

from typing import Any, Literal

from gapless.records.base import Record


class Entry(Record, frozen=True):
    """What a ledger knows of an action."""

    status: Literal["new", "open", "done"]
    """new: nobody has started it, and it is now reserved for the caller; open: it was started and nobody knows whether
    it took place; done: it took place."""
    value: Any = None
    """What it handed over, once done."""
