"""One process: a chain of ten trivial LangGraph nodes under one way of watching it. Prints {"us": CPU per node}."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

NODES = 10
AT_ONCE = 8
"""Trials in flight: as in a measurement, where what finishes together is committed together."""
_KEPT: list[Any] = []


class State(TypedDict):
    text: str
    count: int


def chain(
    wrap: Callable[[Callable[[State], Any]], Callable[[State], Any]] = lambda f: f, saver: Any = None
) -> Any:
    def work(state: State) -> dict[str, Any]:
        return {"count": state["count"] + 1}

    graph = StateGraph(State)
    names = [f"n{i}" for i in range(NODES)]
    for name in names:
        graph.add_node(name, wrap(work))
    for left, right in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(left, right)
    return graph.compile(checkpointer=saver)


INPUT: State = {"text": "a" * 500, "count": 0}


async def bare() -> Callable[[], Awaitable[Any]]:
    graph = chain()
    return lambda: graph.ainvoke(INPUT)


async def guarded() -> Callable[[], Awaitable[Any]]:
    """Recorded, stored, and every node under a contract with a schema and a gate that lets pass."""
    from gapless import Contract, Gate, Refuse, guard
    from gapless.boundary.guards.schema import SchemaGuard

    contract = Contract(
        output=SchemaGuard(State, partial=True), gate=Gate(signal=lambda crossing: 0.9, below=Refuse())
    )
    return _measured(guard(chain(), {f"n{i}": contract for i in range(NODES)}))


async def gapless() -> Callable[[], Awaitable[Any]]:
    return _measured(chain())


def _measured(app: Any) -> Callable[[], Awaitable[Any]]:
    """The app as a measurement runs it: recorded, and committed to disk."""
    from gapless.boundary.session import Session, current_session
    from gapless.frameworks.langgraph import record
    from gapless.records.trial import TrialRecord
    from gapless.stores.store import Batch, Store
    from gapless.stores.writer import Writer
    from gapless.trace.recorder import TrialRecorder

    graph = record(app)
    folder = tempfile.mkdtemp()
    writer = Writer(Store(f"sqlite:///{Path(folder) / 'gapless.db'}"))
    number = 0

    async def once() -> None:
        nonlocal number
        recorder = TrialRecorder()
        session = Session(recorder, case_input=INPUT)
        token = current_session.set(session)
        await graph.ainvoke(INPUT)
        current_session.reset(token)
        number += 1
        trial = TrialRecord(
            case="c",
            trial=number,
            group="c",
            outcome="correct",
            events=recorder.close(),
            rulings=tuple(session.watch.rulings),
        )
        await writer.commit(
            Batch("m", starting=[("c", number)], finished=[trial], payloads=recorder.payloads)
        )

    return once


def _tracer() -> Any:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Null(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Null()))
    return provider


async def span() -> Callable[[], Awaitable[Any]]:
    tracer = _tracer().get_tracer("bench")

    def wrap(work: Callable[[State], Any]) -> Callable[[State], Any]:
        def node(state: State) -> Any:
            with tracer.start_as_current_span("node") as opened:
                opened.set_attribute("step", "n")
                opened.set_attribute("input", json.dumps(state))
                out = work(state)
                opened.set_attribute("output", json.dumps(out))
                return out

        return node

    graph = chain(wrap)
    return lambda: graph.ainvoke(INPUT)


async def openinference() -> Callable[[], Awaitable[Any]]:
    from openinference.instrumentation.langchain import LangChainInstrumentor

    LangChainInstrumentor().instrument(tracer_provider=_tracer())
    graph = chain()
    return lambda: graph.ainvoke(INPUT)


async def langfuse() -> Callable[[], Awaitable[Any]]:
    os.environ |= {
        "LANGFUSE_PUBLIC_KEY": "pk",
        "LANGFUSE_SECRET_KEY": "sk",
        "LANGFUSE_HOST": "http://127.0.0.1:9",
    }
    from langfuse import Langfuse
    from langfuse.langchain import CallbackHandler

    Langfuse(tracer_provider=_tracer())
    handler = CallbackHandler()
    graph = chain()
    return lambda: graph.ainvoke(INPUT, {"callbacks": [handler]})


async def sqlite_saver() -> Callable[[], Awaitable[Any]]:
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    opening = AsyncSqliteSaver.from_conn_string(str(Path(tempfile.mkdtemp()) / "s.db"))
    _KEPT.append(opening)  # collected, it would close the database
    saver = await opening.__aenter__()
    graph = chain(saver=saver)
    number = 0

    async def once() -> None:
        nonlocal number
        number += 1
        await graph.ainvoke(INPUT, {"configurable": {"thread_id": str(number)}})

    return once


async def main(variant: str, runs: int) -> None:
    once = await globals()[variant.replace("-", "_")]()
    for _ in range(30):
        await once()
    began = time.process_time()
    for _ in range(runs // AT_ONCE):
        await asyncio.gather(*(once() for _ in range(AT_ONCE)))
    print(json.dumps({"us": (time.process_time() - began) / runs / NODES * 1e6}), flush=True)
    os._exit(0)  # exporters to nowhere need not be flushed


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
