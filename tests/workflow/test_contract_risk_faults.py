"""The reference agent under its contracts, broken at every step."""

from __future__ import annotations

from pathlib import Path

import pytest

from gapless.operations.fault_cells import FaultsAsk
from gapless.operations.faults import faults_sync
from gapless.settings import locate

SLOW = ("delay", "hang", "timeout", "exception", "http-429", "http-503")
CHANGED = (
    "empty",
    "partial-answer",
    "truncated-stream",
    "renamed-field",
    "retyped-field",
    "missing-field",
    "duplicate-delivery",
    "stale-evidence",
)


# Another field is renamed, retyped or missing in each trial: it takes many to meet them all.
@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("faults", "cases", "trials"), [(SLOW, 4, 1), (CHANGED, 12, 2)])
def test_no_fault_that_can_be_seen_passes_the_contracts_silently(
    faults: tuple[str, ...], cases: int, trials: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contract_risk.demo import Demo

    monkeypatch.chdir(tmp_path)
    (tmp_path / "gapless.toml").write_text('[faults]\nshelf = "contract_risk.weather:WEATHER"\n')
    demo = Demo()
    demo.prepare(lambda _: None, None)
    try:
        ask = FaultsAsk(faults=faults, cases=cases, trials=trials, concurrency=8)
        matrix = faults_sync(demo.guarded(), demo.suite(60), ask=ask, place=locate())
    finally:
        demo.close()
    assert matrix.complete
    assert matrix.left_out == ()
    silent = {(cell.fault, cell.step): cell.examples for cell in matrix.cells if cell.endings.get("silent")}
    assert silent == {}
    assert {cell.fault for cell in matrix.cells if cell.n} == set(faults)
