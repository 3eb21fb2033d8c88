"""The demo around its agent: what is asked, in which order things may fail, and what its JSON holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gapless.boundary.faults.weather import Weather
from gapless.cli.main import _run
from gapless.errors import InvalidSuite, UsageError
from gapless.operations.demo import as_builtins, demo_contracts
from gapless.operations.demo_stage import Stage
from gapless.operations.open import open_store
from gapless.operations.progress import Stop, silent
from gapless.records.suite import Case, Suite
from gapless.settings import locate


class Clerk:
    """Answers every question with its own words."""

    weather = Weather()

    def __init__(self) -> None:
        self.did: list[str] = []

    def prepare(self, say: Callable[[str], None], model: str | None) -> None:
        self.did.append(f"prepare {model}")

    def contracts(self, directory: Path, asked: Sequence[str]) -> tuple[Callable[[], Any], Suite, list[str]]:
        if not directory.is_dir():
            raise UsageError("no folder")
        self.did.append(f"read {len(asked)}")

        def build() -> Any:
            self.did.append("build")
            return lambda question: {"answer": question}

        cases = tuple(Case(id=f"c{at}", input={"question": f"Who is {at}?"}) for at in range(4))
        return build, Suite(name="own", cases=cases), ["4 contracts"]

    def notes(self) -> list[str]:
        return ["model: none"]


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.chdir(tmp_path)

    async def run(agent: Any, directory: Path = tmp_path, **chosen: Any) -> Any:
        place = locate()
        with open_store(place) as store:
            stage = Stage(store=store, place=place, tell=silent, say=lambda text: None, stop=Stop())
            return await demo_contracts(agent, stage, directory, **chosen)

    return run


async def test_every_supplier_is_asked_about_once_the_contracts_are_read(look: Any) -> None:
    agent = Clerk()
    shown = await look(agent, model="openai:m", cases=3)
    assert agent.did == ["read 0", "prepare openai:m", "build"]
    assert shown.complete
    assert shown.notes == ("4 contracts", "model: none")
    body = json.loads(msgspec.json.encode(as_builtins(shown)))
    assert body["schema"] == "gapless.demo/1"
    assert body["acts"][0]["report"]["gap"]["n_runs"] == 3
    assert [row["name"] for row in body["summary"]] == ["contracts"]
    assert "benchmark" not in body


async def test_a_folder_that_cannot_be_read_costs_no_download(look: Any, tmp_path: Path) -> None:
    agent = Clerk()
    with pytest.raises(UsageError, match="no folder"):
        await look(agent, tmp_path / "nowhere")
    assert agent.did == []


async def test_plain_lines_and_cases_are_questions(look: Any, tmp_path: Path) -> None:
    plain = tmp_path / "plain.txt"
    plain.write_text("Who is A?\nWho is B?\n", encoding="utf-8")
    shown = await look(Clerk(), questions=plain)
    assert shown.acts[0].report.gap.outcomes["unjudged"] == 2
    checked = tmp_path / "checked.jsonl"
    lines = [
        {
            "id": "a",
            "input": "Who is A?",
            "checks": {"end": [{"contains": {"path": "answer", "all": ["A"]}}]},
        },
        {
            "id": "b",
            "input": {"question": "Who is B?"},
            "checks": {"end": [{"contains": {"path": "answer", "all": ["A"]}}]},
        },
    ]
    checked.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    shown = await look(Clerk(), questions=checked)
    outcomes = shown.acts[0].report.gap.outcomes
    assert (outcomes["correct"], outcomes["wrong"]) == (1, 1)


@pytest.mark.parametrize("given", ['{"topic": "risk"}', '{"question": " "}', "7"])
async def test_what_asks_nothing_is_refused(look: Any, tmp_path: Path, given: str) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text(f'{{"id": "a", "input": {given}}}\n', encoding="utf-8")
    agent = Clerk()
    with pytest.raises(InvalidSuite, match=r"q\.jsonl, case 'a': input is .* allowed is a question"):
        await look(agent, questions=file)
    assert agent.did == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--questions", "q.jsonl"], "name that folder too"),
        (["--contracts", "a", "--cuad", "b"], "choose one"),
        (["--cuad", "b", "--model", "m"], "leave out --model"),
        (["--cases", "3"], "at least 10"),
        (["--contracts", "nowhere"], "nowhere: is no folder"),
    ],
)
def test_flags_that_do_not_fit_are_refused(
    flags: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _run(["demo", *flags]) == 2
    assert said in capsys.readouterr().err
