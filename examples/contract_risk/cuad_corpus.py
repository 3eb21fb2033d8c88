"""Real contracts with expert labels (CUAD), cut into the units that retrieval is judged by.

One contract is one collection. Its units are windows of 150 words; a window is gold for a category when it overlaps a
clause that the experts labelled with that category. The rules are spelled out so that others reach the same figures.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

from contract_risk.cuad_categories import CATEGORIES
from gapless import UsageError
from gapless.retrievers.dense import Part
from gapless.retrievers.pooling import sentences_across, windows

WINDOW_WORDS = 150
Role = Literal["tune", "cal", "test"]
"""Everything that is learnt is fitted on `tune`, thresholds are certified on `cal`, and both are tried on `test`."""
_SHORTEST_LABEL = 20
_OMITTED = "<omitted>"


@dataclass(frozen=True, slots=True)
class Contract:
    """One contract and what the experts found in it."""

    number: int
    """Position in the file, from 0."""
    name: str
    windows: tuple[str, ...]
    """Its text, 150 words each, the last one shorter."""
    parts: tuple[Part, ...]
    """Its sentences, each with the windows it lies in."""
    gold: dict[str, frozenset[int]]
    """Category -> gold windows, empty when the contract has no such clause; a category whose labels are nowhere in the
    text is missing."""
    clauses: dict[str, tuple[str, ...]]
    """Category -> the labelled clauses, word by word; as many categories as `gold`."""
    role: Role
    """What its labels are for."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """All contracts, and the categories that are asked about."""

    contracts: tuple[Contract, ...]
    descriptions: dict[str, str]
    """Category -> the question that CUAD's authors gave their annotators."""

    def pairs(self) -> Iterator[tuple[Contract, str, frozenset[int]]]:
        """Every question that can be judged: contract, category, gold windows."""
        for contract in self.contracts:
            for category, gold in contract.gold.items():
                yield contract, category, gold

    def contract(self, name: str) -> Contract:
        """The contract of that name.

        Raises:
            UsageError: There is none.
        """
        for contract in self.contracts:
            if contract.name == name:
                return contract
        raise UsageError(f"no contract is named {name!r}; the folder holds {len(self.contracts)} others.")


def load(directory: Path) -> Corpus:
    """Reads contracts.jsonl, master_clauses.jsonl and category_descriptions.csv.

    Raises:
        UsageError: A file is missing or is not in CUAD's form, with the place.
    """
    descriptions = _descriptions(directory / "category_descriptions.csv")
    rows = {record["name"]: record["row"] for record in _records(directory / "master_clauses.jsonl", "row")}
    texts = {record["name"]: record["text"] for record in _records(directory / "contracts.jsonl", "text")}
    if unknown := [name for name in texts if name not in rows]:
        raise UsageError(f"{directory / 'master_clauses.jsonl'}: no row for the contract {unknown[0]!r}.")
    roles = roles_of(list(texts))
    contracts = [
        _contract(number, name, text, rows[name], roles[name])
        for number, (name, text) in enumerate(texts.items())
    ]
    return Corpus(contracts=tuple(contracts), descriptions=descriptions)


def roles_of(names: Sequence[str]) -> dict[str, Role]:
    """A quarter of the contracts to tune on, half to certify on, a quarter to test on, in the order of their names' hashes.

    Half certify: betting on 43 groups can show a risk of .10 where some .04 is observed, on 21 it can show none.
    What stands in a contract has no say, and neither has its place in the file.
    """
    order = sorted(names, key=lambda name: hashlib.sha256(name.encode("utf-8")).digest())
    tune, test = -(-len(order) // 4), len(order) // 4
    roles: dict[str, Role] = dict.fromkeys(order, "cal")
    roles |= dict.fromkeys(order[:tune], "tune")
    return roles | dict.fromkeys(order[len(order) - test :], "test")


def _contract(number: int, name: str, text: str, row: dict[str, Any], role: Role) -> Contract:
    cut = tuple(windows(text, WINDOW_WORDS))
    gold: dict[str, frozenset[int]] = {}
    clauses: dict[str, tuple[str, ...]] = {}
    for category in CATEGORIES:
        labels = _labels(name, category, row)
        pieces = _pieces(labels)
        found = _gold(cut, pieces)
        if found or not labels:  # labels that are nowhere in the text: nobody can say where the clause is
            gold[category], clauses[category] = found, tuple(pieces)
    parts = tuple(sentences_across(text, WINDOW_WORDS))
    return Contract(number=number, name=name, windows=cut, parts=parts, gold=gold, clauses=clauses, role=role)


def _pieces(labels: list[str]) -> list[str]:
    """What the labels quote, without what is too short to be found again."""
    pieces = [" ".join(piece.split()) for label in labels for piece in label.split(_OMITTED)]
    return [piece for piece in pieces if len("".join(piece.split())) >= _SHORTEST_LABEL]


def _gold(cut: tuple[str, ...], pieces: list[str]) -> frozenset[int]:
    """The windows that overlap a labelled clause."""
    solid = ["".join(window.split()) for window in cut]
    ends = list(accumulate(len(window) for window in solid))
    flat = "".join(solid)
    gold: set[int] = set()
    for piece in pieces:
        wanted = "".join(piece.split())
        start = flat.find(wanted)
        if start >= 0:
            stop = start + len(wanted)
            gold.update(at for at, end in enumerate(ends) if start < end and end - len(solid[at]) < stop)
    return frozenset(gold)


def _labels(name: str, category: str, row: dict[str, Any]) -> list[str]:
    cell = row.get(category)
    try:
        labels = ast.literal_eval(cell) if isinstance(cell, str) else None
    except (ValueError, SyntaxError):
        labels = None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise UsageError(
            f"master_clauses.jsonl, contract {name!r}, column {category!r}: a list of clauses was expected, got {str(cell)[:80]!r}."
        )
    return labels


def _descriptions(path: Path) -> dict[str, str]:
    known = {category.lower(): category for category in CATEGORIES}
    found: dict[str, str] = {}
    for row in csv.reader(_text(path).splitlines()):
        name = row[0].removeprefix("Category:").strip().lower() if len(row) > 1 else ""
        if name in known:
            found[known[name]] = row[1].removeprefix("Description:").strip()
    if missing := [name for name in known.values() if name not in found]:
        raise UsageError(f"{path}: no description of {', '.join(missing)}.")
    return found


def _records(path: Path, field: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            try:
                record = json.loads(line)
                if not isinstance(record["name"], str) or not record[field]:
                    raise KeyError(field)
            except (ValueError, KeyError, TypeError) as error:
                raise UsageError(
                    f'{path}:{number}: expected {{"name": ..., "{field}": ...}}: {error}.'
                ) from error
            yield record


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path}: cannot be read: {error}. A CUAD folder holds contracts.jsonl, master_clauses.jsonl and category_descriptions.csv."
        ) from error
