"""The demo's last act: a confidence gate, calibrated in shadow, at work on fresh cases."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from gapless.operations.demo_stage import Stage, run_act
from gapless.operations.measure import Ask, measure_into
from gapless.operations.report import report_on, run_table
from gapless.records.calibration import Calibration
from gapless.records.estimate import Estimate
from gapless.records.measurement import Measurement
from gapless.records.report import Report
from gapless.records.suite import Suite

if TYPE_CHECKING:
    from gapless.boundary.faults.weather import Weather

_ALPHA, _ALPHA_FULL = 0.10, 0.03
_AIM = 0.9
"""Of the coverage that the best threshold in hindsight would have."""
_TRIALS_FULL = 3
"""Of each fresh case: more than a thousand in all, each in weather of its own."""


class GatedAgent(Protocol):
    """The agent with a confidence gate whose threshold stands in a file."""

    @property
    def weather(self) -> Weather:
        """The faults it is measured under."""
        ...

    def suite(self) -> Suite:
        """Cases that say what they are for: tune, cal, test."""
        ...

    def workflow(self, file: str, *, guarded: bool) -> Any:
        """The graph with its gate, which reads this file; under its contracts too if `guarded`."""
        ...

    def remark(self) -> str:
        """What is different from the agent that was measured before."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GateAct:
    """A gate that was calibrated, and what it did on fresh cases."""

    name: str
    calibration: Calibration
    before: Estimate
    """Silent failures with the gate only logging."""
    fresh: Report
    """The gate at work, on cases that were used for nothing else."""
    lower: float | None
    """One-sided 95 % lower limit of the silent failures there."""


async def gates(agent: GatedAgent, stage: Stage, *, full: bool) -> tuple[tuple[GateAct, ...], bool]:
    """A gate calibrated in shadow, then at work on fresh cases: alone, and on top of the contracts."""
    from gapless.boundary.guards.certificate import UncalibratedGate
    from gapless.operations.calibrate import CalibrateAsk, calibrate

    suite = agent.suite()
    fresh = msgspec.structs.replace(suite, cases=tuple(case for case in suite.cases if case.split == "test"))
    found: list[GateAct] = []
    for name, guarded in (("a gate alone", False), ("contracts and a gate", True)):
        file = (
            stage.place.folder
            / f"demo-gates-{'guarded' if guarded else 'alone'}{'-full' if full else ''}.json"
        )
        stage.say(f"{name}: {len(suite.cases)} cases in shadow")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UncalibratedGate)  # that is what comes next
            logging_only = agent.workflow(str(file), guarded=guarded)
        shadow = await measure_into(
            stage.store,
            logging_only,
            suite,
            Ask(condition="shadow", weather=agent.weather),
            place=stage.place,
            tell=stage.tell,
            stop=stage.stop,
        )
        if not shadow.complete:
            return tuple(found), False
        ask = CalibrateAsk(alpha=_ALPHA_FULL if full else _ALPHA, out=file)
        made, _ = await asyncio.to_thread(calibrate, stage.store, shadow.measurement, ask, stage.place)
        stage.say(f"{name}: at work on {len(fresh.cases)} fresh cases")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UncalibratedGate)  # where nothing could be certified
            working = agent.workflow(str(file), guarded=guarded)
        act, complete = await run_act(
            stage,
            name,
            working,
            fresh,
            Ask(condition="guarded", weather=agent.weather, trials=_TRIALS_FULL if full else None),
        )
        if not complete:
            return tuple(found), False
        before = report_on(stage.store, shadow.measurement).gap.silent_failure_rate
        lower = _lower(stage, act.report.measurement)
        found.append(GateAct(name=name, calibration=made, before=before, fresh=act.report, lower=lower))
    return tuple(found), True


def gated_decision(graph: Any, step: str, key: str) -> Any:
    """The graph with a gate at a step that reads the confidence which the step itself hands over."""
    from gapless.boundary.contract import Contract
    from gapless.boundary.guards.gate import Gate, Refuse
    from gapless.frameworks.guard import guard

    gate = Gate(signal=lambda crossing: crossing.handoff[key], below=Refuse())
    return guard(graph, {step: Contract(gate=gate)})


def certified(stage: Stage, measurement: Measurement, alphas: Sequence[float]) -> tuple[Calibration, ...]:
    """What can be promised of a measurement whose gates only logged, for each alpha by itself."""
    from gapless.operations.calibrate import CalibrateAsk, calibrate

    return tuple(
        calibrate(
            stage.store,
            measurement,
            CalibrateAsk(
                alpha=alpha, out=stage.place.folder / f"demo-cuad-{round(100 * alpha):02d}.json", apart=True
            ),
            stage.place,
        )[0]
        for alpha in alphas
    )


def _lower(stage: Stage, measurement: Measurement) -> float | None:
    from gapless.gap.clustered import clustered
    from gapless.gap.table import Table

    table = Table.of(run_table(stage.store, measurement))
    return clustered(table.is_("wrong").astype(float), table.units(), level=0.9).low


def gate_rows(acts: Sequence[GateAct]) -> Iterator[tuple[str, list[str]]]:
    """What each gate promises and what it did, a line for each figure."""
    from gapless.report.calibration import cell, efficiency, share
    from gapless.report.wording import percent, rate

    made = [one.calibration for one in acts]
    fresh = [one.fresh.gap for one in acts]
    yield "silent failures, gate only logging", [rate(one.before) for one in acts]
    yield (
        "certified: silent failures",
        [f"at most {share(c.alpha)}" if c.certified else "nothing" for c in made],
    )
    yield "silent failures, gate at work", [rate(gap.silent_failure_rate) for gap in fresh]
    yield "  95 % sure to be above", ["-" if one.lower is None else percent(one.lower) for one in acts]
    yield "wrong among delivered", [rate(gap.selective_risk) for gap in fresh]
    yield "delivered", [rate(gap.coverage) for gap in fresh]
    tested = [one.tested or one.calibrated for one in made]
    yield (
        "  best threshold in hindsight",
        ["-" if t.best_coverage is None else percent(t.best_coverage) for t in tested],
    )
    yield (
        "  a perfect gate",
        ["-" if t.perfect_coverage is None else percent(t.perfect_coverage) for t in tested],
    )
    told = [(efficiency(t), t.coverage.point, t.perfect_coverage) for t in tested]
    yield "  of best in hindsight, of perfect", [_of(best, got, perfect) for best, got, perfect in told]
    yield f"  {share(_AIM)} of best in hindsight", [_kept(efficiency(t)) for t in tested]
    yield "reviews per 1,000", [cell(_thousandfold(gap.outcome_rates["escalated"])) for gap in fresh]


def _of(best: float | None, got: float | None, perfect: float | None) -> str:
    from gapless.report.wording import percent

    said = [percent(best, 0)] if best is not None else ["-"]
    said.append(percent(got / perfect, 0) if got is not None and perfect else "-")
    return ", ".join(said)


def _kept(found: float | None) -> str:
    """Whether the gate delivers what is aimed for."""
    return "-" if found is None else "reached" if found >= _AIM else "missed"


def _thousandfold(estimate: Estimate) -> Estimate:
    changes = {
        name: None if (value := getattr(estimate, name)) is None else 1000 * value
        for name in ("point", "low", "high")
    }
    return msgspec.structs.replace(estimate, **changes)


def gate_builtins(act: GateAct) -> dict[str, Any]:
    """One gate as plain data."""
    return {
        "name": act.name,
        "before": msgspec.to_builtins(act.before),
        "calibration": msgspec.to_builtins(act.calibration),
        "fresh": msgspec.to_builtins(act.fresh),
        "lower": act.lower,
    }
