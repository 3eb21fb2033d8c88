"""`gapless checkup model`: the model that flags, settings or a result file name is the one that is looked at."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gapless.cli.main import cli
from gapless.errors import UsageError
from gapless.testing.fake_llm import FakeLLM

RECORDS = Path(__file__).parents[1] / "probes" / "model" / "files" / "profile_export.jsonl"
CHAT = """
from langchain_openai import ChatOpenAI

chat = ChatOpenAI(model="{model}", base_url="{url}", api_key="k", temperature=0)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
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
    assert both["endpoint-answers"]["status"] == "fail"
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


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--model", "gpt-4o-mini"), "gpt-4o-mini: at which address?"),
        (("--url", "http://127.0.0.1:1/v1"), "which model?"),
        (("--kind", "anthropic"), "which model?"),
        (("--url", "notaurl", "--model", "any"), "'notaurl' is no address"),
        (("--model", "opnai:any"), "opnai:any: LangChain cannot make it"),
        (
            ("--url", "http://127.0.0.1:1/v1", "--model", "any", "--api-key-env", "GAPLESS_UNSET"),
            "GAPLESS_UNSET holds no key",
        ),
        (("--results", "other.json"), "other.json: neither guidellm"),
    ],
)
def test_a_model_that_is_typed_and_cannot_be_used_is_a_usage_error(words: tuple[str, ...], why: str) -> None:
    Path("other.json").write_text("{}")
    done = gapless("--probe", "endpoint-answers", *words)
    assert isinstance(done.exception, UsageError)
    assert why in str(done.exception)


@pytest.mark.parametrize(
    "said",
    [
        'model = "gpt-4o-mini"',
        'url = "notaurl"\nmodel = "any"',
        'model = "opnai:any"',
        'url = "http://127.0.0.1:1/v1"\nmodel = "any"\napi_key_env = "GAPLESS_UNSET"',
    ],
)
def test_a_model_of_the_settings_that_cannot_be_used_fails_one_line_and_the_others_point_there(
    said: str,
) -> None:
    Path("gapless.toml").write_text(f"[checkup.model]\n{said}\n")
    done = CliRunner().invoke(cli, ["checkup", "model", "--json", "--quiet"])
    assert done.exit_code == 1
    first, *others = json.loads(done.stdout)["findings"]
    assert (first["probe"], first["status"]) == ("endpoint-answers", "fail")
    assert "gapless.toml" in first["next_step"]
    assert {(one["status"], one["said"]) for one in others} == {("not-applicable", "see endpoint-answers")}


def test_result_files_of_the_settings_that_cannot_be_read_fail_once() -> None:
    Path("other.json").write_text("{}")
    Path("gapless.toml").write_text('[checkup.model]\nresults = ["other.json"]\n')
    both = found("--probe", "ttft", "--probe", "inter-token")
    assert (both["ttft"]["status"], both["inter-token"]["said"]) == ("fail", "see ttft")


def test_anthropics_own_variable_says_where_its_key_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeLLM({"rules": [{"reply": "yes"}]}) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "fake")
        one = found("--probe", "endpoint-answers", "--kind", "anthropic", "--model", "m")["endpoint-answers"]
    assert one["status"] == "ok", one["said"]


def test_openais_own_variable_says_where_its_key_goes_and_names_no_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FakeLLM({"rules": [{"reply": "yes"}], "models": ["m"]}, token="fake") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "fake")
        one = found("--probe", "endpoint-answers", "--model", "m")["endpoint-answers"]
        asked = len(server.requests)
        assert one["status"] == "ok", one["said"]
        Path("gapless.toml").write_text(f"[checkup.model]\nresults = [{json.dumps(str(RECORDS))}]\n")
        assert "no model is named" in found("--probe", "streaming")["streaming"]["said"]
        assert len(server.requests) == asked


@pytest.mark.parametrize(
    ("table", "hint"),
    [
        ('[checkup.model]\nurll = "http://127.0.0.1:1/v1"\n', "Did you mean `url`"),
        ('[checkup.servers.mine]\ncomand = ["x"]\n', "Did you mean `command`"),
        ('[checkup.store]\nkinds = "builtin"\n', "Did you mean `kind`"),
    ],
)
def test_a_misspelt_key_is_told_with_the_one_that_was_meant(table: str, hint: str) -> None:
    Path("gapless.toml").write_text(table)
    assert hint in str(gapless("--probe", "redaction").exception)


def test_a_misspelt_layer_is_told_with_the_one_that_was_meant() -> None:
    assert "Did you mean 'model'?" in str(gapless("modle").exception)
