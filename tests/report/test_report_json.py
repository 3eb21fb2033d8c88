"""The report for machines."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from gapless.records.report import Report
from gapless.report import json as machine

Sample = Callable[[str], Report]
ROOT = Path(__file__).parents[2]
KEYS = {"point", "low", "high", "level", "method", "n_runs", "n_cases", "n_groups", "reason"}


def estimates(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "point" in node:
            yield node
        for inner in node.values():
            yield from estimates(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from estimates(inner)


def test_it_follows_its_schema(sample: Sample, kind: str) -> None:
    body = json.loads(machine.render(sample(kind)))
    jsonschema_rs.validator_for(machine.schema()).validate(body)
    assert body["schema"] == "gapless.report/1"


def test_every_estimate_has_every_key(sample: Sample, kind: str) -> None:
    found = list(estimates(json.loads(machine.render(sample(kind)))))
    assert len(found) > 10
    assert all(set(estimate) == KEYS for estimate in found)
    assert all(
        estimate["point"] is not None or estimate["reason"] for estimate in found if estimate["n_runs"]
    )


def test_floats_are_whole(sample: Sample) -> None:
    report = sample("labelled")
    body = json.loads(machine.render(report))
    assert body["gap"]["success"]["low"] == report.gap.success.low
    assert body["gap"]["compounding"]["predicted"]["point"] == report.gap.compounding.predicted.point


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_null(sample: Sample, value: float) -> None:
    report = sample("labelled")
    gap = msgspec.structs.replace(report.gap, icc=value)
    text = machine.render(msgspec.structs.replace(report, gap=gap))
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["gap"]["icc"] is None


def test_the_schema_is_strict(sample: Sample) -> None:
    body = json.loads(machine.render(sample("labelled")))
    validator = jsonschema_rs.validator_for(machine.schema())
    del body["gap"]["success"]["reason"]
    assert not validator.is_valid(body)
    assert not validator.is_valid({**json.loads(machine.render(sample("labelled"))), "more": 1})


def test_the_published_schema_is_the_one_that_is_used() -> None:
    published = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))
    assert published == machine.schema()
