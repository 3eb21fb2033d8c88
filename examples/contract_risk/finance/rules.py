"""What a contract's facts mean for the company: exposure against the cap, payment against the standard, the next notice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

STANDARD_DAYS = 45
"""The company's standard payment term."""
FIELDS = ("commitment", "penalty", "cap", "payment_days", "notice_days", "renewal")


def assess(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Judges the facts of one supplier's contract.

    Returns:
        `figures`, `findings` (finished sentences with the figures they name), and `missing`: while a fact is missing
        there are no findings, because exposure without a cap, or a cap without exposure, says nothing about risk.
    """
    missing = [name for name in FIELDS if facts.get(name) is None]
    if missing:
        return {"figures": {}, "findings": [], "missing": missing}
    figures = {
        "currency": facts.get("currency") or "USD",
        "exposure": facts["commitment"] + facts["penalty"],
        "cap": facts["cap"],
        "payment_days": facts["payment_days"],
        "notice_days": facts["notice_days"],
        "notice_by": _notice_by(facts["renewal"], facts["notice_days"]),
    }
    return {"figures": figures, "findings": findings(figures), "missing": []}


def findings(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The three findings as finished sentences."""
    exposure, cap = (f"{figures['currency']} {figures[name]:,}" for name in ("exposure", "cap"))
    pays, standard = f"{figures['payment_days']} days", f"{STANDARD_DAYS} days"
    notice, by = f"{figures['notice_days']} days", figures["notice_by"]
    over = "is above" if figures["exposure"] > figures["cap"] else "is within"
    longer = "is longer than" if figures["payment_days"] > STANDARD_DAYS else "is within"
    return [
        _finding("liability", f"exposure of {exposure} {over} the liability cap of {cap}", exposure, cap),
        _finding("payment", f"payment term of {pays} {longer} the standard of {standard}", pays, standard),
        _finding("notice", f"notice of {notice} is due by {by}", notice, by),
    ]


def _finding(kind: str, text: str, *figures: str) -> dict[str, Any]:
    return {"kind": kind, "text": text, "figures": list(figures)}


def _notice_by(renewal: str, notice_days: int) -> str:
    return (dt.date.fromisoformat(renewal) - dt.timedelta(days=notice_days)).isoformat()
