"""Structured output: JSON that fits its schema, and JSON that is right. The first is cheap, and proves nothing of the second."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from gapless.gap.rate import proportion
from gapless.probes.base import Card, Subject
from gapless.probes.judging import share_at_least, share_figure, together
from gapless.probes.model.corpus import EXTRACTIONS
from gapless.probes.model.measured import CHECKLIST, all_of, answering, asked
from gapless.probes.model.saying import example, held_to, left_out, refused
from gapless.records.finding import Finding

_VALID, _RIGHT, _TOKENS = 0.99, 0.95, 96
CARD = Card(
    probe="structured-output",
    layer="model",
    title="structured output is valid, and right",
    target=f">= {100 * _VALID:g} % valid, >= {100 * _RIGHT:g} % right",
    source=CHECKLIST,
)
_NO_SCHEMA = (
    "Ask for JSON in words and validate at the boundary, or serve the model with constrained decoding."
)


def probe(subject: Subject) -> Iterable[Finding]:
    """Facts out of short texts, by `response_format` json_schema."""
    endpoint = answering(subject)
    questions = [
        asked(f"Extract the facts as JSON. Text: {case.text}", tokens=_TOKENS, schema=case.schema)
        for case in EXTRACTIONS
    ]
    found = all_of(endpoint, questions, seconds=subject.seconds, shuffled=True)
    judged = [(case, reply) for case, reply in zip(EXTRACTIONS, found, strict=True) if reply is not None]
    if not any(reply.ok for _, reply in judged):
        yield refused(CARD, found, "a JSON schema for the answer is", next_step=_NO_SCHEMA)
        return
    values = [(case, decoded(reply.text) if reply.ok else ...) for case, reply in judged]
    fit = [fits(case.schema, value) for case, value in values]
    same = [value == case.right for case, value in values]
    valid, right = proportion(sum(fit), len(fit)), proportion(sum(same), len(same))
    target = subject.targets.get(CARD.probe, _RIGHT)
    held = together(share_at_least("valid", valid, _VALID), share_at_least("right", right, target))
    said = f"{sum(fit)} of {len(fit)} valid, {sum(same)} right"
    said += left_out(found)
    wrong = next((pair for pair, ok in zip(judged, same, strict=True) if not ok and pair[1].ok), None)
    if wrong is not None:
        case, reply = wrong
        said += f"; for example {example(case.text, json.dumps(case.right), reply.text)}"
    by_kind = Counter(case.kind for case, _ in values)
    right_by_kind = Counter(case.kind for (case, _), ok in zip(values, same, strict=True) if ok)
    kinds = [(kind, proportion(right_by_kind[kind], n)) for kind, n in by_kind.items()]
    yield CARD.held(
        held,
        said,
        figures=(
            share_figure("valid against the schema", valid),
            share_figure("right", right),
            *(share_figure(f"right, {kind}", share) for kind, share in kinds),
        ),
        next_step="" if held.status == "ok" else _next_step(valid.point or 0.0, right.point or 0.0),
        **held_to(subject, CARD, f">= {100 * _VALID:g} % valid, >= {100 * target:g} % right"),
    )


def _next_step(valid: float, right: float) -> str:
    if valid > right:
        return "A schema guard lets this through: check the values against their sources (grounded figures, a check per field), or take the extraction out of the model."
    return "Validate every answer against its schema at the boundary, with a repair or one retry: Contract(output=...)."


def decoded(text: str) -> Any:
    """The JSON value in a text; `...` where there is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ...


def fits(schema: dict[str, Any], value: Any) -> bool:
    """Whether a decoded value is valid against a JSON schema."""
    import jsonschema_rs

    return value is not ... and jsonschema_rs.validator_for(schema, offline=True).is_valid(value)
