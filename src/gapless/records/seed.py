"""Seeds: sha256 of what a random stream belongs to, so that comparisons pair across conditions and versions."""

from __future__ import annotations

import hashlib


def seed_of(*parts: str | int) -> int:
    """A 63-bit seed for a stream: `seed_of(suite_seed, case, trial, "weather")`.

    Neither condition nor version may be among the parts: two conditions must meet the same luck.

    Example:
        >>> seed_of(0, "c1", 0, "trial") == seed_of(0, "c1", 0, "trial")
        True
        >>> seed_of(0, "a", "b") == seed_of(0, "ab")
        False
    """
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
