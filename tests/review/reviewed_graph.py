"""A graph that pauses for a person, in a process of its own: python reviewed_graph.py start|resume|aresume THREAD [die-at].

Every run of a step is a line in `ran.log`; `die-at` kills the process without a word at a named moment.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph

from gapless import Contract, Gate, Review, guard
from gapless.operations.review import aresume, open_inbox, open_ledger, resume
from gapless.review.inbox import Inbox

DIE_AT = sys.argv[3] if len(sys.argv) > 3 else ""


class State(TypedDict, total=False):
    price: float
    sure: float
    paid: float


def moment(name: str) -> None:
    """The process dies here if it was told to."""
    if name == DIE_AT:
        os.kill(os.getpid(), signal.SIGKILL)


def note(step: str) -> None:
    with Path("ran.log").open("a") as log:
        log.write(f"{step}\n")


def price(state: State) -> State:
    note("price")
    return {"price": 9.5, "sure": 0.1}


def pay(state: State) -> State:
    moment("before the effect")
    note("pay")
    moment("after the effect")
    return {"paid": state["price"]}


class Dying(Inbox):
    """An inbox whose process dies around the moment a decision is taken in."""

    def settle(self, *args: Any) -> None:
        moment("before consuming")
        super().settle(*args)
        moment("after consuming")


def build(saver: Any) -> Any:
    graph = StateGraph(State).add_sequence([price, pay]).add_edge(START, "price").compile(checkpointer=saver)
    schema = {"type": "object", "properties": {"price": {"type": "number", "minimum": 0}}}
    contracts = {
        "price": Contract(
            output=schema, gate=Gate(signal=lambda crossing: crossing.handoff["sure"], below=Review())
        ),
        "pay": Contract(effect=True, idempotency_key="price"),
    }
    inbox = open_inbox()
    inbox.__class__ = Dying
    return guard(graph, contracts, inbox=inbox, ledger=open_ledger())


def run(verb: str, thread: str) -> Any:
    with SqliteSaver.from_conn_string("threads.db") as saver:
        app = build(saver)
        if verb == "start":
            return app.invoke({}, {"configurable": {"thread_id": thread}}).get("__interrupt__") is not None
        return resume(app, thread)


async def arun(verb: str, thread: str) -> Any:
    async with AsyncSqliteSaver.from_conn_string("threads.db") as saver:
        app = build(saver)
        if verb == "astart":
            done = await app.ainvoke({}, {"configurable": {"thread_id": thread}})
            return done.get("__interrupt__") is not None
        return await aresume(app, thread)


if __name__ == "__main__":
    verb, thread = sys.argv[1:3]
    done = asyncio.run(arun(verb, thread)) if verb.startswith("a") else run(verb, thread)
    print(json.dumps(done))
