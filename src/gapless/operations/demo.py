"""`gapless demo`: the reference agent benchmarked, measured in clear and in bad weather, and held against one plain prompt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import msgspec

from gapless.errors import InvalidSuite, MissingExtra
from gapless.operations.benchmark import Benchmarked, benchmark_into
from gapless.operations.compare import compare
from gapless.operations.demo_gate import (
    GateAct,
    GatedAgent,
    gate_builtins,
    gates,
)
from gapless.operations.demo_replay import Recorded, caused, replayed
from gapless.operations.demo_stage import Act, Stage, run_act
from gapless.operations.fault_cells import FaultsAsk
from gapless.operations.faults import faults_into
from gapless.operations.measure import Ask
from gapless.operations.open import open_suite
from gapless.records.calibration import Calibration
from gapless.records.comparison import Comparison
from gapless.records.estimate import Estimate
from gapless.records.faults import FaultMatrix
from gapless.records.labelled_query import LabelledQuery
from gapless.records.replay import Causes, Fidelity
from gapless.records.suite import Case, Suite
from gapless.settings import Place

if TYPE_CHECKING:
    from gapless.boundary.faults.weather import Weather

ENTRY_POINTS = "gapless.demo"
AGENT = "contract_risk"
_BROKEN_CASES = 6
_SLOW_FAULTS = ("hang", "delay")
"""They take their time, and show little here that a timeout does not; `gapless faults` has them."""
_PROMPTS = 12
"""A prompt that holds whole contracts takes the embedded model some twelve seconds: a few have to do."""


class Agent(Protocol):
    """What the reference agent offers; it is found by its entry point and never imported by name."""

    @property
    def weather(self) -> Weather:
        """The faults it is measured under."""
        ...

    def prepare(self, say: Callable[[str], None], model: str | None) -> None:
        """Opens the model and fetches weights; `model` names another than the embedded one."""
        ...

    def served(self) -> AbstractContextManager[tuple[str, str]]:
        """Base URL and name of its embedded model, served for as long as the context lasts; fetches nothing."""
        ...

    def suite(self, cases: int) -> Suite:
        """The suite, frozen by seed."""
        ...

    def prompt_suite(self, cases: int) -> Suite:
        """The same questions and end checks, for a workflow without steps."""
        ...

    def workflow(self) -> Any:
        """The agent: a compiled graph."""
        ...

    def guarded(self) -> Any:
        """The same agent under its contracts."""
        ...

    def prompt_only(self) -> Any:
        """One plain prompt for the same question."""
        ...

    def notes(self) -> list[str]:
        """Facts about the run: which model, how many drafts were computed and how many reused."""
        ...

    def remarks(self) -> list[str]:
        """What has to be said of the comparison with one plain prompt."""
        ...

    def contracts(self, directory: Path, asked: Sequence[str]) -> tuple[Callable[[], Any], Suite, list[str]]:
        """Builds the agent over a folder of contracts, once prepared; a question for each supplier; what was read."""
        ...

    def retrieval(self) -> tuple[Any, tuple[LabelledQuery, ...]]:
        """Its retriever, as `gapless.retrievers.texts.Collection` shows one, and queries whose answers are known."""
        ...

    def gated(self, *, full: bool) -> GatedAgent:
        """The agent with a confidence gate, over many more suppliers; over still more if `full`."""
        ...

    def servers(self) -> Mapping[str, tuple[str, ...]]:
        """Its MCP servers: name -> the command that starts one over stdio."""
        ...

    def close(self) -> None:
        """Stops every process it started."""
        ...

    def cuad(self, directory: Path, arm: str) -> tuple[Any, Suite]:
        """The retrieval agent over real contracts, and its suite."""
        ...

    def cuad_arms(self) -> Sequence[str]:
        """The ways of retrieval that are worth showing, the best one last."""
        ...

    def cuad_figures(self, directory: Path, arm: str) -> dict[str, Any]:
        """Hit rate at k of one arm, how often the agent is right, and whether its confidence knows."""
        ...

    def cuad_knowledge(self, directory: Path) -> dict[str, list[dict[str, Any]]]:
        """Whose contracts -> what the best way thinks of each answer: contract, hit, right, p_hit, confidence, raw, prior."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Everything the demo measured, just now."""

    acts: tuple[Act, ...]
    benchmark: Benchmarked | None
    notes: tuple[str, ...]
    complete: bool
    comparison: Comparison | None = None
    """Under contracts against without, in the same weather."""
    matrices: tuple[FaultMatrix, ...] = ()
    """Every fault at every step: without contracts, and under them."""
    certificates: tuple[Calibration, ...] = ()
    """What can be promised of the last act, each by itself."""
    gates: tuple[GateAct, ...] = ()
    """A calibrated gate: alone, and on top of the contracts."""
    replays: tuple[Fidelity, ...] = ()
    """Every trial of the agent replayed unchanged, measurement by measurement."""
    causes: Causes | None = None
    """Which step loses what bad weather loses, by experiment."""


def find_agent() -> Agent:
    """The installed reference agent.

    Raises:
        MissingExtra: It, or a library it needs, is not installed.
    """
    found = [point for point in entry_points(group=ENTRY_POINTS) if point.name == AGENT]
    if not found:
        raise MissingExtra("The demo", "demo")
    try:
        return cast("Agent", found[0].load()())
    except ImportError as error:
        raise MissingExtra(f"The demo ({error.name or error})", "demo") from error


async def demo(
    agent: Agent, stage: Stage, *, cases: int, model: str | None = None, full: bool = False
) -> Shown:
    """Measures the reference agent: steps alone, in clear and in bad weather, under contracts, one plain prompt, a gate.

    Args:
        agent: The reference agent.
        stage: Store, folder and who is told.
        cases: How many cases.
        model: "provider:model" of LangChain or an OpenAI-compatible base URL, instead of the embedded model.
        full: Whether the gate is certified at alpha .03, on many more cases, instead of .10.

    Raises:
        UsageError: The model cannot be opened.
        EndpointError: It does not answer.
    """
    agent.prepare(stage.say, model)
    suite = agent.suite(cases)
    graph = agent.workflow()
    stage.say("each step alone, on golden inputs")
    rates = await benchmark_into(
        stage.store, graph, suite, place=stage.place, tell=stage.tell, stop=stage.stop
    )
    acts: list[Act] = []
    recorded: list[Recorded] = []
    complete, guarded = rates.complete, agent.guarded()
    for name, workflow, asked, ask in (
        ("clear weather", graph, suite, Ask(condition="clear")),
        ("weather", graph, suite, Ask(condition="baseline", weather=agent.weather)),
        ("under contracts", guarded, suite, Ask(weather=agent.weather)),
        (
            "one plain prompt",
            agent.prompt_only(),
            agent.prompt_suite(min(cases, _PROMPTS)),
            Ask(condition="prompt-only"),
        ),
    ):
        if not complete:
            break
        stage.say(f"the workflow: {name}" if asked is suite else name)
        act, complete = await run_act(stage, name, workflow, asked, ask)
        acts.append(act)
        if asked is suite:
            recorded.append(Recorded(act=act, workflow=workflow, weather=ask.weather))
    told = {act.name: act.report.measurement for act in acts}
    compared = None
    if "under contracts" in told:
        compared = compare(stage.store, told["weather"], told["under contracts"])
    again, whole = await replayed(stage, recorded) if complete else ((), False)
    causes = None
    if whole:
        causes, acts[1], whole = await caused(stage, recorded[1])
    matrices, whole = await _broken(agent, stage, suite) if whole else ((), False)
    gated = agent.gated(full=full)
    acting, whole = await gates(gated, stage, full=full) if whole else ((), False)
    return Shown(
        acts=tuple(acts),
        benchmark=rates,
        notes=(*agent.notes(), *agent.remarks(), *([gated.remark()] if acting else [])),
        complete=whole,
        comparison=compared,
        matrices=matrices,
        gates=acting,
        replays=again,
        causes=causes,
    )


async def _broken(agent: Agent, stage: Stage, suite: Suite) -> tuple[tuple[FaultMatrix, ...], bool]:
    """The fault matrix before and after: what passes silently without contracts, and what still does under them."""
    from gapless.boundary.faults.shelf import SHELF

    own = tuple(agent.weather.faults)
    kinds = tuple(name for name in SHELF if name not in _SLOW_FAULTS)
    ask = FaultsAsk(faults=kinds, own=own, cases=_BROKEN_CASES, full=True)
    found: list[FaultMatrix] = []
    for name, workflow in (("without contracts", agent.workflow()), ("under contracts", agent.guarded())):
        stage.say(f"every fault at every step: {name}")
        matrix = await faults_into(
            stage.store, workflow, suite, ask, place=stage.place, tell=stage.tell, stop=stage.stop
        )
        found.append(matrix)
        if not matrix.complete:
            return tuple(found), False
    return tuple(found), True


async def demo_contracts(
    agent: Agent,
    stage: Stage,
    directory: Path,
    *,
    questions: Path | None = None,
    cases: int | None = None,
    model: str | None = None,
) -> Shown:
    """Looks at the agent on anybody's contracts: without labels, or judged by the checks of a questions file.

    Args:
        agent: The reference agent.
        stage: Store, folder and who is told.
        directory: One contract per file.
        questions: A suite or plain questions; one question for each supplier when None.
        cases: At most so many questions; all when None.
        model: As for `demo`.

    Raises:
        UsageError: A file cannot be read, or there is nothing to ask.
        EndpointError: The model does not answer.
    """
    asked = _asked(questions, stage.place) if questions is not None else None
    texts = [case.input["question"] for case in asked.cases] if asked is not None else []
    build, suite, read = agent.contracts(directory, texts)
    suite = asked or suite
    suite = msgspec.structs.replace(suite, cases=suite.cases[:cases])
    for line in read:
        stage.say(line)
    agent.prepare(stage.say, model)
    stage.say("the index, which takes a while the first time")
    graph = await asyncio.to_thread(build)
    stage.say(f"the workflow over {len(suite.cases)} questions")
    act, complete = await run_act(stage, "contracts", graph, suite, Ask(condition="contracts"))
    return Shown(acts=(act,), benchmark=None, notes=(*read, *agent.notes()), complete=complete)


def _asked(path: Path, place: Place) -> Suite:
    """The cases of a questions file; a plain text is a question."""
    suite = open_suite(path, place)
    return msgspec.structs.replace(suite, cases=tuple(_question(path, case) for case in suite.cases))


def _question(path: Path, case: Case) -> Case:
    given = {"question": case.input} if isinstance(case.input, str) else case.input
    asked = given.get("question") if isinstance(given, dict) else None
    if not isinstance(asked, str) or not asked.strip():
        raise InvalidSuite(
            f"{path}, case {case.id!r}: input is {given!r:.80}, allowed is a question: "
            '{"input": {"question": "Summarize the financial risk of supplier X."}}, or the question alone.'
        )
    return msgspec.structs.replace(case, input=given)


def summary(shown: Shown) -> list[dict[str, Any]]:
    """One row per measurement: S, silent failures, escalations, loud failures, each an estimate."""
    rows = []
    for act in shown.acts:
        gap = act.report.gap
        row = {"name": act.name, "success": gap.success, "silent": gap.silent_failure_rate}
        row |= {outcome: gap.outcome_rates.get(outcome, Estimate()) for outcome in ("escalated", "failed")}
        rows.append(row)
    return rows


def as_builtins(shown: Shown) -> dict[str, Any]:
    """The demo's results as plain data."""
    body: dict[str, Any] = {
        "schema": "gapless.demo/1",
        "complete": shown.complete,
        "notes": list(shown.notes),
    }
    body["summary"] = [
        {name: msgspec.to_builtins(value) for name, value in row.items()} for row in summary(shown)
    ]
    body["acts"] = [{"name": act.name, "report": msgspec.to_builtins(act.report)} for act in shown.acts]
    if shown.comparison is not None:
        body["comparison"] = msgspec.to_builtins(shown.comparison)
    body["certificates"] = [msgspec.to_builtins(one) for one in shown.certificates]
    body["gates"] = [gate_builtins(one) for one in shown.gates]
    body["faults"] = [msgspec.to_builtins(matrix) for matrix in shown.matrices]
    body["replays"] = [msgspec.to_builtins(one) for one in shown.replays]
    if shown.causes is not None:
        body["causes"] = msgspec.to_builtins(shown.causes)
    if shown.benchmark is not None:
        body["benchmark"] = msgspec.to_builtins(shown.benchmark.rates)
    return body
