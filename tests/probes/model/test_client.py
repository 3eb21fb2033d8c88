"""The load client against servers that misbehave: each ends in a reply with its reason, in time."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from gapless.probes import check
from gapless.probes.base import ProbeUnavailable, Subject
from gapless.probes.model.endpoints.base import Reply
from gapless.probes.model.endpoints.named import endpoint_of
from gapless.probes.model.endpoints.openai import OpenAIEndpoint
from gapless.probes.model.endpoints.wire import events
from gapless.probes.model.measured import asked
from gapless.settings import ModelSettings
from gapless.testing.fake_llm import FakeLLM

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
STREAM = asked("hi", stream=True)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def piece(text: str) -> bytes:
    return b'data: {"choices": [{"delta": {"content": "' + text.encode() + b'"}}]}\n\n'


END = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


@asynccontextmanager
async def serving(answer: bytes | list[bytes], *, stay: bool = False) -> AsyncIterator[OpenAIEndpoint]:
    """A server that sends these bytes, with a breath between the parts, whatever it is asked."""

    handlers: set[Any] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(asyncio.current_task())
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            for part in [answer] if isinstance(answer, bytes) else answer:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.005)
            if stay:
                await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield OpenAIEndpoint(url=f"http://127.0.0.1:{port}/v1", model="m", timeout_s=5.0)
    finally:
        server.close()
        await asyncio.gather(*handlers)


async def answered(answer: bytes | list[bytes], **more: Any) -> Reply:
    async with serving(answer, **more) as endpoint:
        return await endpoint.ask(STREAM)


def chunk(data: bytes) -> bytes:
    return f"{len(data):x};ext=1\r\n".encode() + data + b"\r\n"


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 1000])
async def test_chunks_and_events_may_be_cut_anywhere(cut: int) -> None:
    body = b"".join(chunk(part) for part in (piece("Hel")[:9], piece("Hel")[9:] + piece("lo"), END))
    whole = b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + body + b"0\r\nTrailer: x\r\n\r\n"
    parts = (
        [whole[i : i + cut] for i in range(0, len(whole), cut)] if cut > 3 else [whole[:-cut], whole[-cut:]]
    )
    reply = await answered(parts)
    assert (reply.trouble, reply.text, reply.finish, len(reply.arrivals)) == ("", "Hello", "stop", 2)


async def test_a_body_without_a_length_ends_with_the_connection() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    assert (await answered(head + piece("a") + END)).ok


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (b"", "dropped"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "garbled"),
        (HEAD + chunk(piece("a")), "dropped"),
        (HEAD + chunk(piece("a")) + b"0\r\n\r\n", "dropped"),
        (HEAD + b"zz\r\n", "garbled"),
        (HEAD + b"-5\r\nabc", "garbled"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}", "garbled"),
        (HEAD + b"1" * 70_000, "garbled"),
        (HEAD + chunk(b"data: {oops\n\n"), "garbled"),
        (HEAD + chunk(b'data: {"choices": [7]}\n\n'), "garbled"),
        (HEAD + chunk(b'data: {"error": {"message": "out of memory"}}\n\n'), "stream-error"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "garbled"),
        (HEAD + chunk(b"data: " + b"[" * 50_000 + b"\n\n"), "garbled"),
        (b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy", "status"),
    ],
)
async def test_what_is_no_whole_answer_says_why(answer: bytes, trouble: str) -> None:
    reply = await answered(answer)
    assert reply.trouble == trouble
    assert reply.said


async def test_a_server_that_never_answers_costs_the_limit_and_no_more() -> None:
    async with serving(b"", stay=True) as endpoint:
        began = time.perf_counter()
        reply = await replace(endpoint, timeout_s=0.2).ask(STREAM)
    assert reply.trouble == "timeout"
    assert "no answer within 0.2 s" in reply.said
    assert time.perf_counter() - began < 3


async def test_a_closed_port_and_an_unknown_name() -> None:
    async with serving(b"") as endpoint:
        pass
    assert (await endpoint.ask(STREAM)).trouble == "refused"
    nowhere = replace(endpoint, url="http://no-such-host.invalid/v1", timeout_s=5.0)
    assert (await nowhere.ask(STREAM)).trouble in ("name", "timeout")


async def test_a_port_that_speaks_no_tls() -> None:
    with FakeLLM() as server:
        endpoint = OpenAIEndpoint(url=server.base_url.replace("http:", "https:"), model="m", timeout_s=10.0)
        reply = await endpoint.ask(STREAM)
    assert reply.trouble == "tls"


async def test_a_certificate_that_nobody_signed(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    context = certificate(tmp_path)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + chunk(piece("a") + END) + b"0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    endpoint = OpenAIEndpoint(url=f"https://localhost:{port}/v1", model="m", timeout_s=5.0)
    reply = await endpoint.ask(STREAM)
    assert reply.trouble == "tls"
    assert "certificate" in reply.said.lower()
    (finding,) = await asyncio.to_thread(
        check, Subject(model=ModelSettings(url=endpoint.url, model="m")), "endpoint-answers"
    )
    assert "The certificate does not hold" in finding.next_step

    def trusting() -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))

    monkeypatch.setattr("gapless.probes.model.endpoints.http._certificates", trusting)
    reply = await endpoint.ask(STREAM)
    assert (reply.trouble, reply.text) == ("", "a")
    server.close()


def certificate(folder: Any) -> ssl.SSLContext:
    """A server's context with a certificate that it signed itself."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


async def test_calls_usage_and_retry_after_of_the_real_protocol() -> None:
    tool = {"name": "look", "parameters": {"type": "object", "properties": {}}}
    script = {
        "rules": [
            {"when": {"user": "twice"}, "reply": {"tool_calls": [{"name": "look"}, {"name": "look"}]}},
            {"when": {"user": "busy"}, "fault": "429"},
            {"reply": {"text": "one two"}},
        ]
    }
    with FakeLLM(script, token="k") as server:
        endpoint = OpenAIEndpoint(url=server.base_url, model="m", key="k")

        for stream in (False, True):
            called = await endpoint.ask(asked("twice", tools=(tool,), must_call=True, stream=stream))
            assert called.calls == [("look", "{}"), ("look", "{}")]
        told = await endpoint.ask(asked("hello"))
        assert (told.text, told.tokens_in, told.tokens_out, told.finish) == ("one two", 5, 2, "stop")
        busy = await endpoint.ask(asked("busy"))
        assert (busy.status, busy.retry_after, busy.trouble) == (429, "1", "status")
        refused = await replace(endpoint, key="other").ask(STREAM)
        assert (refused.status, refused.trouble) == (401, "status")


def test_what_settings_do_not_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GAPLESS_NO_KEY", raising=False)
    for settings, said in (
        (ModelSettings(), "no model is named"),
        (ModelSettings(url="http://x/v1", model="m", api_key_env="GAPLESS_NO_KEY"), "GAPLESS_NO_KEY"),
        (ModelSettings(url="x/v1", model="m"), "no address"),
    ):
        with pytest.raises(ProbeUnavailable, match=said):
            endpoint_of(settings)


@pytest.mark.parametrize(
    "url",
    [
        "http://h:port/v1",
        "http://h:99999/v1",
        "http://h:0/v1",
        "http://[::1/v1",
        "http:///v1",
        "ftp://h/v1",
        "http://h/ v1",
        "http://hö/v1",
        "h",
    ],
)
def test_what_is_no_address_is_said_before_anything_is_asked(url: str) -> None:
    with pytest.raises(ProbeUnavailable, match="is no address"):
        endpoint_of(ModelSettings(url=url, model="m"))


async def test_what_an_address_asks_for_is_sent_with_it() -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await OpenAIEndpoint(url=f"http://127.0.0.1:{port}/v1?api-version=3", model="m", timeout_s=5.0).ask(
        STREAM
    )
    server.close()
    assert seen == [b"POST /v1/chat/completions?api-version=3 HTTP/1.1\r\n"]


def test_events_are_stamped_when_they_are_whole() -> None:
    assert events([(1.0, b": ping\r\n\r\nda"), (2.0, b"ta: x\r\n\r\n")]) == [(2.0, b"x")]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cancel", "it does not keep max_tokens (8 were allowed)"),
        ("cut-answers", "six tokens were allowed, and 90 came: the limit is not kept"),
    ],
)
async def test_an_endpoint_that_ignores_max_tokens_is_not_waited_for_and_not_judged_by_what_it_wrote(
    name: str, said: str
) -> None:
    answer = b"".join(chunk(piece("word " * 30)) for _ in range(3))
    async with serving(HEAD + answer + chunk(END) + b"0\r\n\r\n") as endpoint:
        looked_at = Subject(model=ModelSettings(url=endpoint.url, model="m"), seconds=2.0)
        (finding,) = await asyncio.to_thread(check, looked_at, name)
    assert finding.status == ("not-applicable" if name == "cancel" else "warn")
    assert said in finding.said
