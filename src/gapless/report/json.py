"""The report for machines: `gapless.report/1`, every key written out, floats in full precision."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from gapless.records.report import Report

SCHEMA = "gapless.report/1"


def render(report: Report) -> str:
    """The report as JSON text. Absent numbers are null, with their reason beside them."""
    return json.dumps(as_builtins(report), indent=2, ensure_ascii=False, allow_nan=False)


def as_builtins(report: Report) -> dict[str, Any]:
    """The report as plain data, with defaults written out."""
    return {"schema": SCHEMA, **plain(report)}


def schema() -> dict[str, Any]:
    """The JSON Schema of `gapless.report/1`, which docs/report.schema.json publishes."""
    body = msgspec.json.schema(Report)
    report = body["$defs"]["Report"]
    report["properties"] = {"schema": {"const": SCHEMA}, **report["properties"]}
    for definition in body["$defs"].values():
        if definition.get("type") == "object":
            definition["required"] = list(definition.get("properties", {}))  # every key is written out
    body = _settled(body)  # msgspec lists a Literal's values in no fixed order, and tuples as defaults
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": SCHEMA, **body}


def _settled(node: Any) -> Any:
    if isinstance(node, dict):
        inner = {key: _settled(value) for key, value in node.items()}
        return inner | {"enum": sorted(inner["enum"])} if isinstance(inner.get("enum"), list) else inner
    return [_settled(value) for value in node] if isinstance(node, (list, tuple)) else node


def plain(value: Any) -> Any:
    """A record as plain data, every key written out: stored records leave defaults out, and people's code needs them."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON knows no NaN
    return value
