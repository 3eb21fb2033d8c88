"""The one base every record shares: frozen, keyword-only, strict about unknown keys."""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A frozen value that may pass between rooms. It holds facts, never behaviour that needs another room."""
