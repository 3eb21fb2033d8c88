"""Finds proper names of several words and names of companies, and looks them up in evidence.

A single capitalised word is no name here: too many only begin a sentence. The reading is English; legal forms of
companies are known for a dozen countries.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"&|[^\W\d_](?:[\w&]|['’.-](?=\w))*")
_JOINING = frozenset("of the and for de del della der di du la le van von den & y e".split())
_MAX_JOINING = 2
_FORMS = {
    "ltd": "limited", "inc": "incorporated", "corp": "corporation", "co": "company", "s.a": "sa", "b.v": "bv",
    "n.v": "nv", "s.p.a": "spa", "s.r.l": "srl", "l.l.c": "llc", "l.l.p": "llp", "p.l.c": "plc", "a.g": "ag",
}  # fmt: skip
_FORM = frozenset(
    "limited incorporated corporation company llc llp lp plc gmbh ag kg se sa sarl sas bv nv ab oy oyj asa aps spa "
    "srl pty pte kk".split()
)
_NO_NAME = frozenset(
    "a an the this that these those it its he she we you they i our your their his her my in on at by to of for from "
    "with under over per as if when while where which who what how why and or but nor so yet not no yes all any both "
    "each every some such only also however therefore thus hence moreover furthermore finally first second third "
    "before after since until upon within without according based given because although though there here is are "
    "was were has have had do does did can could may might must shall should will would please note see section "
    "clause article exhibit schedule annex appendix figure table page "
    "january february march april june july august september october november december monday tuesday wednesday "
    "thursday friday saturday sunday q1 q2 q3 q4 usd eur gbp chf jpy".split()
)
_SENTENCE_END = '.!?:;\n"“”*•-–—(['


@dataclass(frozen=True, slots=True)
class Name:
    """A proper name in a text."""

    text: str
    """As written."""
    span: tuple[int, int]
    """Where in the text it is."""
    company: bool = False
    """Whether it ends in a legal form: Ltd, GmbH, Inc."""
    opening: bool = False
    """Whether it opens a sentence: then its first word may be an ordinary one."""


class NameEvidence:
    """The words of many texts, read once, to look names up in."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._words = " | ".join(["", *(" ".join(_words(text)) for text in texts), ""])

    def holds(self, name: Name) -> bool:
        """Whether the evidence has the name: whole words, whatever their case; "Ltd" is "Limited", but not "GmbH"."""
        words = list(_words(name.text))
        if self._has(words) or all(self._has(part) for part in _split(words)):
            return True
        return name.opening and len(words) > 1 and self._has(words[1:]) and self._has(words[:1])

    def _has(self, words: list[str]) -> bool:
        return f" {' '.join(words)} " in self._words


def names(text: str) -> tuple[Name, ...]:
    """The proper names of a text, in order: several capitalised words in a row, or a company with its legal form.

    Headings, labels before a colon at the start of a line, and lines in capitals are passed over.

    Example:
        >>> [name.text for name in names("The cap of Acme Ltd. was set by Maria de la Cruz in New York.")]
        ['Acme Ltd', 'Maria de la Cruz', 'New York']
    """
    return tuple(name for start, line in _lines(text) for name in _in_line(text, start, line))


def ungrounded_names(text: str, evidence: NameEvidence | Iterable[str]) -> tuple[Name, ...]:
    """The names of a text that occur nowhere in the evidence."""
    known = evidence if isinstance(evidence, NameEvidence) else NameEvidence(evidence)
    return tuple(name for name in names(text) if not known.holds(name))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.splitlines(keepends=True):
        if not line.lstrip().startswith("#"):
            yield start, line
        start += len(line)


def _in_line(text: str, offset: int, line: str) -> Iterator[Name]:
    shouting = line.upper() == line
    for run in _runs(line):
        tokens = _trimmed(run)
        company = bool(tokens) and _plain(tokens[-1].group()) in _FORM
        if len(tokens) < 2 or (shouting and not company):
            continue
        start, end = tokens[0].start(), tokens[-1].end()
        if line[end:].lstrip("*_ ").startswith(":") and not line[:start].strip(" \t*_-•>"):
            continue
        before = line[:start].rstrip(" \t")
        opening = tokens[0] is run[0] and (not before or before[-1] in _SENTENCE_END)
        span = (offset + start, offset + end)
        yield Name(text[span[0] : span[1]], span, company, opening)


def _runs(line: str) -> Iterator[list[re.Match[str]]]:
    """Capitalised words that stand side by side, with the small words between them."""
    run: list[re.Match[str]] = []
    small: list[re.Match[str]] = []
    for token in _TOKEN.finditer(line):
        word, last = token.group(), (small or run or [None])[-1]
        gap = line[last.end() : token.start()] if last is not None else ""
        beside = not gap.strip(" \t") or (gap.strip() in (",", ".,") and _plain(word) in _FORM)
        if not beside:
            yield run
            run, small = [], []
        if word[0].isupper():
            run += [*small, token]
            small = []
        elif run and word in _JOINING and len(small) < _MAX_JOINING:
            small.append(token)
        else:
            yield run
            run, small = [], []
    yield run


def _trimmed(run: list[re.Match[str]]) -> list[re.Match[str]]:
    first, last = 0, len(run)
    while first < last and run[first].group().lower() in _NO_NAME:
        first += 1
    while last > first and run[last - 1].group().lower() in _NO_NAME:
        last -= 1
    return run[first:last]


def _split(words: list[str]) -> list[list[str]]:
    """What stands on either side of an "and": two names, unless the evidence knows them as one."""
    here = words.index("and") if "and" in words else len(words)
    return [words[:here], *_split(words[here + 1 :])] if here < len(words) else [words]


def _words(text: str) -> Iterator[str]:
    for token in _TOKEN.finditer(text):
        word = _plain(token.group())
        yield "and" if word == "&" else word


def _plain(word: str) -> str:
    """A word in small letters, without a possessive; a legal form in its one spelling."""
    low = word.casefold().replace("’", "'").removesuffix("'s")
    return _FORMS.get(low, low)
