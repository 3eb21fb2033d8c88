"""A seeded folder of supplier contracts, with what is true in it: namesakes, amendments, an older index, missing clauses.

`python -m contract_risk.corpus FOLDER` writes the contracts as text files, to be read by people.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from contract_risk import wording

SUPPLIERS, SEED = 60, 7
TODAY = dt.date(2026, 11, 1)
INDEXED = dt.datetime(2026, 10, 30, tzinfo=dt.UTC).timestamp()
INDEXED_BEFORE = dt.datetime(2025, 11, 1, tzinfo=dt.UTC).timestamp()
FIELDS = ("commitment", "payment_days", "penalty", "cap", "renewal", "notice_days")
AMOUNTS = ("commitment", "penalty", "cap")

_ROOTS = (
    "Harlow Corvane Brightwell Osmund Tarn Velden Kestrel Marbach Quillon Sorrento Falke Lindqvist Ashby Novara Pemberton "
    "Rhodium Stellan Umbria Whitlock Yarrow Zephyr Alder Borealis Cinder Dunmore Elgin Fenwick Garrick Hollin Ibsen Juniper "
    "Kilbride Lorimer Mistral Norden Orrin Pallas Quarry Ravel Selwyn Thornton Ulster Verity Wexford"
).split()
_TRADES = (
    ("Metals", "Metalworks"),
    ("Logistics", "Logistics Services"),
    ("Packaging", "Packing"),
    ("Chemicals", "Chemical"),
    ("Systems", "System Partners"),
    ("Foods", "Food Trading"),
    ("Textiles", "Textile Mills"),
    ("Components", "Component Supply"),
    ("Energy", "Energies"),
    ("Print", "Printing"),
)
_FORMS = ("Ltd", "GmbH", "Inc", "BV", "SA")
_SECTIONS = (
    "Scope",
    "commitment",
    "Prices",
    "payment_days",
    "penalty",
    "Insurance",
    "cap",
    "Confidentiality",
    "renewal",
    "notice_days",
    "Audit",
    "Governing law",
)
_TITLES = {
    "commitment": ("Minimum purchase", "Purchase commitment", "Volumes"),
    "payment_days": ("Payment", "Invoicing and payment"),
    "penalty": ("Late delivery", "Delivery and delay", "Contract penalties"),
    "cap": ("Limitation of liability", "Liability"),
    "renewal": ("Term", "Term and renewal"),
    "notice_days": ("Termination", "Notice and termination"),
}


@dataclass(frozen=True, kw_only=True)
class Passage:
    """One section of one document, as it is indexed."""

    id: str
    supplier: str
    document: str
    section: str
    effective: str
    """ISO date from which the document holds."""
    text: str
    """A heading that names party, document and section, then the clause."""
    topic: str
    """What it is about: a field, or another section's title. Ground truth, never shown to the agent."""
    indexed_at: float = INDEXED

    def item(self) -> dict[str, Any]:
        """The passage as evidence, without what only the generator knows."""
        shown = ("id", "supplier", "document", "section", "effective", "text", "indexed_at")
        return {name: getattr(self, name) for name in shown}


@dataclass(frozen=True, kw_only=True)
class Supplier:
    """One supplier and the truth about its contracts today."""

    id: str
    name: str
    currency: str
    twin: str | None = None
    """The namesake's id."""
    truth: dict[str, Any] = field(default_factory=dict[str, Any])
    """Field -> what holds today; a missing clause is absent."""
    passages: tuple[Passage, ...] = ()
    older: dict[str, Passage] = field(default_factory=dict[str, Passage])
    """Passage id -> what an index of last year has in its place, where that differs."""

    @property
    def group(self) -> str:
        """Namesakes share one, whichever of the two it is."""
        return min(self.id, self.twin) if self.twin else self.id

    @property
    def missing(self) -> tuple[str, ...]:
        """Fields that no contract of the supplier states."""
        return tuple(name for name in FIELDS if name not in self.truth)

    @property
    def needed(self) -> tuple[Passage, ...]:
        """The passages that an answer rests on: the sections of every field, and what amends them."""
        return tuple(passage for passage in self.passages if passage.topic in FIELDS)


@dataclass(frozen=True)
class Corpus:
    """All suppliers of one seed."""

    suppliers: tuple[Supplier, ...]
    today: dt.date = TODAY
    """The day on which amendments are in force or not yet."""

    @functools.cached_property
    def by_id(self) -> dict[str, Supplier]:
        """Supplier by id."""
        return {supplier.id: supplier for supplier in self.suppliers}

    @functools.cached_property
    def passages(self) -> tuple[Passage, ...]:
        """Everything in today's index, in a fixed order."""
        return tuple(passage for supplier in self.suppliers for passage in supplier.passages)

    @functools.cached_property
    def digest(self) -> str:
        """Content address of today's passages."""
        text = "\x00".join(f"{passage.id}\x01{passage.text}" for passage in self.passages)
        text += "" if self.today == TODAY else f"\x00{self.today}"
        return hashlib.sha256(text.encode()).hexdigest()[:24]


@functools.cache
def generate(suppliers: int = SUPPLIERS, seed: int = SEED) -> Corpus:
    """The corpus of a seed; always the same."""
    names = _names(suppliers, Random(f"{seed}/names"))
    return Corpus(tuple(_supplier(name, twin, Random(f"{seed}/{name}")) for name, twin in names))


def _names(count: int, random: Random) -> list[tuple[str, str | None]]:
    """Names and the namesake of each: two of three suppliers have one."""
    names: list[tuple[str, str | None]] = []
    for at in range(count):
        root = (
            _ROOTS[at % len(_ROOTS)]
            if at < len(_ROOTS)
            else f"{_ROOTS[at % len(_ROOTS)]} {_ROOTS[at // len(_ROOTS)]}"
        )
        trade, near = random.choice(_TRADES)
        form = random.choice(_FORMS)
        first = f"{root} {trade} {form}"
        if at % 2 == 0:
            second = f"{root} {near} {random.choice(_FORMS)}"
            names += [(first, second), (second, first)]
        else:
            names.append((first, None))
        if len(names) >= count:
            break
    kept = {name for name, _ in names[:count]}
    return [(name, twin if twin in kept else None) for name, twin in names[:count]]


def slug(name: str) -> str:
    """The id of a supplier of that name."""
    return name.lower().replace(" ", "-")


def _supplier(name: str, twin: str | None, random: Random) -> Supplier:
    currency = random.choice(["USD", "USD", "EUR", "GBP"])
    who = Supplier(id=slug(name), name=name, currency=currency, twin=slug(twin) if twin else None)
    if random.random() < 0.05:
        return who  # registered, but nothing is on file
    values = _values(random)
    absent = (
        random.sample(("cap", "commitment", "payment_days", "penalty"), 1) if random.random() < 0.2 else []
    )
    master = _Master(who, values, absent, random)
    return master.amended()


def _values(random: Random) -> dict[str, Any]:
    commitment, penalty = random.randrange(60, 900) * 1000, random.randrange(10, 120) * 1000
    return {
        "commitment": commitment,
        "penalty": penalty,
        "cap": int(
            (commitment + penalty) * random.choice([random.uniform(0.4, 0.95), random.uniform(1.1, 3.0)])
        )
        // 1000
        * 1000,
        "payment_days": random.choice([14, 30, 40, 60, 75, 90]),
        "notice_days": random.choice([30, 60, 90, 120, 180]),
        "renewal": (dt.date(2027, 6, 1) + dt.timedelta(days=random.randrange(0, 540))).isoformat(),
    }


class _Master:
    """One supplier's agreement while it is being written."""

    def __init__(self, who: Supplier, values: dict[str, Any], absent: list[str], random: Random) -> None:
        self.who, self.values, self.random = who, values, random
        self.signed = dt.date(2023, random.randrange(1, 13), random.randrange(1, 28))
        self.present = [topic for topic in FIELDS if topic not in absent]
        self.titles = {topic: random.choice(titles) for topic, titles in _TITLES.items()}
        self.numbers = {
            topic: str(at) for at, topic in enumerate((s for s in _SECTIONS if s not in absent), start=1)
        }
        self.written = {topic: self._figure(topic, values[topic]) for topic in self.present}
        sections = [topic for topic in _SECTIONS if topic not in absent]
        self.passages = [self._section(topic, self.written.get(topic, "")) for topic in sections]
        self.older: dict[str, Passage] = {}
        restated = random.sample(self.present, random.choice([1, 2, 2, 3]))
        for passage in self.passages:
            if passage.topic in restated:
                before = self._figure(passage.topic, self._other(passage.topic))
                self.older[passage.id] = replace(
                    self._section(passage.topic, before), indexed_at=INDEXED_BEFORE
                )

    def amended(self) -> Supplier:
        """The supplier with its amendments, and what is true after them."""
        truth = {topic: self.values[topic] for topic in self.present}
        count = self.random.choice([0, 0, 1, 1, 2])
        topics = self.random.sample(self.present, count)
        for number, topic in enumerate(topics, start=1):
            truth[topic] = self._amend(number, topic, truth[topic])
        return replace(self.who, truth=truth, passages=tuple(self.passages), older=self.older)

    def _amend(self, number: int, topic: str, value: Any) -> Any:
        """Adds one amendment; returns what holds today."""
        new = self._other(topic)
        section, figure = self.numbers[topic], self._figure(topic, new)
        kind = self.random.choices(["replace", "swap", "future", "scale"], [5, 3, 1, 1])[0]
        if kind == "scale" and topic not in AMOUNTS:
            kind = "replace"
        clause = wording.CLAUSES[topic](self.random, figure, self.who.currency)
        text = {
            "replace": f'Section {section} of the Agreement is deleted and replaced by the following: "{clause}"',
            "swap": f'In Section {section} of the Agreement ({self.titles[topic]}) the words "{self.written[topic]}" are replaced by "{figure}".',
            "future": f'With effect from 1 January 2029, Section {section} of the Agreement is replaced by the following: "{clause}"',
        }
        if kind == "scale":
            percent, said = self.random.choice(
                [(10, "increased by 10 per cent"), (20, "raised by 20 %"), (100, "doubled")]
            )
            text["scale"] = (
                f"The amount stated in Section {section} of the Agreement ({self.titles[topic]}) is {said}."
            )
            new = value * (100 + percent) // 100
        signed = dt.date(2025, 12, 1) + dt.timedelta(days=90 * number + self.random.randrange(0, 60))
        passage = self._passage(
            f"amendment-{number}",
            f"Amendment No. {number}",
            signed,
            "1",
            f"Changes to Section {section}",
            text[kind],
            topic,
        )
        self.passages.append(passage)
        base = next(p for p in self.passages if p.topic == topic and p.document == "agreement")
        self.older[passage.id] = replace(self.older.get(base.id, base), indexed_at=INDEXED_BEFORE)
        return value if kind == "future" else new

    def _section(self, topic: str, figure: str) -> Passage:
        clause = wording.CLAUSES.get(topic) or wording.OTHERS[topic]
        text = clause(self.random, figure, self.who.currency)
        title = self.titles.get(topic, topic)
        return self._passage(
            "agreement", "Supply Agreement", self.signed, self.numbers[topic], title, text, topic
        )

    def _passage(
        self, document: str, called: str, signed: dt.date, section: str, title: str, text: str, topic: str
    ) -> Passage:
        heading = f"{self.who.name}, {called} of {signed.day} {signed:%B %Y}, Section {section}: {title}."
        return Passage(
            id=f"{self.who.id}/{document}/{section}",
            supplier=self.who.id,
            document=document,
            section=section,
            effective=signed.isoformat(),
            text=f"{heading}\n{text}",
            topic=topic,
        )

    def _figure(self, topic: str, value: Any) -> str:
        if topic in AMOUNTS:
            return wording.money(self.random, value, self.who.currency)
        if topic == "renewal":
            return wording.date(self.random, dt.date.fromisoformat(value))
        return wording.days(self.random, value)

    def _other(self, topic: str) -> Any:
        """Another plausible value of a field."""
        while True:
            value = _values(self.random)[topic]
            if value != self.values[topic]:
                return value


def write(corpus: Corpus, folder: Path) -> int:
    """Writes every document as a text file; returns how many there are."""
    documents: dict[str, list[str]] = {}
    for passage in corpus.passages:
        documents.setdefault(f"{passage.supplier}/{passage.document}.txt", []).append(passage.text)
    for name, texts in documents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    return len(documents)


if __name__ == "__main__":
    print(write(generate(), Path(sys.argv[1])), "documents")
