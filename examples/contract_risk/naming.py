"""Whose contract a text is: what its first lines say, else what its file is called, else whom the questions name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

FIRST_LINES = 20
_FORM = (
    r"(?:Ltd|Limited|LLC|L\.L\.C|Inc|Incorporated|Corp|Corporation|Company|Co|plc|PLC|LLP|LP|GmbH|AG|KG|SE|BV|B\.V|NV|N\.V|SA|S\.A"
    r"|SAS|SARL|SpA|S\.p\.A|Srl|AB|ASA|Oy|ApS|Pty|Pte|LTD|LIMITED|INC|CORP|CORPORATION|COMPANY|CO|GMBH)(?![\w-])\.?(?:,?\s(?:Ltd|LTD|Inc)\b\.?)?"
)
_WORD = r"[^\W_a-zß-ÿ][\w'’.&-]*"
_FIRST = r"(?=\S*[^\W\d_])" + _WORD
_NAME = re.compile(rf"{_FIRST}(?:\s(?:{_WORD}|of|and|de|und|&)){{0,6}}?,?\s{_FORM}")
_ROLE = r"(?:Supplier|Vendor|Seller|Provider|Service Provider|Contractor|Licensor|Distributor|Manufacturer)"
_CALLED = re.compile(
    rf"^[^\"“(]{{0,160}}\(\s*(?:the\s|hereinafter\s)?[\"“'‘*]*(?:the\s)?{_ROLE}\b", re.IGNORECASE
)
_LABEL = re.compile(rf"^\W*{_ROLE}(?:'s)?(?:\sname)?\W*[:–]\W*(?P<name>\S.*)$", re.IGNORECASE)
_BEFORE = re.compile(
    r"\b(?:[Bb]etween|BETWEEN|[Ww]ith|WITH|[Aa]mong|AMONG|AND|[Aa]greement|AGREEMENT|[Dd]ated|DATED|(?:19|20)\d\d|(?:Exhibit|EXHIBIT)\s[\d.]+)(?!\w)"
)
_LINKS = re.compile(r"^(?:(?:of|and|de|und|&)\s)+")
_NO_COMPANY = re.compile(rf"(?:.*\b(?:The|THE|This|THIS)\s)?(?:{_FORM}\s?)+")
_NOT_A_NAME = frozenset(
    "contract contracts agreement amendment addendum supply supplier service services master msa sow final signed executed "
    "draft copy scan document doc file page no of the and for v v1 v2 v3 version nda terms".split()
)
_CAPITALS = re.compile(rf"{_WORD}(?:\s{_WORD})*")


def supplier(text: str, path: Path, questions: Sequence[str] = ()) -> str:
    """The supplier's name.

    Args:
        text: The contract.
        path: Its file, inside the folder of contracts.
        questions: What will be asked.

    Example:
        >>> supplier('between Acme Inc ("Buyer") and Harlow Metals Ltd (the "Supplier")', Path("1.txt"))
        'Harlow Metals Ltd'
        >>> supplier("Payment is due within 30 days.", Path("corvane-foods_contract_2024.txt"))
        'Corvane Foods'
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()][:FIRST_LINES]
    parents = path.parts[-2::-1]
    return (
        _labelled(lines)
        or _in_words(" ".join(lines))
        or next((name for part in (path.stem, *parents) if (name := _from_file(part))), None)
        or _asked_about(text, questions)
        or path.stem
    )


def _labelled(lines: Sequence[str]) -> str | None:
    for line in lines:
        if (found := _LABEL.match(line)) is not None:
            named = _NAME.match(found["name"])
            name = named.group() if named else re.split(r"[,;(|]|\s[-–]\s", found["name"])[0]
            if name.strip(" *_.\"'"):
                return name.strip(" *_\"'")[:80]
    return None


def _in_words(text: str) -> str | None:
    """The company that is called the supplier, else the first that is named."""
    found = ((_trimmed(match.group()), match.end()) for match in _NAME.finditer(text))
    names = [(name, end) for name, end in found if _NO_COMPANY.fullmatch(name) is None]
    called = [name for name, end in names if _CALLED.match(text[end:])]
    return next(iter([*called, *(name for name, _ in names)]), None)


def _trimmed(name: str) -> str:
    return _LINKS.sub("", _BEFORE.split(name)[-1].strip(" ,"))


def _from_file(stem: str) -> str | None:
    words = [word for word in re.split(r"[\W_]+", stem) if word]
    words = [word for word in words if word.lower() not in _NOT_A_NAME and not word.isdigit()]
    words = [
        word
        for word in words
        if not re.fullmatch(r"(?:contract|agreement|doc|file|amendment)\d+", word.lower())
    ]
    name = " ".join(word if word != word.lower() else word.capitalize() for word in words)
    return name or None


def _asked_about(text: str, questions: Sequence[str]) -> str | None:
    """The longest capitalised words of a question that the contract uses, the first word of a question alone excepted."""
    known = " ".join(text.lower().split())
    found = {
        match.group().rstrip(".'’-&")
        for question in questions
        for match in _CAPITALS.finditer(question)
        if match.start() > 0 or " " in match.group()
    }
    fitting = sorted(
        (name for name in found if len(name) > 3 and name.lower() in known),
        key=lambda name: (-len(name), name),
    )
    return fitting[0] if fitting else None
