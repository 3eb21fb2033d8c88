"""`gapless checkup model`: the model that flags, settings or a result file name is the one that is looked at."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gapless.cli.main import cli
from gapless.testing.fake_llm import FakeLLM

RECORDS = Path(__file__).parents[1] / "probes" / "model" / "files" / "profile_export.jsonl"
CHAT = """
from langchain_openai import ChatOpenAI

chat = ChatOpenAI(model="{model}", base_url="{url}", api_key="k", temperature=0)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sys.modules.pop("checkup_chat", None)


def gapless(*words: str) -> Result:
    return CliRunner().invoke(cli, ["checkup", *words, "--json", "--quiet", "--no-budget"])


def found(*words: str) -> dict[str, Any]:
    done = gapless(*words)
    assert done.exit_code == 0, done.output or done.exception
    return {one["probe"]: one for one in json.loads(done.stdout)["findings"]}


def test_flags_name_an_endpoint_and_its_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPLESS_TEST_KEY", "right")
    with FakeLLM({"rules": [{"reply": "yes"}], "models": ["m"]}, token="right") as server:
        asked = ("--probe", "endpoint-answers", "--url", server.base_url, "--model", "m")
        for kind, endpoint in (("openai", "chat"), ("anthropic", "messages")):
            one = found(*asked, "--kind", kind, "--api-key-env", "GAPLESS_TEST_KEY")["endpoint-answers"]
            assert one["status"] == "ok", one["said"]
            assert server.requests[-1].endpoint == endpoint
        refused = found(*asked)["endpoint-answers"]
        assert "status 401" in refused["said"]


def test_a_target_names_the_very_chat_model() -> None:
    with FakeLLM({"rules": [{"reply": "yes"}]}) as server:
        Path("checkup_chat.py").write_text(CHAT.format(model="mine", url=server.base_url))
        Path("gapless.toml").write_text('[checkup.model]\ntarget = "checkup_chat.py:chat"\n')
        one = found("--probe", "endpoint-answers")["endpoint-answers"]
    assert one["status"] == "ok"
    assert "mine at LangChain's ChatOpenAI answers" in one["said"]


def test_a_target_that_cannot_be_imported_is_a_finding() -> None:
    Path("gapless.toml").write_text('[checkup.model]\ntarget = "no_such_file.py:chat"\n')
    both = found("--probe", "endpoint-answers", "--probe", "redaction")
    assert "the chat model cannot be opened: no_such_file.py:chat" in both["endpoint-answers"]["said"]
    assert both["redaction"]["status"] == "ok"


def test_result_files_are_read_and_no_model_stands_in() -> None:
    both = found("--probe", "ttft", "--probe", "streaming", "--results", str(RECORDS))
    assert "written by aiperf 0.13.0" in both["ttft"]["said"]
    assert "no model is named" in both["streaming"]["said"]
    Path("gapless.toml").write_text(f"[checkup.model]\nresults = [{json.dumps(str(RECORDS))}]\n")
    assert "written by aiperf 0.13.0" in found("--probe", "ttft")["ttft"]["said"]


def test_a_result_file_that_is_not_there_is_a_usage_error() -> None:
    assert gapless("--results", "nowhere.json").exit_code == 2
