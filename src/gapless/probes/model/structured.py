"""Structured output: JSON that fits its schema, and JSON that is right. The first is cheap, and proves nothing of the second."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from gapless.gap.rate import proportion
from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.model.corpus import EXTRACTIONS
from gapless.probes.model.endpoints.base import Reply
from gapless.probes.model.measured import (
    CHECKLIST,
    all_of,
    answering,
    asked,
    example,
    share_figure,
    share_status,
    worse,
)
from gapless.records.finding import Finding

_VALID, _RIGHT, _TOKENS = 0.99, 0.95, 96
CARD = Card(
    probe="structured-output",
    layer="model",
    title="structured output is valid, and right",
    target=f">= {100 * _VALID:g} % valid, >= {100 * _RIGHT:g} % right",
    source=CHECKLIST,
)


def probe(subject: Subject) -> Iterable[Finding]:
    """Facts out of short texts, by `response_format` json_schema."""
    endpoint = answering(subject)
    questions = [
        asked(f"Extract the facts as JSON. Text: {case.text}", tokens=_TOKENS, schema=case.schema)
        for case in EXTRACTIONS
    ]
    found = all_of(endpoint, questions, seconds=subject.seconds)
    judged = [(case, reply) for case, reply in zip(EXTRACTIONS, found, strict=True) if reply and reply.ok]
    if not judged:
        yield _refused(found)
        return
    values = [(case, decoded(reply.text)) for case, reply in judged]
    fit = [fits(case.schema, value) for case, value in values]
    same = [value == case.right for case, value in values]
    valid, right = proportion(sum(fit), len(fit)), proportion(sum(same), len(same))
    target = subject.targets.get(CARD.probe, _RIGHT)
    status = worse(share_status(valid, _VALID), share_status(right, target))
    said = f"{sum(fit)} of {len(fit)} valid, {sum(same)} right"
    unasked = sum(reply is None for reply in found)
    said += f"; no time was left for {unasked} more" if unasked else ""
    wrong = next((pair for pair, ok in zip(judged, same, strict=True) if not ok), None)
    if wrong is not None:
        case, reply = wrong
        said += f"; for example {example(case.text, json.dumps(case.right), reply.text)}"
    by_kind = Counter(case.kind for case, _ in values)
    right_by_kind = Counter(case.kind for (case, _), ok in zip(values, same, strict=True) if ok)
    kinds = [(kind, proportion(right_by_kind[kind], n)) for kind, n in by_kind.items()]
    yield CARD.finding(
        status,
        said,
        figures=(
            share_figure("valid against the schema", valid),
            share_figure("right", right),
            *(share_figure(f"right, {kind}", share) for kind, share in kinds),
        ),
        next_step="" if status == "ok" else _next_step(valid.point or 0.0, right.point or 0.0),
    )


def _next_step(valid: float, right: float) -> str:
    if valid > right:
        return "A schema guard lets this through: check the values against their sources (grounded figures, a check per field), or take the extraction out of the model."
    return "Validate every answer against its schema at the boundary, with a repair or one retry: Contract(output=...)."


def _refused(found: list[Reply | None]) -> Finding:
    reply = next((reply for reply in found if reply is not None), None)
    if reply is None or reply.trouble != "status" or reply.status != 400:
        raise ProbeUnavailable(f"no answer came: {reply.said if reply else 'no time left'}")
    return CARD.finding(
        "fail",
        f"a JSON schema for the answer is refused: {reply.said}",
        next_step="Ask for JSON in words and validate at the boundary, or serve the model with constrained decoding.",
    )


def decoded(text: str) -> Any:
    """The JSON value in a text; `...` where there is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return ...


def fits(schema: dict[str, Any], value: Any) -> bool:
    """Whether a decoded value is valid against a JSON schema."""
    import jsonschema_rs

    return value is not ... and jsonschema_rs.validator_for(schema, offline=True).is_valid(value)
