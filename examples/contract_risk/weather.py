"""What goes wrong in the world: seven faults, each with the share of trials that meet it. The rates are not tuned."""

from __future__ import annotations

import functools
from typing import Any

from contract_risk.corpus import SEED, SUPPLIERS, generate
from gapless import Weather
from gapless.boundary.faults.namesake import Namesake
from gapless.boundary.faults.partial_answer import PartialAnswer
from gapless.boundary.faults.renamed_field import RenamedField
from gapless.boundary.faults.stale_evidence import StaleEvidence
from gapless.boundary.faults.timeout import Timeout
from gapless.boundary.faults.truncated_stream import TruncatedStream
from gapless.boundary.faults.wrong_figure import WrongFigure

Item = dict[str, Any]
_WHOLE_DOCUMENT = 100


def weather(suppliers: int = SUPPLIERS, seed: int = SEED) -> Weather:
    """The weather over `generate(suppliers, seed)`."""
    return Weather(
        (
            StaleEvidence(
                step="retrieve", rate=0.04, field="retrieved", older=functools.partial(older, suppliers, seed)
            ),
            Namesake(
                step="retrieve",
                rate=0.04,
                field="retrieved",
                namesake=functools.partial(namesake, suppliers, seed),
                most=_WHOLE_DOCUMENT,
            ),
            WrongFigure(step="extract", rate=0.02, field="facts"),
            PartialAnswer(step="assess", rate=0.04, field="assessment.findings"),
            RenamedField(step="assess", rate=0.02, field="assessment", old="findings", new="results"),
            Timeout(step="assess", rate=0.03),
            TruncatedStream(step="draft", rate=0.02, field="draft"),
        )
    )


def older(suppliers: int, seed: int, item: Item) -> Item | None:
    """The passage as last year's index has it; None where it says the same."""
    before = generate(suppliers, seed).by_id[item["supplier"]].older.get(item["id"])
    return None if before is None else {**item, **before.item()}


def namesake(suppliers: int, seed: int, item: Item) -> Item | None:
    """The passage of the namesake's agreement on the same subject; None where there is no namesake, or no such passage."""
    corpus = generate(suppliers, seed)
    supplier = corpus.by_id[item["supplier"]]
    if supplier.twin is None:
        return None
    topics = {passage.id: passage.topic for passage in supplier.passages if passage.document == "agreement"}
    others = {p.topic: p for p in corpus.by_id[supplier.twin].passages if p.document == "agreement"}
    other = others.get(topics.get(item["id"], ""))
    return None if other is None else {**item, **other.item()}


WEATHER = weather()
