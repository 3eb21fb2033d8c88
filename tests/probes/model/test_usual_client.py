"""What real clients do when an endpoint fails on purpose: OpenAI's SDK, Anthropic's, and LangChain over either."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from langchain_core.language_models import GenericFakeChatModel

from gapless.probes.base import ProbeUnavailable, Subject
from gapless.probes.model import usual_client
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
    assert finding.undecided.startswith(
        "a stream that ends early, without a finish_reason, passes for a whole"
    )
    waited, again = finding.figures
    assert waited.value >= 0.95
    assert again.value == 1


def test_a_client_that_does_not_try_again_is_found() -> None:
    finding = found(url="http://x/v1", model="m", max_retries=0)
    assert finding.status == "warn"
    assert "a 429 is not asked again; a 503 is not asked again" in finding.said


def test_a_client_that_hangs_has_not_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that waits for ever where a connection breaks, and one that raises after a limit of its own."""

    async def asks(url: str) -> None:
        host, port = urlsplit(url).netloc.split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"POST {urlsplit(url).path}/v1 HTTP/1.1\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async def hangs(url: str) -> AsyncIterator[str]:
        await asks(url)
        yield "one "
        await asyncio.sleep(60)

    async def gives_up(url: str) -> AsyncIterator[str]:
        await asks(url)
        yield "one "
        raise TimeoutError

    async def never_asks(url: str) -> AsyncIterator[str]:
        yield "one "
        raise ValueError

    monkeypatch.setattr(usual_client, "_LIMIT_S", 0.05)
    monkeypatch.setattr(usual_client, "_PATIENCE", 1)
    for stream, said in ((hangs, "had not ended after 0.05 s: a hang is not noticing"), (gives_up, "")):
        monkeypatch.setattr(usual_client, "_client", lambda _, stream=stream: ("a client", stream))
        finding = found(url="http://x/v1", model="m")
        assert finding.status == "warn"
        assert ("a stream whose connection broke" in finding.said) == bool(said)
        assert said in finding.said
    monkeypatch.setattr(usual_client, "_client", lambda _: ("a client", never_asks))
    with pytest.raises(ProbeUnavailable, match="a client asked the failing server nothing: ValueError"):
        found(url="http://x/v1", model="m")


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
