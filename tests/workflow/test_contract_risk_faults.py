"""The reference agent under its contracts, broken at every step."""

from __future__ import annotations

from pathlib import Path

import pytest

from gapless.operations.fault_cells import FaultsAsk
from gapless.operations.faults import faults_sync
from gapless.settings import locate

NEVER_SILENT = (
    "delay",
    "hang",
    "timeout",
    "exception",
    "http-429",
    "http-503",
    "empty",
    "partial-answer",
    "truncated-stream",
    "renamed-field",
    "retyped-field",
    "missing-field",
    "duplicate-delivery",
    "stale-evidence",
)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_no_fault_that_can_be_seen_passes_the_contracts_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contract_risk.demo import Demo

    monkeypatch.chdir(tmp_path)
    (tmp_path / "gapless.toml").write_text('[faults]\nshelf = "contract_risk.weather:WEATHER"\n')
    demo = Demo()
    demo.prepare(lambda _: None, None)
    try:
        ask = FaultsAsk(faults=NEVER_SILENT, cases=4, concurrency=8)
        matrix = faults_sync(demo.guarded(), demo.suite(60), ask=ask, place=locate())
    finally:
        demo.close()
    assert matrix.complete
    assert not matrix.left_out or "suite's" in matrix.left_out[0]
    silent = {(cell.fault, cell.step): cell.examples for cell in matrix.cells if cell.endings.get("silent")}
    assert silent == {}
    assert {cell.fault for cell in matrix.cells if cell.n} == set(NEVER_SILENT)
