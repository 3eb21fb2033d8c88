"""A folder of anybody's contracts as a corpus: suppliers by name, passages by section, amendments by date.

There is no truth in it: what the agent answers is judged by nobody until somebody labels it or writes checks.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from contract_risk import naming, reading
from contract_risk.corpus import Corpus, Passage, Supplier
from contract_risk.extract import dates
from gapless import Case, Suite

QUESTION = "Summarize the financial risk of supplier {name} using our internal contracts."
_LONGEST = 1_500
"""Characters of one passage; a longer section is cut between sentences."""
_NAMES_SHOWN = 8
_AMENDS = re.compile(r"\b(?:amendment|addendum|variation agreement)\b", re.IGNORECASE)
_NUMBER = r"(?P<{0}>\d+(?:\.\d+)*|[IVX]+)"
_NAMED = re.compile(
    rf"^(?:[^.]{{0,120}},\s+)?(?:Section|Article|Clause|SECTION|ARTICLE|CLAUSE|§)\s*{_NUMBER.format('number')}\s*(?:[:.–-]\s*|\s)(?P<title>[A-Z].{{0,80}}?)[.:]?$"
)
_MARKED = re.compile(r"^#{1,6}\s+(?:(?P<number>\d+(?:\.\d+)*)[.):]?\s+)?(?P<title>\S.*)$")
_NUMBERED = re.compile(
    r"^(?P<number>\d{1,2}(?:\.\d{1,2})*)[.):]?\s+(?P<title>[A-Z][^.:]{1,60})[.:]?(?:\s+(?P<rest>\S.*))?$"
)
_SENTENCE = re.compile(r"(?<=[A-Za-z)0-9%])\.\s+(?=[A-Z])")


class _Section(NamedTuple):
    number: str
    title: str
    text: str


def corpus(
    folder: Path, questions: Sequence[str] = (), today: dt.date | None = None
) -> tuple[Corpus, list[str]]:
    """The contracts of a folder, and what there is to say about them.

    Args:
        folder: One contract per file, in subfolders too.
        questions: What will be asked: names a supplier whose file and contract do not.
        today: The day for which amendments count; this one when None.

    Raises:
        UsageError: As `reading.read` does.
    """
    files, notes = reading.read(folder)
    day = today or dt.datetime.now(dt.UTC).date()
    passages: dict[str, list[Passage]] = {}
    names: dict[str, str] = {}
    for file in files:
        name = naming.supplier(file.text, file.path, questions)
        who = re.sub(r"[\W_]+", "-", name.lower()).strip("-")  # "Kubient, Inc." is "Kubient Inc"
        names.setdefault(who, name)
        passages.setdefault(who, []).extend(_passages(file, who, names[who], day))
    suppliers = tuple(
        Supplier(id=who, name=name, currency="USD", passages=tuple(passages[who]))
        for who, name in names.items()
    )
    found = Corpus(suppliers, day)
    counts = (len(files), "contract"), (len(suppliers), "supplier"), (len(found.passages), "passage")
    count = ", ".join(f"{n} {what}{'s' if n != 1 else ''}" for n, what in counts) + f", as of {day}"
    return found, [count, f"suppliers: {_shown(names)}", *notes]


def _shown(names: dict[str, str]) -> str:
    shown = ", ".join(list(names.values())[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def questions_about(found: Corpus) -> Suite:
    """One question for each supplier, without labels."""
    cases = (
        Case(id=supplier.id, input={"question": QUESTION.format(name=supplier.name)})
        for supplier in found.suppliers
    )
    return Suite(name="contracts", cases=tuple(cases))


def _passages(file: reading.Written, who: str, name: str, today: dt.date) -> Iterator[Passage]:
    head = "\n".join(line for line in file.text.splitlines() if line.strip())[:600]
    title = head.partition("\n")[0]
    amends = _AMENDS.search(title) is not None or _AMENDS.search(file.path.stem) is not None
    signed = next(iter(dates(head)), None)
    # an amendment that does not say since when is taken to be in force
    effective = signed.isoformat() if signed else today.isoformat()
    document = f"amendment: {file.path}" if amends else "agreement"
    for at, section in enumerate(_sections(file.text, apart=amends)):
        yield Passage(
            id=f"{file.path}#{at}",
            supplier=who,
            document=document,
            section=section.number,
            effective=effective,
            text=f"{name}, {file.path}, Section {section.number}: {section.title}.\n{section.text}",
            topic="",
            indexed_at=file.indexed_at,
        )


def _sections(text: str, *, apart: bool) -> Iterator[_Section]:
    """The sections of a contract in their order, long ones in parts.

    Args:
        text: The contract.
        apart: Whether each paragraph stands for itself: an amendment's paragraphs change one section each.
    """
    number, title = "0", "Preamble"
    body: list[str] = []
    for at, paragraph in enumerate(re.split(r"\n\s*\n", text), start=1):
        lines = [line.strip() for line in paragraph.splitlines() if line.strip()]
        said: list[str] = []
        for place, line in enumerate(lines):
            heading = _heading(line, first=place == 0)
            if heading is None:
                said.append(line)
                continue
            yield from _cut(number, title, [*body, *_sentence(said)])
            number, title, body = heading.number or str(at), heading.title, []
            said = [heading.text] if heading.text else []
        body += _sentence(said)
        if apart:
            yield from _cut(number, title, body)
            body = []
    yield from _cut(number, title, body)


def _sentence(lines: Sequence[str]) -> list[str]:
    """A paragraph that ends like a sentence: it must not run into the next one."""
    text = " ".join(lines)
    return [text if text.endswith((".", '"', "”")) else f"{text}."] if text else []


def _heading(line: str, *, first: bool) -> _Section | None:
    for pattern, anywhere in ((_NAMED, True), (_MARKED, True), (_NUMBERED, False)):
        if (first or anywhere) and (found := pattern.match(line)) is not None:
            parts = found.groupdict()
            return _Section(parts["number"] or "", parts["title"].strip(" .:*"), parts.get("rest") or "")
    return None


def _cut(number: str, title: str, lines: Sequence[str]) -> Iterator[_Section]:
    text = " ".join(lines)
    part = ""
    for sentence in _SENTENCE.split(text):
        if part and len(part) + len(sentence) > _LONGEST:
            yield _Section(number, title, part)
            part = ""
        part = f"{part}. {sentence}" if part else sentence
    if part.strip():
        yield _Section(number, title, part)
