"""CPU per trivial case: gapless (recorded, checked, committed to disk) against pydantic-evals."""

from __future__ import annotations

from typing import Any

from bench.peers import figures, median, python

CASES = 3000
ROUNDS = 5


def run() -> list[dict[str, Any]]:
    """Median over rounds, the two alternating, in one environment."""
    interpreter = python("pydantic-evals")
    ours: list[float] = []
    writing: list[float] = []
    theirs: list[float] = []
    for _ in range(ROUNDS):
        mine = figures(interpreter, "bench.harness_gapless", str(CASES))
        ours.append(mine["us"])
        writing.append(mine["writing_us"])
        theirs.append(figures(interpreter, "bench.harness_pydantic_evals", str(CASES))["us"])
    a, b = median(ours), median(theirs)
    return [
        {"what": "pydantic-evals, CPU per case", "value": b, "unit": "us"},
        {
            "what": "gapless, CPU per case",
            "value": a,
            "unit": "us",
            "ratio": f"{a / b:.2f}x",
            "target": "<= 1.0x",
        },
        {"what": "  of it in the thread that writes to disk", "value": median(writing), "unit": "us"},
    ]
