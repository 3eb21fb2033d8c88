"""The agent with LangChain chat models, against a scripted endpoint: streamed, remembered by name and place, judged by claims."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from contract_risk import claims, drafting
from contract_risk.finance.rules import assess
from contract_risk.model.chat import ChatModel, open_chat
from contract_risk.model.client import Model
from contract_risk.model.drafts import Drafts

from gapless.errors import EndpointError, MissingExtra, UsageError, WeightsUnavailable
from gapless.retrievers import cache, weights
from gapless.testing.fake_llm import FakeLLM

FAITHFUL = "{% set l = user.splitlines() %}For {{ l[0][10:] }}, the {{ l[2][2:] }}. The {{ l[3][2:] }}. The {{ l[4][2:] }}."
INVENTED = "{% set l = user.splitlines() %}For {{ l[0][10:] }}, the exposure of USD 7 is within the liability cap of USD 8. The {{ l[3][2:] }}. The {{ l[4][2:] }}."
RULES: list[dict[str, Any]] = [
    {"when": {"user_regex": r"Supplier: Corvane.*\nFindings:"}, "reply": INVENTED},
    {"when": {"user": "Findings:"}, "reply": FAITHFUL},
    {"when": {"user": "Say yes"}, "reply": "yes"},
    {"when": {"user": "break"}, "fault": 500},
]
FACTS = {
    "currency": "USD",
    "commitment": 250_000,
    "penalty": 82_000,
    "cap": 1_454_000,
    "payment_days": 60,
    "notice_days": 90,
    "renewal": "2027-03-31",
}
CONTRACT = """{name}, Supply Agreement of 3 May 2023, Section 1: Volumes.
The customer commits to purchase at least USD 250,000 in each contract year.

{name}, Supply Agreement of 3 May 2023, Section 2: Payment.
Invoices are payable within 60 days.

{name}, Supply Agreement of 3 May 2023, Section 3: Delay.
Penalties for late delivery amount to at most USD 82,000 in a contract year.

{name}, Supply Agreement of 3 May 2023, Section 4: Liability.
Liability of the supplier is limited to USD 1,454,000.

{name}, Supply Agreement of 3 May 2023, Section 5: Term.
This agreement renews on 31 March 2027. Notice of non-renewal is due 90 days before it renews.
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Generator[FakeLLM]:
    with FakeLLM(RULES, strict=True) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


def _opened(drafts: Path) -> ChatModel:
    model = open_chat("openai:gpt-4o-mini")
    model.drafts = Drafts(drafts)
    return model


async def test_a_langchain_model_drafts_in_pieces_and_is_asked_once(server: FakeLLM, tmp_path: Path) -> None:
    model = _opened(tmp_path)
    assert model.endpoint.identity == f"openai:gpt-4o-mini@{server.base_url}"
    done, pieces = assess(FACTS), []
    asked = drafting.messages("Harlow Metals Ltd", done["findings"])
    grammar = drafting.grammar("Harlow Metals Ltd", done["findings"])
    draft = await model.write(asked, grammar=grammar, tell=pieces.append)
    assert "".join(pieces) == draft.text
    assert len(pieces) > 5
    assert draft.finish == "stop"
    assert claims.problems(draft.text, "Harlow Metals Ltd", done["figures"]) == []
    (request,) = server.requests
    assert request.body["temperature"] == 0
    assert "grammar" not in request.body
    again = await _opened(tmp_path).write(asked)
    assert again == draft
    assert len(server.requests) == 1


async def test_drafts_belong_to_one_name_at_one_place(
    server: FakeLLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = open_chat("openai:gpt-4o-mini").endpoint.identity
    assert open_chat("openai:gpt-4o").endpoint.identity != here
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    elsewhere = _opened(tmp_path)
    assert elsewhere.endpoint.identity != here
    with pytest.raises(EndpointError, match=r"openai:gpt-4o-mini: .*Connection error"):
        await elsewhere.answers()


async def test_what_the_provider_says_of_a_failure_is_kept(server: FakeLLM, tmp_path: Path) -> None:
    model = _opened(tmp_path)
    model.chat.max_retries = 0
    with pytest.raises(EndpointError, match=r"openai:gpt-4o-mini: .*500"):
        await model.write([{"role": "user", "content": "break"}])
    assert model.drafts.computed == 0


@pytest.mark.parametrize(
    ("name", "library"), [("openai:gpt-4o-mini", "langchain"), ("anthropic:claude", "langchain_anthropic")]
)
def test_a_library_that_is_missing_is_named(name: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in (library, f"{library}.chat_models"):
        monkeypatch.setitem(sys.modules, part, None)
    with pytest.raises(MissingExtra, match=f"pip install {library.replace('_', '-')}$"):
        open_chat(name)


@pytest.mark.parametrize("name", ["banana", "localhost:8080/v1", "nobody:model"])
def test_a_name_that_says_nothing_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"provider:model \(openai:gpt-4o-mini\)"):
        open_chat(name)


def test_a_missing_key_is_the_users_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError, match="OPENAI_API_KEY"):
        open_chat("openai:gpt-4o-mini")


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two contracts, and a cache that has the weights and nothing else."""
    try:
        weights.fetch("minilm")
    except WeightsUnavailable as error:
        pytest.skip(f"the weights cannot be downloaded here: {error}")
    own = tmp_path / "cache"
    own.mkdir()
    for kept in ("weights", "models"):
        if (cache.folder() / kept).exists():
            (own / kept).symlink_to(cache.folder() / kept)
    monkeypatch.setenv("GAPLESS_CACHE", str(own))
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    for name in ("Harlow Metals Ltd", "Corvane Foods BV"):
        (contracts / f"{name.split()[0].lower()}.txt").write_text(
            CONTRACT.format(name=name), encoding="utf-8"
        )
    return tmp_path


def _demo(room: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gapless.cli.main", "demo", "--contracts", "contracts", "--no-open"]
    command += ["--model", "openai:gpt-4o-mini", *flags]
    return subprocess.run(
        command, cwd=room, env=dict(os.environ), capture_output=True, text=True, check=False
    )


def test_the_command_looks_at_a_folder_without_labels(server: FakeLLM, room: Path) -> None:
    done = _demo(room, "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["complete"]
    assert Path(shown["html"]).read_text(encoding="utf-8").startswith("<!")
    (act,) = shown["acts"]
    assert act["report"]["gap"]["outcomes"]["unjudged"] == 2
    assert act["report"]["gap"]["success"].get("point") is None
    assert shown["notes"][0].startswith("2 contracts, 2 suppliers, 10 passages")
    assert f"openai:gpt-4o-mini@{server.base_url}; drafts: 2 written now" in shown["notes"][2]
    assert "no grammar" in shown["notes"][3]
    said = _demo(room)
    assert "gapless label" in said.stdout
    assert "drafts: 0 written now" in said.stdout


def test_checks_in_a_questions_file_are_verdicts(server: FakeLLM, room: Path) -> None:
    asked = [
        {
            "id": name,
            "input": {"question": f"What is our financial risk with {name}?"},
            "checks": {"end": [{"contains": {"path": "answer.summary", "all": ["USD 332,000"]}}]},
        }
        for name in ("Harlow Metals", "Corvane Foods")
    ]
    file = room / "questions.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in asked), encoding="utf-8")
    done = _demo(room, "--questions", "questions.jsonl", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    (act,) = json.loads(done.stdout)["acts"]
    # the model that invents a figure is noticed by the check, and by nothing before it
    outcomes = act["report"]["gap"]["outcomes"]
    assert (outcomes["correct"], outcomes["wrong"], outcomes["unjudged"]) == (1, 1, 0)


def test_questions_that_ask_nothing_are_refused(server: FakeLLM, room: Path) -> None:
    file = room / "questions.jsonl"
    file.write_text('{"id": "a", "input": {"topic": "risk"}}\n', encoding="utf-8")
    done = _demo(room, "--questions", "questions.jsonl")
    assert done.returncode == 2
    assert "questions.jsonl, case 'a': input is {'topic': 'risk'}, allowed is a question" in done.stderr
    assert not server.requests


def test_only_a_model_elsewhere_is_asked_before_the_first_trial(server: FakeLLM) -> None:
    from contract_risk.background import BACKGROUND

    assert Model().endpoint.url is None
    BACKGROUND.wait(open_chat("openai:gpt-4o-mini").answers())
    assert [request.rule for request in server.requests] == [2]
