"""HTTP requests inside a step: recorded without headers and secrets, unchanged for the program."""

import httpx
import httpx2
import pytest

from gapless.boundary.session import Session, current_session
from gapless.frameworks.calls import recorded_calls
from gapless.frameworks.function import step
from gapless.records.value import decode
from gapless.trace.recorder import TrialRecorder


def answer(request):
    if request.url.path == "/down":
        raise httpx.ConnectError("down", request=request)
    return httpx.Response(200, json={"echo": request.content.decode()}, headers={"set-cookie": "secret"})


URL = "https://user:pass@api.test/v1/chat?api_key=hidden&q=x"
HEADERS = {"authorization": "Bearer hidden", "x-api-key": "hidden", "cookie": "hidden"}


@step
def ask():
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        return client.post(URL, json={"a": 1}, headers=HEADERS).json()


@step
async def ask_async():
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        return (await client.post(URL, json={"a": 1}, headers=HEADERS)).json()


@step
def stream():
    with (
        httpx.Client(transport=httpx.MockTransport(answer)) as client,
        client.stream("GET", "https://api.test/s") as response,
    ):
        return b"".join(response.iter_bytes()).decode()


@step
def fail():
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        client.get("https://api.test/down")


@step
def ask_successor():
    def echo(request):
        return httpx2.Response(200, json={"echo": request.content.decode()})

    with httpx2.Client(transport=httpx2.MockTransport(echo)) as client:
        return client.post(URL, json={"a": 1}, headers=HEADERS).json()


@pytest.fixture
def recorder():
    recorder = TrialRecorder()
    token = current_session.set(Session(recorder))
    with recorded_calls():
        yield recorder
    current_session.reset(token)


async def test_a_request_is_recorded_without_what_must_not_be_kept(recorder):
    assert ask() == await ask_async() == ask_successor() == {"echo": '{"a":1}'}
    for event in recorder.close():
        (call,) = event.calls
        assert (call.kind, call.name, call.error) == ("http", "POST api.test/v1/chat", None)
        request = decode(recorder.payloads[call.request])
        assert request["body"] == {"a": 1}
        assert "q=x" in request["url"]
        assert decode(recorder.payloads[call.response]) == {"status": 200, "body": {"echo": '{"a":1}'}}
    kept = b"".join(recorder.payloads.values())
    for secret in (b"hidden", b"pass@", b"secret", b"Bearer"):
        assert secret not in kept


def test_a_stream_stays_a_stream_and_a_failure_a_failure(recorder):
    assert "echo" in stream()
    with pytest.raises(httpx.ConnectError):
        fail()
    streamed, failed = recorder.close()
    assert decode(recorder.payloads[streamed.calls[0].response]) == {"status": 200, "body": None}
    assert failed.calls[0].error.type == "ConnectError"


def test_nothing_is_watched_afterwards():
    before = httpx.Client.send
    with recorded_calls(), recorded_calls():
        assert httpx.Client.send is not before
    assert httpx.Client.send is before
