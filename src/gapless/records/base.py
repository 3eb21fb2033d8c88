"""The one base every record shares: frozen, keyword-only, strict about unknown keys."""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A frozen value that may pass between rooms. It holds facts, never behaviour that needs another room.

    The records of which a trial has many are declared with `gc=False`: made of facts and of each other, they are never part
    of a cycle, and the garbage collector need not walk them.
    """
