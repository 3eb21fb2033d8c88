"""Which supplier a question is about: the register's names against the question's words, spelling mistakes allowed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

_FORMS = {"ltd", "gmbh", "inc", "bv", "sa", "limited", "llc", "corp", "ag", "plc"}
_WORD = re.compile(r"[^\W_]+")
LIKE = 0.86
"""How alike a name and the question's words must be, 0 to 1."""
CLEAR = 0.03
"""How much better the best name must be than the next one."""


def understand(question: str, register: Mapping[str, str]) -> dict[str, Any]:
    """The supplier that is asked about.

    Args:
        question: As somebody typed it.
        register: Supplier id -> legal name.

    Returns:
        `supplier` and `name`, or None for both; `candidates`, the ids that came into question.
    """
    words = [word for word in _words(question) if word != "s"]
    likeness = {supplier: _likeness(_core(name), words) for supplier, name in register.items()}
    best = max(likeness.values(), default=0.0)
    candidates = [supplier for supplier, like in likeness.items() if like >= LIKE and like > best - CLEAR]
    # "Harlow Logistics Services" contains "Harlow Logistics": the longer name explains more of the question
    longest = max((len(_core(register[supplier])) for supplier in candidates), default=0)
    candidates = [supplier for supplier in candidates if len(_core(register[supplier])) == longest]
    if len(candidates) != 1:
        return {"supplier": None, "name": None, "candidates": candidates}
    return {"supplier": candidates[0], "name": register[candidates[0]], "candidates": candidates}


def names(question: str, name: str) -> bool:
    """Whether a question names somebody, spelling mistakes allowed."""
    words = [word for word in _words(question) if word != "s"]
    return _likeness(_core(name), words) >= LIKE


def _core(name: str) -> list[str]:
    return [word for word in _words(name) if word not in _FORMS]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace(".", ""))  # "S.A." is one word, and "SA" the same


def _likeness(name: list[str], words: list[str]) -> float:
    """How alike a name and the most similar words of a question are; 0 below `LIKE`, where it does not matter how far below."""
    if not name:
        return 0.0
    text = " ".join(name)
    letters = Counter(text)
    best = 0.0
    for at in range(max(1, len(words) - len(name) + 1)):
        window = " ".join(words[at : at + len(name)])
        both = len(text) + len(window)
        # Two quick bounds spare the slow comparison with nearly every name of a long register.
        if (
            2 * min(len(text), len(window)) < LIKE * both
            or 2 * (letters & Counter(window)).total() < LIKE * both
        ):
            continue
        best = max(best, SequenceMatcher(None, text, window, autojunk=False).ratio())
    return best if best >= LIKE else 0.0
