"""Identifiers for people: 26 characters that sort by time (the ULID form)."""

from __future__ import annotations

import os
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_ulid(at: float | None = None) -> str:
    """A fresh ULID: 48 bits of milliseconds, 80 random bits, in Crockford's base 32.

    Args:
        at: Unix time in seconds that it sorts by; now when None.
    """
    number = (int((time.time() if at is None else at) * 1000) << 80) | int.from_bytes(os.urandom(10), "big")
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))
