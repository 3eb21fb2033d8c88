"""What real clients do when an endpoint fails on purpose: OpenAI's SDK, Anthropic's, and LangChain over either."""

from __future__ import annotations

import sys

import pytest
from langchain_core.language_models import GenericFakeChatModel

from gapless.probes.base import ProbeUnavailable, Subject
from gapless.probes.shelf import probe
from gapless.records.finding import Finding
from gapless.settings import CheckupModelSettings


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "k")


def found(*, chat: object = None, **settings: object) -> Finding:
    (finding,) = probe("usual-client")(Subject(model=CheckupModelSettings(**settings), chat=chat))  # type: ignore[arg-type]
    return finding


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"url": "http://x/v1", "model": "m"}, "openai"),
        ({"kind": "anthropic", "model": "m"}, "anthropic"),
        ({"model": "openai:m"}, "langchain"),
    ],
)
def test_the_usual_clients_wait_and_try_again_and_miss_an_early_end(
    settings: dict[str, str], name: str
) -> None:
    finding = found(**settings)
    assert finding.status == "ok"
    assert finding.said.startswith(name)
    assert "a stream that ends early, without a finish_reason, passes for a whole answer" in finding.said
    waited, again = finding.figures
    assert waited.value >= 0.95
    assert again.value == 1


def test_a_client_that_does_not_try_again_is_found() -> None:
    finding = found(url="http://x/v1", model="m", max_retries=0)
    assert finding.status == "warn"
    assert "a 429 is not asked again; a 503 is not asked again" in finding.said


def test_where_there_is_no_usual_client_it_says_so() -> None:
    with pytest.raises(ProbeUnavailable, match="no model is named"):
        found()
    chat = GenericFakeChatModel(messages=iter(["one"]))
    with pytest.raises(ProbeUnavailable, match="can be pointed at a failing server"):
        found(target="app.py:chat", chat=chat)


def test_a_client_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ProbeUnavailable, match="pip install openai"):
        found(url="http://x/v1", model="m")
