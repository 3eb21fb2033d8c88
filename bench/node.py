"""CPU added to one LangGraph node: gapless (recorded and stored) against a hand-written span and tracing products."""

from __future__ import annotations

from typing import Any

from bench.peers import figures, median, python

RUNS = 400
ROUNDS = 5
VARIANTS = ("bare", "gapless", "guarded", "span", "openinference", "langfuse", "sqlite-saver")


def run() -> list[dict[str, Any]]:
    """Median over rounds of whole processes, the variants alternating."""
    interpreter = python("tracing")
    seen: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(ROUNDS):
        for name in VARIANTS:
            seen[name].append(figures(interpreter, "bench.node_cpu", name, str(RUNS))["us"])
    bare = median(seen["bare"])
    added = {name: median(values) - bare for name, values in seen.items() if name != "bare"}
    rows: list[dict[str, Any]] = [{"what": "bare node", "value": bare, "unit": "us"}]
    for name, value in added.items():
        row: dict[str, Any] = {"what": f"{name}, added per node", "value": value, "unit": "us"}
        if name not in ("gapless", "guarded"):
            target = "<= 1.0x" if name == "span" else "< 0.25x"
            ratios = [f"{added[ours] / value:.2f}x" for ours in ("gapless", "guarded")]
            row |= {"ratio": " ".join(ratios), "target": f"recorded and guarded / {name} {target}"}
        rows.append(row)
    return rows
