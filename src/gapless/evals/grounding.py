"""What the two checks on grounding share: they look up what a text claims in what the workflow had read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gapless.boundary.figures import text_of
from gapless.evals.checks.base import CheckContext, ValueCheck
from gapless.evals.evidence import gather, named_steps
from gapless.records.trial import Verdict

_MAX_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class GroundingCheck(ValueCheck):
    """A check that every claim of one kind in a text occurs in evidence."""

    evidence: list[str] | None = None
    """Where claims may come from: "input", "state", a step, a step with a path. Everything read before when None."""
    allow: tuple[str, ...] = ()
    """Claims that need no evidence, as they are written."""

    @property
    def steps(self) -> tuple[str, ...]:
        """Steps that the check names."""
        return named_steps(self.evidence)

    def claims(self, text: str) -> tuple[str, ...]:
        """What a text claims."""
        raise NotImplementedError

    def loose(self, text: str, evidence: list[str]) -> list[str]:
        """The claims of a text that the evidence does not have."""
        raise NotImplementedError

    def judge_value(self, found: Any, context: CheckContext) -> Verdict:
        """Judges the text of the value; the score is the share of claims with evidence."""
        text = text_of(found)
        claims = self.claims(text)
        if not claims:
            return self.passed("nothing to look up")
        gathered = gather(context, self.evidence, text)
        loose = self.loose(text, [*gathered.texts, *self.allow])
        score = 1.0 - len(loose) / len(claims)
        if not loose:
            return self.passed(f"{len(claims)} found in the evidence", score)
        if not gathered.texts and not gathered.missing:
            return self.unknown("no evidence was recorded")
        more = f" and {len(loose) - _MAX_SHOWN} more" if len(loose) > _MAX_SHOWN else ""
        words = f"not in the evidence: {', '.join(map(repr, loose[:_MAX_SHOWN]))}{more}"
        if not gathered.complete:
            return self.unknown(f"{words}; but a part of the evidence was not kept")
        return self.failed("; ".join([words, *gathered.missing]), score)
