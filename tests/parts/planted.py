"""One planted defect for each line of the checklist, and its healthy twin: what a checkup has to tell apart."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypedDict

import msgspec
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.errors import InvalidUpdateError
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy, Send
from planted_context import CONTEXT
from planted_tools import TOOLS
from tool_server import command, lock

from gapless import Contract, Gate, Retry, guard
from gapless.boundary.session import Session, current_session
from gapless.frameworks.langgraph import record, wiring
from gapless.frameworks.target import adapt
from gapless.gap.rate import proportion
from gapless.operations.checkup_exports import exported
from gapless.probes.base import Records, Subject
from gapless.probes.hardware.memory_bandwidth import measure
from gapless.records.baseline import BaselineVerdict, PromptBaseline
from gapless.records.crash import CrashCell, CrashTable
from gapless.records.estimate import Estimate
from gapless.records.measurement import Measurement
from gapless.records.replay import Fidelity
from gapless.records.trial import Call, Run, StepEvent, StepOutcome, TrialRecord
from gapless.records.value import decode
from gapless.records.workflow import Shape, Step
from gapless.trace.recorder import TrialRecorder

Make = Callable[[Path], Subject]


@dataclass(frozen=True)
class Planted:
    """A line of the checklist with a defect that its probe has to find."""

    probe: str
    defect: str
    """In words, for the docs."""
    says: str
    """Pattern of what the finding says of the defect, and not of its healthy twin."""
    sick: Make
    healthy: Make


# -- hosts: files as the kernel writes them -----------------------------------------------------------------------


def host(root: Path, files: dict[str, str]) -> Subject:
    usual = {
        "proc/self/status": "Cpus_allowed_list:\t0-3\n",
        "proc/self/cgroup": "0::/\n",
        "proc/stat": "cpu  100 0 100 800 0 0 0 0 0 0\n",
        "proc/pressure/cpu": "some avg10=0.00 avg60=1.00 avg300=0.00 total=0\n",
        "sys/fs/cgroup/cpu.max": "max 100000\n",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
    }
    for name, text in (usual | files).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Subject(root=root)


def two_nodes(pages: str, allowed: str) -> dict[str, str]:
    files = {"proc/self/numa_maps": pages, "proc/self/status": f"Cpus_allowed_list:\t{allowed}\n"}
    for node, cpus, distance in ((0, "0-3", "10 21"), (1, "4-7", "21 10")):
        folder = f"sys/devices/system/node/node{node}"
        files |= {f"{folder}/cpulist": cpus, f"{folder}/distance": distance}
        files[f"{folder}/meminfo"] = f"Node {node} MemTotal: 1000 kB\nNode {node} MemFree: {500 - node} kB\n"
    return files


REMOTE, LOCAL = "7f00 default anon=9 N0=10 N1=90\n", "7f00 default anon=9 N0=99 N1=1\n"


def asked_twice() -> Subject:
    """Asked for twice the most that this memory gave just now."""
    best = measure(Path("/"), seconds=1.0).best
    return Subject(targets={"memory-bandwidth": 2 * best}, seconds=1.0)


# -- graphs -------------------------------------------------------------------------------------------------------


class State(TypedDict, total=False):
    question: str
    found: str
    both: Annotated[list[str], operator.add]
    one: str
    answer: str


def graph(
    *,
    state: Any = State,
    saver: Any = None,
    effect: bool = True,
    loop: bool = False,
    island: bool = False,
    native_retry: bool = False,
    contracts: dict[str, Contract] | None = None,
    limit: int | None = None,
    routed: bool = False,
    stops: dict[str, Any] | None = None,
) -> Subject:
    built = StateGraph(state)
    built.add_node("retrieve", lambda s: {"found": "x"}, metadata={"layer": "context"})
    acting = {"layer": "tool", "effect": effect}
    policy = RetryPolicy(max_attempts=3) if native_retry else None
    built.add_node("pay", lambda s: {"answer": "y"}, metadata=acting, retry_policy=policy)
    built.add_edge(START, "retrieve")
    if routed:
        built.add_conditional_edges("retrieve", lambda s: "pay", ["pay", END])
    else:
        built.add_edge("retrieve", "pay")
    if loop:
        built.add_conditional_edges("pay", lambda s: END, ["retrieve", END])
    else:
        built.add_edge("pay", END)
    if island:
        built.add_node("island", lambda s: {"answer": "z"}, metadata={"layer": "tool"})
        built.add_edge("island", "pay")
    compiled: Any = built.compile(checkpointer=saver, **(stops or {}))
    if limit is not None:
        compiled = compiled.with_config(recursion_limit=limit)
    compiled = guard(compiled, contracts) if contracts else compiled
    return Subject(workflow=adapt(compiled), wiring=wiring(compiled))


ONCE = Contract(effect=True, idempotency_key="question", timeout_s=5)
LASTING = SqliteSaver.from_conn_string


def lasting(folder: Path) -> Subject:
    import sqlite3

    return graph(saver=SqliteSaver(sqlite3.connect(folder / "saver.db", check_same_thread=False)))


def rooted(_: Path) -> Subject:
    return graph(state=dict)


GATE = Gate(signal=lambda crossing: 1.0)


# -- records ------------------------------------------------------------------------------------------------------

SHAPE = Shape(steps=(Step(name="a"), Step(name="b")))
MEASUREMENT = Measurement(
    id="M", key="k", target="t", fingerprint="f", suite="s", suite_digest="d", shape=SHAPE
)


def event(step: str, started: float, ms: float = 1.0, **more: Any) -> StepEvent:
    return StepEvent(step=step, started_ms=started, ms=ms, output=f"{step}-out", **more)


def records(events: tuple[StepEvent, ...] | None = None, **more: Any) -> Subject:
    events = events if events is not None else (event("a", 0.0), event("b", 2.0))
    trial = TrialRecord(case="c", trial=0, group="c", outcome="correct", events=events, ms=10.0)
    outcomes = tuple(StepOutcome(step=e.step, visit=1, attempt=1, ok=True, ms=1.0) for e in events)
    run = Run(case="c", trial=0, group="c", outcome="correct", events=outcomes, labelled=True)
    values = {"a-out": {"x": 1}, "b-out": {"y": 1}}
    given: dict[str, Any] = {"measurement": MEASUREMENT, "runs": (run,), "sample": (trial,), "values": values}
    return Subject(records=Records(**(given | more)), leave=True)


def asking(*calls: tuple[bool, float]) -> Subject:
    """A step that asked others over HTTP: whether with a traceparent, and by how much their clock was ahead."""
    made = tuple(
        Call(kind="http", name="GET api.example/x", started_ms=0.1, ms=0.5, traced=traced, ahead_s=ahead)
        for traced, ahead in calls
    )
    return records((event("a", 0.0, calls=made), event("b", 2.0)))


def sampled(share: str) -> Subject:
    environment = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": share}
    return replace(records(), environment=environment)


def unjudged(_: Path) -> Subject:
    healthy = records().records
    assert healthy is not None
    (run,) = healthy.runs
    return records(runs=(msgspec.structs.replace(run, labelled=False, outcome="unjudged"),))


def fidelity(ended: int, n: int = 80) -> Fidelity:
    """Replays of which so many end as recorded."""
    rate = proportion(ended, n)
    return Fidelity(measurement="M", replay="R", outcome=rate, handoffs=rate, trials=n, replayed=n)


def clashing(keys: tuple[str, str]) -> Subject:
    sample = (event("a", 0.0, superstep=1), event("b", 0.0, superstep=1))
    found = records(sample, values={"a-out": {keys[0]: 1}, "b-out": {keys[1]: 2}})
    return replace(found, workflow=graph().workflow, wiring=graph().wiring)


def prompted(verdict: BaselineVerdict | None) -> Subject:
    found = None
    if verdict is not None:
        rate = Estimate(point=0.9, low=0.8, high=0.95, n_runs=40)
        found = PromptBaseline(
            verdict=verdict, reason="so it is", workflow=rate, prompt=rate, difference=rate
        )
    return replace(records(baseline=found), workflow=graph().workflow, wiring=graph().wiring)


def killed(*doubled: str) -> Subject:
    cell = CrashCell(
        guarded=True,
        durability="async",
        step="pay",
        moment="after",
        end="ended",
        doubled=doubled,
        delivered=1,
    )
    table = CrashTable(target="t", case="c", checkpointer="sqlite", effects=("pay",), cells=(cell,))
    return replace(graph(), crash=table, leave=True)


def forked(second: str) -> Subject:
    """Two steps that run side by side; the code of one writes a key of the other's, or one of its own."""

    def left(state: State) -> dict[str, str]:
        return {"one": "left"}

    def right(state: State) -> dict[str, str]:
        return {"one": "right"}

    def aside(state: State) -> dict[str, str]:
        return {"answer": "right"}

    built = StateGraph(State)
    built.add_node("left", left)
    built.add_node("right", right if second == "one" else aside)
    for name in ("left", "right"):
        built.add_edge(START, name)
        built.add_edge(name, END)
    compiled: Any = built.compile()
    return Subject(workflow=adapt(compiled), wiring=wiring(compiled))


def recorded(built: StateGraph[Any], given: dict[str, Any]) -> Subject:
    """A graph, and what LangGraph's own run of it leaves on record."""
    compiled: Any = built.compile()
    recorder = TrialRecorder()
    token = current_session.set(Session(recorder))
    try:
        with suppress(InvalidUpdateError):
            record(compiled).invoke(given)
    finally:
        current_session.reset(token)
    events = recorder.close()
    values = {event.output: decode(recorder.payloads[event.output]) for event in events if event.output}
    found = records(events, values=values)
    return replace(found, workflow=adapt(compiled), wiring=wiring(compiled))


def sending(key: str) -> Subject:
    """Two Sends to one step, which writes a key that one step may write in a round, or one with a reducer."""
    built = StateGraph(State)
    built.add_node("ask", lambda s: {"question": "x"})
    built.add_node("work", lambda s: {key: ["x"]})
    built.add_edge(START, "ask")
    built.add_conditional_edges("ask", lambda s: [Send("work", {"question": n}) for n in "ab"], ["work"])
    return recorded(built, {"question": "x"})


class Inside(TypedDict, total=False):
    rounds: int
    key: str


def entering(*, side_by_side: bool) -> Subject:
    """A subgraph that is entered twice: both of its steps write one key, in one round, or each in an entry of its own."""
    inner = StateGraph(Inside)
    for name in ("left", "right"):
        inner.add_node(name, lambda s: {"key": "x"})
    if side_by_side:
        inner.add_edge(START, "left")
        inner.add_edge(START, "right")
    else:
        inner.add_conditional_edges(
            START, lambda s: "left" if s["rounds"] % 2 else "right", ["left", "right"]
        )
    built = StateGraph(Inside)
    built.add_node("count", lambda s: {"rounds": s.get("rounds", 0) + 1})
    built.add_node("inner", inner.compile())
    built.add_edge(START, "count")
    built.add_edge("count", "inner")
    built.add_conditional_edges("inner", lambda s: "count" if s["rounds"] < 2 else END, ["count", END])
    return recorded(built, {"rounds": 0})


# -- MCP servers --------------------------------------------------------------------------------------------------


def server(defect: str = "", locked: Path | None = None, **more: Any) -> Subject:
    return Subject(servers={"orders": command(defect)}, tools_lock=locked, **more)


def impatient(defect: str, seconds: float = 2.0) -> Subject:
    return server(defect, seconds=seconds, targets={"tool-latency": 150.0})


PLANTED = (
    Planted(
        "memory-bandwidth",
        "memory that gives half of what is asked for",
        r"on \d+ threads, \d\d? % of",
        lambda f: asked_twice(),
        lambda f: Subject(targets={"memory-bandwidth": 0.001}, seconds=1.0),
    ),
    Planted(
        "numa-placement",
        "nine of ten pages on the other NUMA node",
        "on other nodes",
        lambda f: host(f, two_nodes(REMOTE, "0-3")),
        lambda f: host(f, two_nodes(LOCAL, "0-3")),
    ),
    Planted(
        "cgroup-limits",
        "a quota of half a CPU, and a third of the periods throttled",
        "was stopped in 33 %",
        lambda f: host(
            f,
            {
                "sys/fs/cgroup/cpu.max": "50000 100000",
                "sys/fs/cgroup/cpu.stat": "nr_periods 90\nnr_throttled 30\n",
            },
        ),
        lambda f: host(f, {"sys/fs/cgroup/cpu.stat": "nr_periods 90\nnr_throttled 0\n"}),
    ),
    Planted(
        "pressure",
        "tasks wait for a CPU 60 % of the time",
        "60 % of the last minute",
        lambda f: host(f, {"proc/pressure/cpu": "some avg10=60.0 avg60=60.0 avg300=9.0 total=1\n"}),
        lambda f: host(f, {}),
    ),
    Planted(
        "pages-and-clock",
        "huge pages off, governor powersave",
        "never; governor: powersave",
        lambda f: host(
            f,
            {
                "sys/kernel/mm/transparent_hugepage/enabled": "always madvise [never]",
                "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave",
            },
        ),
        lambda f: host(f, {}),
    ),
    Planted(
        "workflow-opens",
        "a module that cannot be imported",
        "could not be opened: ImportError",
        lambda f: Subject(
            no_workflow="app.py:graph could not be opened: ImportError: no module named 'nowhere'"
        ),
        lambda f: graph(),
    ),
    Planted(
        "typed-state", "a state that is a bare dict", r"\(dict\) declares no keys", rooted, lambda f: graph()
    ),
    Planted(
        "checkpoints",
        "an effect, and checkpoints in memory",
        "InMemorySaver loses every run",
        lambda f: graph(saver=InMemorySaver()),
        lasting,
    ),
    Planted(
        "effects-once",
        "an effect that nothing names",
        "pay would take place again",
        lambda f: graph(),
        lambda f: graph(contracts={"pay": ONCE}),
    ),
    Planted(
        "time-limits",
        "a retriever and a tool without a limit",
        "no limit .* retrieve, pay",
        lambda f: graph(),
        lambda f: graph(contracts={"pay": ONCE, "retrieve": Contract(timeout_s=5)}),
    ),
    Planted(
        "retry-owners",
        "a native retry on a step with an effect",
        "pay is called up to 3 times",
        lambda f: graph(native_retry=True),
        lambda f: graph(contracts={"retrieve": Contract(retry=Retry(3))}),
    ),
    Planted(
        "doubt-has-a-way",
        "a retriever that leads on unconditionally",
        "retrieve hands over goes on however doubtful",
        lambda f: graph(),
        lambda f: graph(routed=True),
    ),
    Planted(
        "person-before-effect",
        "an effect that a run reaches unseen",
        "come to pay without anybody",
        lambda f: graph(saver=InMemorySaver()),
        lambda f: graph(saver=InMemorySaver(), contracts={"retrieve": Contract(gate=GATE)}),
    ),
    Planted(
        "bounded-loops",
        "a loop without a bound",
        "only the framework's own limit",
        lambda f: graph(loop=True),
        lambda f: graph(loop=True, limit=25),
    ),
    Planted(
        "reachable-steps",
        "a step that no edge leads to",
        "no way leads to island",
        lambda f: graph(island=True),
        lambda f: graph(),
    ),
    Planted(
        "parallel-writes",
        "two steps of one round that write the same key",
        r"without a reducer: one \(left, right\)",
        lambda f: forked("one"),
        lambda f: forked("answer"),
    ),
    Planted(
        "parallel-writes",
        "two Sends to one step that writes a key without a reducer",
        r"without a reducer: one \(work",
        lambda f: sending("one"),
        lambda f: sending("both"),
    ),
    Planted(
        "parallel-writes",
        "two steps of a subgraph that write the same key in one round (its twin: in two entries)",
        r"without a reducer: key \(inner/left",
        lambda f: entering(side_by_side=True),
        lambda f: entering(side_by_side=False),
    ),
    Planted(
        "tool-server",
        "a server that ends at its start",
        "ended before it answered",
        lambda f: server("crash"),
        lambda f: server(),
    ),
    Planted(
        "tool-lint",
        "a tool that says it only reads, and deletes",
        "misleading-read-only",
        lambda f: server("lying-hint"),
        lambda f: server(),
    ),
    Planted(
        "tool-drift",
        "an argument that is required since the review",
        "1 breaking; first search_orders: since",
        lambda f: server("narrowed", lock(f)),
        lambda f: server("", lock(f)),
    ),
    Planted(
        "tool-honesty",
        "an error's text that is answered as a success",
        "was answered with success",
        lambda f: server("error-as-success"),
        lambda f: server(),
    ),
    Planted(
        "tool-output",
        "an answer that breaks the output schema",
        "break the output schema",
        lambda f: server("other-than-declared"),
        lambda f: server(),
    ),
    Planted(
        "tool-latency",
        "a tool that takes 200 ms, where 150 are allowed",
        r"p95 at least [2-9]\d\d",
        lambda f: impatient("slow"),
        lambda f: impatient(""),
    ),
    Planted(
        "tool-cancel",
        "a tool that blocks its server, and is given up",
        "tools/list was not answered",
        lambda f: impatient("blocks", seconds=1.0),
        lambda f: impatient("unhurried"),
    ),
    Planted(
        "orchestration-needed",
        "a verdict on record: ship the prompt",
        "ship the prompt",
        lambda f: prompted("ship the prompt"),
        lambda f: prompted("keep the workflow"),
    ),
    Planted(
        "crash-recovery",
        "an effect that took place twice after a kill",
        "pay took place twice",
        lambda f: killed("pay"),
        lambda f: killed(),
    ),
    Planted(
        "steps-recorded",
        "a handoff whose value was not kept",
        "not kept whole, at b",
        lambda f: records(values={"a-out": {"x": 1}}),
        lambda f: records(),
    ),
    Planted("verdicts", "a trial without a verdict", "without a verdict", unjudged, lambda f: records()),
    Planted(
        "trace-order",
        "a step that runs outside of its caller (a lost parent)",
        "a/b ran outside of a",
        lambda f: records((event("a", 0.0), event("a/b", 8.0))),
        lambda f: records((event("a", 0.0, 4.0), event("a/b", 1.0))),
    ),
    Planted(
        "trace-context",
        "a lost traceparent: a request that carries none beside one that does",
        "carry no traceparent",
        lambda f: asking((True, 0.0), (False, 0.0)),
        lambda f: asking((True, 0.0), (True, 0.0)),
    ),
    Planted(
        "clock-skew",
        "a server whose clock is five minutes ahead",
        "ahead by 300",
        lambda f: asking((True, 300.2)),
        lambda f: asking((True, -0.4)),
    ),
    Planted(
        "sampling",
        "a sampler that keeps a tenth of the traces",
        "keeps 10 % of traces",
        lambda f: sampled("0.1"),
        lambda f: sampled("1.0"),
    ),
    Planted(
        "redaction",
        "an export that looks past redaction",
        "was found in my export",
        lambda f: replace(records(), exports=lambda store, measurement: {"my export": "078-05-1120-planted"}),
        lambda f: replace(records(), exports=exported),
    ),
    Planted(
        "tracing-cost",
        "recording that takes more than the hundredth of a microsecond that is allowed",
        "where 0.01 us are allowed",
        lambda f: Subject(targets={"tracing-cost": 0.01}),
        lambda f: Subject(),
    ),
    Planted(
        "lost-trials",
        "a trial that began and never ended",
        "never ended",
        lambda f: records(unfinished=1),
        lambda f: records(),
    ),
    Planted(
        "replay-fidelity",
        "half of the replays end otherwise",
        "40 of 80",
        lambda f: records(fidelity=fidelity(40)),
        lambda f: records(fidelity=fidelity(80)),
    ),
    *(Planted(*line) for line in CONTEXT),
    *(Planted(*line) for line in TOOLS),
)
