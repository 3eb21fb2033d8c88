"""The reference agent end to end: its tool server, its model client, its graph; with the embedded model where its weights are."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from contract_risk import claims, drafting, suite
from contract_risk.app import Agent, graph
from contract_risk.corpus import generate
from contract_risk.finance.desk import Desk
from contract_risk.finance.rules import assess
from contract_risk.library import Library, documents
from contract_risk.model.client import Endpoint, Model
from contract_risk.model.drafts import Draft, Drafts
from contract_risk.model.embedded import Servers
from langgraph.types import Command

from gapless.errors import EndpointError, WeightsUnavailable
from gapless.retrievers import weights
from gapless.retrievers.bm25 import Bm25

SEED = 1001
EXAMPLES = Path(__file__).parents[2] / "examples"
FACTS = {
    "currency": "USD",
    "commitment": 250_000,
    "penalty": 82_000,
    "cap": 1_454_000,
    "payment_days": 60,
    "notice_days": 90,
    "renewal": "2027-03-31",
}


@pytest.fixture
async def desk() -> AsyncGenerator[Desk]:
    opened = Desk()
    yield opened
    await opened.close()


async def test_the_tool_answers_over_mcp_as_its_rules_say(desk: Desk) -> None:
    answers = await asyncio.gather(*(desk.assess(FACTS) for _ in range(8)))
    assert answers == [assess(FACTS)] * 8
    assert (await desk.assess({**FACTS, "cap": None}))["missing"] == ["cap"]
    with pytest.raises(RuntimeError, match=r"facts\.cap"):
        await desk.assess({**FACTS, "cap": "a lot"})


async def test_a_tool_server_that_died_is_started_again(desk: Desk) -> None:
    await desk.assess(FACTS)
    (server,) = _children("contract_risk.finance.server")
    os.kill(server, signal.SIGKILL)
    assert await desk.assess(FACTS) == assess(FACTS)
    await desk.close()
    assert _children("contract_risk.finance.server") == []


def test_no_process_outlives_the_agent() -> None:
    code = "import asyncio, os, sys; from contract_risk.finance.desk import Desk; asyncio.run(Desk().assess({})); print(os.getpid(), flush=True); END"
    for end in ("pass", "os.kill(os.getpid(), 9)"):
        done = subprocess.run(
            [sys.executable, "-c", code.replace("END", end)],
            env={**os.environ, "PYTHONPATH": str(EXAMPLES)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.strip(), done.stderr
        deadline = time.monotonic() + 10
        while _with_parent_gone("contract_risk.finance.server") and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not _with_parent_gone("contract_risk.finance.server")


async def test_a_model_is_asked_once_for_the_same_draft(endpoint: Endpoint, tmp_path: Path) -> None:
    model = Model(endpoint, Drafts(tmp_path))
    pieces: list[str] = []
    first = await model.write(
        [{"role": "user", "content": "hello"}], grammar="root ::= word", tell=pieces.append
    )
    again = await model.write([{"role": "user", "content": "hello"}], grammar="root ::= word")
    other = await model.write([{"role": "user", "content": "other"}])
    assert first == again == Draft(text="hello to you", finish="stop", tokens_in=3, tokens_out=4)
    assert pieces == ["hello", " to you"]
    assert other.text == "other to you"
    assert (model.drafts.computed, model.drafts.reused) == (2, 1)
    assert (
        Model(Endpoint(url=endpoint.url, name="another"), Drafts(tmp_path)).drafts.find("another", {}) is None
    )


async def test_a_grammar_is_sent_only_where_it_is_understood(endpoint: Endpoint, tmp_path: Path) -> None:
    asked = [{"role": "user", "content": "echo grammar"}]
    assert (await Model(endpoint, Drafts(tmp_path)).write(asked, grammar="root ::= x")).text.startswith(
        "root"
    )
    plain = Endpoint(url=endpoint.url, name=endpoint.name, grammar=False)
    assert (await Model(plain, Drafts(tmp_path)).write(asked, grammar="root ::= x")).text.startswith("none")


async def test_an_endpoint_that_is_down_or_refuses_says_so(endpoint: Endpoint, tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="answered 503: overloaded"):
        await Model(endpoint, Drafts(tmp_path)).write([{"role": "user", "content": "refuse"}])
    down = Endpoint(url="http://127.0.0.1:9/v1")
    with pytest.raises(EndpointError, match="ConnectError"):
        await Model(down, Drafts(tmp_path)).write([{"role": "user", "content": "hello"}])


def test_a_damaged_draft_is_written_again(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path)
    drafts.keep("m", {"a": 1}, Draft(text="x"))
    (file,) = tmp_path.rglob("*.json")
    file.write_text("{half", encoding="utf-8")
    assert drafts.find("m", {"a": 1}) is None


class Copyist:
    """Writes what the findings say: the graph's tests need no language model."""

    endpoint = Endpoint(name="copyist")

    async def write(
        self, messages: list[drafting.Message], *, grammar: str | None = None, tell: Any = None
    ) -> Draft:
        name, *lines = messages[-1]["content"].removeprefix("Supplier: ").splitlines()
        texts = [{"text": line.removeprefix("- ")} for line in lines if line.startswith("- ")]
        text = drafting.reference(name, texts)
        tell(text)
        return Draft(text=text)


def _agent(desk: Desk, model: Any, outbox: Path | None = None) -> Agent:
    corpus = generate(60, SEED)
    return Agent(library=Library(corpus, Bm25(documents(corpus))), finance=desk, model=model, outbox=outbox)


async def test_every_case_takes_its_planned_path(desk: Desk, tmp_path: Path) -> None:
    app = graph(_agent(desk, Copyist(), tmp_path))
    right = 0
    for case in suite.suite(24, SEED).cases:
        config: Any = {"configurable": {"thread_id": case.id}}
        told, steps, answer = "", [], {}
        async for mode, chunk in app.astream(case.input, config, stream_mode=["updates", "custom"]):
            if mode == "custom":
                told += chunk["draft"]
                continue
            steps += list(chunk)
            answer = chunk.get("deliver", {}).get("answer", answer)
        expected = case.golden["deliver"]["answer"]
        if answer["answerable"] == expected["answerable"]:
            assert tuple(steps) == case.path
        assert told == (answer["summary"] if answer["answerable"] else "")
        right += answer["figures"] == expected["figures"]
        assert json.loads((tmp_path / f"{answer['supplier']}.json").read_text(encoding="utf-8")) == answer
    assert right >= 15  # word search alone: the fused search finds what it misses


async def test_an_unknown_supplier_waits_for_a_person(desk: Desk) -> None:
    app = graph(_agent(desk, Copyist()))
    config: Any = {"configurable": {"thread_id": "who"}}
    state = await app.ainvoke({"question": "What about Nobody & Sons?"}, config)
    assert "answer" not in state
    assert (await app.aget_state(config)).next == ("human_review",)
    done = await app.ainvoke(Command(resume="Nobody & Sons is no supplier of ours."), config)
    assert done["answer"]["summary"] == "Nobody & Sons is no supplier of ours."
    assert done["answer"]["answerable"] is False


async def test_another_model_or_corpus_is_another_workflow(desk: Desk) -> None:
    from gapless.frameworks.target import adapt

    one = adapt(graph(_agent(desk, Copyist())))
    assert adapt(graph(_agent(desk, Copyist()))).fingerprint == one.fingerprint
    other = _agent(desk, Model(Endpoint(url="http://127.0.0.1:9/v1", name="m")))
    assert adapt(graph(other)).fingerprint != one.fingerprint
    layers = {
        step.name: (step.layer, step.effect, step.review) for step in one.shape.steps if not step.router
    }
    assert layers == {
        "understand": ("orchestration", False, False),
        "retrieve": ("context", False, False),
        "extract": ("context", False, False),
        "assess": ("tool", False, False),
        "draft": ("model", False, False),
        "human_review": ("orchestration", False, True),
        "deliver": ("orchestration", True, False),
    }


async def test_the_embedded_model_drafts_from_findings_and_its_server_comes_back(tmp_path: Path) -> None:
    try:
        weights.fetch("smollm2")
    except WeightsUnavailable as error:
        pytest.skip(f"the weights cannot be downloaded here: {error}")
    from contract_risk.background import BACKGROUND

    model = Model(Endpoint(), Drafts(tmp_path), Servers(1))
    done = assess(FACTS)
    name = "Harlow Metals Ltd"

    async def write(text: str) -> Draft:
        asked = drafting.messages(text, done["findings"])
        return await model.write(asked, grammar=drafting.grammar(text, done["findings"]))

    draft = await write(name)
    assert draft.finish == "stop"
    # what the grammar promises, whatever the model makes of it: no figure and no name that is not evidence
    assert not [wrong for wrong in claims.problems(draft.text, name, done["figures"]) if "figure" in wrong]
    for server in _children("model/server.py"):
        os.kill(server, signal.SIGKILL)
    assert (await write("Corvane Foods BV")).text
    await asyncio.to_thread(BACKGROUND.close)
    assert _children("model/server.py") == []


def _children(command: str) -> list[int]:
    return [pid for pid, parent in _processes(command) if parent == os.getpid()]


def _with_parent_gone(command: str) -> list[int]:
    return [pid for pid, parent in _processes(command) if parent == 1]


def _processes(command: str) -> list[tuple[int, int]]:
    """(pid, parent's pid) of the living processes whose command line holds `command`."""
    found: list[tuple[int, int]] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # it ended while it was looked at, or is another user's
            if command in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append((process.pid, process.ppid()))
    return found


@pytest.fixture
def endpoint() -> Generator[Endpoint]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Endpoint(url=f"http://127.0.0.1:{server.server_port}/v1", name="echo")
    server.shutdown()
    server.server_close()


class _Echo(BaseHTTPRequestHandler):
    """An OpenAI-compatible endpoint that streams back what it was asked."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said = asked["messages"][-1]["content"]
        if said == "refuse":
            self.send_response(503)
            self.end_headers()
            self.wfile.write(b"overloaded")
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        first = asked.get("grammar", "none") if said == "echo grammar" else said
        for piece in (first, " to you"):
            self._event({"choices": [{"delta": {"content": piece}, "finish_reason": None}]})
        self._event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        self._event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, event: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        return
