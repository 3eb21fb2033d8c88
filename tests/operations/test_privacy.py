"""A planted secret must not be found in the store, whatever way the workflow takes it."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, TypedDict

import httpx
import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph

from gapless import step
from gapless.errors import UsageError
from gapless.operations.benchmark import benchmark_into
from gapless.operations.label import promote
from gapless.operations.measure import Ask, measure_into
from gapless.operations.open import open_store
from gapless.operations.run import run_program
from gapless.settings import Place, Privacy, Settings
from gapless.stores.rows import expand

SSN = "078-05-1120"
TOKEN = "sk-live-5f4dcc3b5aa765d61d83"
WRONG = "900-11-2233"
SECRETS = (SSN, TOKEN, WRONG)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(
        root=str(tmp_path),
        settings=Settings(timeout_s=20, privacy=Privacy(redact=("*.ssn", "authorization"))),
        database=f"sqlite:///{tmp_path / '.gapless' / 'gapless.db'}",
    )


@pytest.fixture(scope="module")
def server() -> Generator[str]:
    class Echo(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            given = json.loads(self.rfile.read(int(self.headers["content-length"])))
            body = json.dumps({"echo": given, "who": f"{given['ssn']} is known"}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    served = HTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{served.server_port}"
    served.shutdown()
    served.server_close()
    thread.join()


class State(TypedDict, total=False):
    customer: dict[str, Any]
    authorization: str
    boom: bool
    answer: str


@tool
def look_up(ssn: str) -> str:
    """Looks a person up."""
    return str({"ssn": ssn, "name": "Ada"})


def agent(url: str) -> Any:
    model = FakeListChatModel(responses=[f"I asked about {SSN}."])

    def fetch(state: State) -> dict[str, Any]:
        found = look_up.invoke({"ssn": state["customer"]["ssn"]})
        reply = httpx.post(
            f"{url}/people/{SSN}?authorization={TOKEN}",
            json={"ssn": SSN, "found": found},
            headers={"Authorization": f"Bearer {TOKEN}"},
            trust_env=False,
        )
        return {"answer": reply.json()["who"]}

    def write(state: State) -> dict[str, Any]:
        if state.get("boom"):
            raise ValueError(f"cannot write for {state['customer']['ssn']} with {state['authorization']}")
        said = model.invoke(json.dumps(state["customer"]) + f" token {TOKEN}").content
        return {"answer": str(said)}

    graph = StateGraph(State)
    graph.add_node("fetch", fetch)
    graph.add_node("write", write)
    graph.add_edge(START, "fetch")
    graph.add_edge("fetch", "write")
    graph.add_edge("write", END)
    return graph.compile()


SUITE = [
    {
        "id": name,
        "input": {"customer": {"ssn": SSN}, "authorization": f"Bearer {TOKEN}", "boom": name == "loud"},
        "path": ["fetch", "write"],
        "golden": {
            "fetch": {"answer": f"{SSN} is known"},
            "write": {"answer": f"I asked about {SSN}.", "ssn": WRONG},
        },
        "checks": {
            "end": [
                {"contains": {"path": "answer", "all": f"I asked about {SSN}."}},
                {"exact": {"path": "customer.ssn", "value": WRONG if name == "wrong" else SSN}},
            ]
        },
    }
    for name in ("right", "wrong", "loud")
]


def everything(place: Place) -> list[tuple[str, bytes]]:
    """Every cell of every table, expanded where it is compressed, and every raw byte of the files."""
    found: list[tuple[str, bytes]] = []
    file = Path(place.database.removeprefix("sqlite:///"))
    with sqlite3.connect(file) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        for table in tables:
            for row in connection.execute(f"SELECT * FROM {table}"):
                for cell in row:
                    data = cell if isinstance(cell, bytes) else str(cell).encode()
                    found.append((table, expand(data) if data[:1] in (b"\x00", b"\x01") else data))
    connection.close()
    found += [(file.name, file.read_bytes()) for file in file.parent.rglob("*") if file.is_file()]
    return found


def assert_kept_out(place: Place) -> None:
    cells = everything(place)
    assert sum(b"[redacted]" in data for _, data in cells) > 5
    for table, data in cells:
        for secret in SECRETS:
            assert secret.encode() not in data, (table, data[:300])


async def test_a_graph_is_measured_as_it_is_and_kept_without_its_secrets(place: Place, server: str) -> None:
    with open_store(place) as store:
        measured = await measure_into(store, agent(server), SUITE, Ask(trials=2), place=place)
        runs = {run.case: run for run in store.runs(measured.measurement.id)}
        assert {case: run.outcome for case, run in runs.items()} == {
            "right": "correct",  # the check saw the value, not the mask
            "wrong": "wrong",
            "loud": "failed",
        }
        assert runs["loud"].why == "ValueError: cannot write for [redacted] with [redacted]"
        record = store.record(measured.measurement.id, "right", 0)
        assert store.payload(record.input or "")["customer"] == {"ssn": "[redacted]"}
        kinds = {call.kind for event in record.events for call in event.calls}
        assert kinds >= {"tool", "http", "model"}
        benchmarked = await benchmark_into(store, agent(server), SUITE, place=place)
        assert {rate.step for rate in benchmarked.rates} == {"fetch", "write"}
        with pytest.raises(UsageError, match="redacted"):
            promote(store, measured.measurement, "right", 0, Path(place.root) / "new.yaml")
    assert_kept_out(place)
    with open_store(place) as store:  # the same call again finds what it has
        again = await measure_into(store, agent(server), SUITE, Ask(trials=2), place=place)
        assert again.measurement.id == measured.measurement.id


async def test_a_function_is_kept_without_its_secrets(place: Place) -> None:
    @step
    def check(ssn: str, note: str) -> dict[str, Any]:
        if "boom" in note:
            raise RuntimeError(f"ssn={ssn}: {note}")
        return {"text": f"checked {ssn}", "header": ["authorization", TOKEN]}

    def workflow(ssn: str, note: str) -> str:
        return str(check(ssn, f"{note} {TOKEN}"))

    cases = [{"id": note, "input": {"ssn": SSN, "note": note}} for note in ("fine", "boom")]
    for case in cases:
        case["input"] |= {"note": f"{case['id']} {json.dumps({'authorization': TOKEN})}"}  # type: ignore[operator]
    with open_store(place) as store:
        measured = await measure_into(store, workflow, cases, Ask(), place=place)
        outcomes = {run.case: run.outcome for run in store.runs(measured.measurement.id)}
        assert outcomes == {"fine": "unjudged", "boom": "failed"}
    assert_kept_out(place)


PROGRAM = f"""
from typing import Any, TypedDict
from langgraph.graph import END, START, StateGraph
class State(TypedDict, total=False):
    ssn: str
    answer: str
def write(state: State) -> dict[str, Any]:
    if state["ssn"] == "{WRONG}":
        raise ValueError("no such person: " + state["ssn"])
    return {{"answer": "hello " + state["ssn"]}}
graph = StateGraph(State)
graph.add_node("write", write)
graph.add_edge(START, "write")
graph.add_edge("write", END)
app = graph.compile()
assert app.invoke({{"ssn": "{SSN}"}})["answer"] == "hello {SSN}"
try:
    app.invoke({{"ssn": "{WRONG}"}})
except ValueError:
    pass
for _ in app.stream({{"ssn": "{TOKEN}"}}):
    pass
"""


def test_a_program_that_is_only_recorded_is_kept_without_its_secrets(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    with open_store(place) as store:
        ran = run_program(store, file, [], place)
        assert (ran.exit_code, ran.trials) == (0, 3)
        runs = store.runs(ran.measurements[0].id)
        assert len({run.case for run in runs}) == 1  # inputs that differ in what is not kept are one case
    assert_kept_out(place)


async def test_without_a_pattern_everything_is_kept(place: Place) -> None:
    open_place = Place(root=place.root, settings=Settings(), database=place.database)
    with open_store(open_place) as store:
        await measure_into(
            store, lambda ssn: ssn, [{"id": "a", "input": {"ssn": SSN}}], Ask(), place=open_place
        )
    assert any(SSN.encode() in data for _, data in everything(open_place))
