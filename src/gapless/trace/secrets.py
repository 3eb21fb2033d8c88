"""The secret values that one trial has shown so far, and how they are masked wherever else they appear in it."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any, cast
from urllib.parse import quote, quote_plus

from gapless.records.value import REDACTED

SHORTEST = 4
"""A shorter text is masked under its key alone: elsewhere it would be found in half of all words."""
_SMALLEST = 100_000
_ORDINARY = frozenset(("none", "null", "true", "false"))
_SCHEME = re.compile(r"(?:bearer|basic|token)\s+(\S.*)", re.IGNORECASE | re.DOTALL)
_CUT = re.compile(r"(\.\.\.|…)")
_LONGEST_CUT = 2_000
_MANY = 50


class Secrets:
    """Values that were found under a redacted key."""

    def __init__(self) -> None:
        self.hits = 0
        """How often a value was masked under its key."""
        self._texts: set[str] = set()
        self._numbers: set[int] = set()
        self._sorted: list[str] | None = None
        self._lengths: dict[str, list[int]] = {}
        """How a secret begins -> the lengths of those that begin so, longest first."""

    def add(self, value: Any) -> None:
        """Remembers every text of at least four characters and every whole number of at least six digits in a value."""
        if isinstance(value, dict):
            for inner in cast("dict[str, Any]", value).values():
                self.add(inner)
        elif isinstance(value, list):
            for inner in cast("list[Any]", value):
                self.add(inner)
        elif isinstance(value, bytes):
            self._add_text(value.decode("utf-8", errors="replace"))
        elif isinstance(value, str):
            self._add_text(value)
        elif type(value) is int and abs(value) >= _SMALLEST:
            self._numbers.add(value)
            self._add_text(str(abs(value)))

    def text(self, text: str) -> str:
        """A text with every secret in it masked."""
        secrets = self._longest_first()
        if len(secrets) > _MANY:
            return self._scanned(text)
        for secret in secrets:
            if secret in text:
                text = text.replace(secret, REDACTED)
        return text

    def _scanned(self, text: str) -> str:
        """The same for many secrets, whose number then costs nothing: they are looked up by how they begin."""
        parts: list[str] = []
        at = done = 0
        while at <= len(text) - SHORTEST:
            lengths = self._lengths.get(text[at : at + SHORTEST], ())
            length = next((one for one in lengths if text[at : at + one] in self._texts), None)
            if length is None:
                at += 1
                continue
            parts += [text[done:at], REDACTED]
            at = done = at + length
        return "".join((*parts, text[done:]))

    def reason(self, text: str) -> str:
        """`text` for error messages and reasons, which may show a secret cut short: its beginning or its end."""
        pieces = _CUT.split(self.text(text))
        for number in range(0, len(pieces), 2):  # between them stand the marks of the cuts
            for secret in self._longest_first():
                pieces[number] = _without_beginning(pieces[number], secret)
                if number:
                    pieces[number] = _without_end(pieces[number], secret)
        return "".join(pieces)

    def plain(self, value: Any) -> Any:
        """Plain data with every secret in it masked, in keys as well."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            items = cast("dict[str, Any]", value).items()
            return {self.text(key): self.plain(inner) for key, inner in items}
        if isinstance(value, list):
            return [self.plain(inner) for inner in cast("list[Any]", value)]
        if isinstance(value, bytes):
            return self._bytes(value)
        return REDACTED if type(value) is int and value in self._numbers else value

    def _bytes(self, value: bytes) -> bytes:
        for secret in self._longest_first():
            value = value.replace(secret.encode("utf-8", errors="replace"), REDACTED.encode())
        return value

    def _add_text(self, text: str) -> None:
        bare = text.strip()
        scheme = _SCHEME.fullmatch(bare)
        self._sorted = None
        for one in (bare, scheme[1]) if scheme else (bare,):
            if len(one) >= SHORTEST and one.lower() not in _ORDINARY and one not in REDACTED:
                self._texts.update(_spellings(one))

    def _longest_first(self) -> list[str]:
        if self._sorted is None:
            self._sorted = sorted(self._texts, key=lambda text: (-len(text), text))
            self._lengths = {}
            for text in self._sorted:
                lengths = self._lengths.setdefault(text[:SHORTEST], [])
                if lengths[-1:] != [len(text)]:
                    lengths.append(len(text))
        return self._sorted


def _spellings(text: str) -> set[str]:
    """A text as it is, and as it looks inside JSON, inside JSON in JSON, inside a repr and in an address."""
    quoted = {text, repr(text)[1:-1]}
    for _ in range(2):
        quoted |= {json.dumps(one, ensure_ascii=ascii_)[1:-1] for one in quoted for ascii_ in (True, False)}
    with suppress(UnicodeEncodeError):  # half a surrogate pair has no address
        quoted |= {quote(text, safe=""), quote_plus(text)}
    return quoted


def _without_beginning(text: str, secret: str) -> str:
    """Masks the beginning of a secret where the text ends: "sk-1234..."."""
    if secret[:SHORTEST] not in text[-_LONGEST_CUT:]:
        return text
    for length in range(min(len(secret) - 1, len(text), _LONGEST_CUT), SHORTEST - 1, -1):
        if text.endswith(secret[:length]):
            return text[:-length] + REDACTED
    return text


def _without_end(text: str, secret: str) -> str:
    """Masks the end of a secret where the text begins: "...7890"."""
    if secret[-SHORTEST:] not in text[:_LONGEST_CUT]:
        return text
    for length in range(min(len(secret) - 1, len(text), _LONGEST_CUT), SHORTEST - 1, -1):
        if text.startswith(secret[-length:]):
            return REDACTED + text[length:]
    return text
