"""The signals by name, imported when one is asked for."""

from __future__ import annotations

import importlib
from typing import Any

from gapless.errors import UnknownName

SIGNALS: dict[str, str] = {
    "rank-agreement": "gapless.boundary.signals.rank_agreement:RankAgreement",
    "score-margin": "gapless.boundary.signals.score_margin:ScoreMargin",
    "score-shape": "gapless.boundary.signals.score_shape:ScoreShape",
    "term-coverage": "gapless.boundary.signals.term_coverage:TermCoverage",
    "entity-coverage": "gapless.boundary.signals.term_coverage:EntityCoverage",
    "cue-words": "gapless.boundary.signals.cue_words:CueWords",
    "evidence-age": "gapless.boundary.signals.evidence_age:EvidenceAge",
    "namesakes": "gapless.boundary.signals.namesakes:Namesakes",
    "schema-strictness": "gapless.boundary.signals.schema_strictness:SchemaStrictness",
    "completeness": "gapless.boundary.signals.completeness:Completeness",
    "logprob": "gapless.boundary.signals.logprob:Logprob",
    "token-entropy": "gapless.boundary.signals.logprob:TokenEntropy",
    "self-consistency": "gapless.boundary.signals.self_consistency:SelfConsistency",
    "grounded-share": "gapless.boundary.signals.grounded_share:GroundedShare",
    "latency": "gapless.boundary.signals.latency:Latency",
}


def signal(name: str) -> type[Any]:
    """The class of a signal.

    Raises:
        UnknownName: There is none of that name.
    """
    if name not in SIGNALS:
        raise UnknownName(f"no signal {name!r}; there are {', '.join(SIGNALS)}.")
    module, _, kind = SIGNALS[name].partition(":")
    return getattr(importlib.import_module(module), kind)
