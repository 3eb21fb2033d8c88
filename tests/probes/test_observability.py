"""What is left of a trace at the border of a process, in recorded requests; samplers, missing trials, and where secrets are looked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import time
from typing import Any

import httpx
import msgspec
import pytest
from planted import asking, event, fidelity, records, unjudged

from gapless.boundary.session import Passage, Session, current_session
from gapless.frameworks.calls import recorded_calls
from gapless.operations.checkup_exports import exported
from gapless.probes import check
from gapless.probes.base import Subject
from gapless.probes.observability.sampling import sampled
from gapless.records.trial import Call, TrialRecord
from gapless.trace.recorder import TrialRecorder

PARENT = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


class Clocked(BaseHTTPRequestHandler):
    ahead_s = 0.0

    def do_GET(self) -> None:
        self.send_response_only(200)
        self.send_header("date", formatdate(time() + self.ahead_s, usegmt=True))
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class calls it
        pass


@pytest.fixture(params=[0.0, 120.0])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, float]]:
    handler = type("Handler", (Clocked,), {"ahead_s": request.param})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}/x", request.param
        running.shutdown()
        thread.join()


class Injecting(httpx.HTTPTransport):
    """Puts the trace's context in as OpenTelemetry's instrumentation does: below the client."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.headers = httpx.Headers({**request.headers, **PARENT})
        return super().handle_request(request)


def recorded(
    url: str, *headers: dict[str, str], transport: httpx.BaseTransport | None = None
) -> tuple[Call, ...]:
    """Calls as a session records them of a step that asks the server."""

    def step(_: Any) -> dict[str, str]:
        with httpx.Client(transport=transport) as client:
            for one in headers:
                client.get(url, headers=one)
        return {"x": "y"}

    session = Session(TrialRecorder())
    token = current_session.set(session)
    try:
        with recorded_calls():
            session.cross(Passage(step="a"), {}, step)
    finally:
        current_session.reset(token)
    (event,) = session.recorder.close()
    return event.calls


def subject_with(calls: tuple[Call, ...]) -> Subject:
    subject = records()
    assert subject.records is not None
    (trial,) = subject.records.sample
    first, *rest = trial.events
    events = (msgspec.structs.replace(first, calls=calls), *rest)
    sample: tuple[TrialRecord, ...] = (msgspec.structs.replace(trial, events=events),)
    return replace(subject, records=replace(subject.records, sample=sample))


def test_a_request_without_a_traceparent_and_a_clock_that_is_ahead_are_seen(
    server: tuple[str, float],
) -> None:
    url, ahead = server
    calls = recorded(url, PARENT, {})
    assert [call.traced for call in calls] == [True, False]
    context, clock = check(subject_with(calls), "trace-context", "clock-skew")
    assert (context.status, "1 of 2 requests" in context.said) == ("fail", True)
    assert clock.status == ("warn" if ahead else "ok")
    (figure,) = clock.figures
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low <= ahead <= figure.high


def test_a_traceparent_that_is_put_in_below_the_client_counts(server: tuple[str, float]) -> None:
    assert [call.traced for call in recorded(server[0], {}, transport=Injecting())] == [True]


def test_a_traceparent_that_its_receiver_must_ignore_does_not_count(server: tuple[str, float]) -> None:
    broken = (
        "00-1-2-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        PARENT["traceparent"].replace("00-", "ff-", 1),
    )
    calls = recorded(server[0], *({"traceparent": said} for said in broken))
    assert [call.traced for call in calls] == [False] * 3


@pytest.mark.parametrize("late", [0.0, 0.4, 0.9, 1.5, 1.9])
def test_a_server_that_keeps_its_date_for_a_second_is_not_called_behind(late: float) -> None:
    calls = asking((True, -0.05), (True, -late)).records
    assert calls is not None
    (clock,) = check(subject_with(calls.sample[0].events[0].calls), "clock-skew")
    assert clock.status == "ok"
    (figure,) = clock.figures
    sign = 1 if "ahead by" in figure.name else -1
    low, high = sorted((sign * (figure.low or 0.0), sign * (figure.high or 0.0)))
    assert low <= 0 <= high


def test_a_clock_that_is_behind_is_said_to_be_so() -> None:
    (clock,) = check(asking((True, -301.0), (True, -300.4)), "clock-skew")
    assert clock.status == "warn"
    assert clock.said.endswith("api.example behind by 299 to 300 s")
    (figure,) = clock.figures
    assert (figure.name, 0 < (figure.low or 0) <= figure.value <= (figure.high or 0)) == (
        "api.example behind by",
        True,
    )


def test_a_slow_answer_leaves_open_how_far_the_clock_is() -> None:
    slow = Call(kind="http", name="GET api.example/x", started_ms=0.1, ms=1500.0, ahead_s=-1.0)
    (clock,) = check(records((event("a", 0.0, calls=(slow,)), event("b", 2.0))), "clock-skew")
    assert clock.status == "ok"
    assert clock.undecided == (
        "api.example ahead by may be as high as 2.5 s: an answer that comes quickly would show it"
    )


@pytest.mark.parametrize(
    ("ended", "n", "status", "undecided"),
    [
        (80, 80, "ok", ""),
        (8, 8, "ok", "ended as recorded may be as low as 67.6 %: 73 in a row would show it"),
        (7, 8, "warn", ""),
        (40, 80, "warn", ""),
    ],
)
def test_few_replays_do_not_show_that_nearly_all_are_faithful(
    ended: int, n: int, status: str, undecided: str
) -> None:
    (found,) = check(records(fidelity=fidelity(ended, n)), "replay-fidelity")
    assert (found.status, found.undecided) == (status, undecided)
    assert bool(found.next_step) == (status == "warn")


def test_where_none_carries_it_nobody_meant_it_to() -> None:
    (found,) = check(asking((False, 0.0), (False, 0.0)), "trace-context")
    assert found.status == "warn"
    (found,) = check(records(), "trace-context")
    assert (found.status, "over HTTP" in found.said) == ("not-applicable", True)


def test_samplers_of_the_environment() -> None:
    assert sampled({}) is None
    assert sampled({"OTEL_TRACES_SAMPLER": "always_on"}) is None
    assert sampled({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}) == 0.0
    assert sampled({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "half"}) == 1.0


@pytest.mark.parametrize(("name", "status"), [("parentbased_always_on", "ok"), ("jaeger_remote", "warn")])
def test_a_sampler_that_others_steer_is_named(name: str, status: str) -> None:
    (found,) = check(replace(records(), environment={"OTEL_TRACES_SAMPLER": name}), "sampling")
    assert (found.status, repr(name) in found.said) == (status, status == "warn")


def test_times_that_do_not_fit_are_told_as_they_are() -> None:
    (found,) = check(records((event("a", -20.0), event("b", 2.0))), "trace-order")
    assert (found.status, "a began 20 ms before its trial" in found.said) == ("fail", True)
    (found,) = check(records((event("a", 1.0, -3.0), event("b", 2.0))), "trace-order")
    assert "a ended 3 ms before it began" in found.said


def test_trials_that_are_missing_by_their_numbers() -> None:
    subject = replace(records(), environment={})
    assert subject.records is not None
    (run,) = subject.records.runs
    gap = (run, msgspec.structs.replace(run, trial=3))
    (found,) = check(replace(subject, records=replace(subject.records, runs=gap)), "sampling")
    assert (found.status, "2 trials are missing" in found.said) == ("warn", True)
    (found,) = check(replace(subject, records=None), "sampling")
    assert (found.status, found.figures[0].value) == ("ok", 10)


def test_a_secret_is_looked_for_in_every_face() -> None:
    (found,) = check(Subject(exports=exported), "redaction")
    assert found.status == "ok"
    for place in ("the database", "the run table", "as HTML", "as JUnit", "the export (runs)"):
        assert place in found.said


@pytest.mark.parametrize(
    "patterns", [("customer.ssn", "customer.**"), ("*.ssn", "password", "*token*"), ("**",), ()]
)
def test_the_redaction_that_was_asked_for_is_tried(patterns: tuple[str, ...]) -> None:
    (found,) = check(Subject(exports=exported, redact=patterns), "redaction")
    assert found.status == "ok", found.said
    asked = f"as you say: {', '.join(patterns)}" if patterns else "redact names no key"
    assert asked in found.said


def test_a_key_of_a_secret_that_is_on_record_in_clear_is_named_and_not_its_value() -> None:
    said = {"headers": [{"Authorization": "Bearer abcdef"}], "db_password": "[redacted]", "ssn": None}
    (found,) = check(records(values={"a-out": said}), "redaction")
    assert (found.status, "Authorization is on record in clear" in found.said) == ("warn", True)
    assert "abcdef" not in repr(found)


def test_what_is_written_later_is_told_too() -> None:
    (found,) = check(Subject(), "tracing-cost")
    assert [one.unit for one in found.figures] == ["us", "us"]
    assert all(one.value > 0 for one in found.figures)
    (found,) = check(Subject(targets={"tracing-cost": 0.001}), "tracing-cost")
    assert found.status == "warn"


def test_the_report_that_is_named_is_that_of_the_records_looked_at() -> None:
    subject = unjudged(Path())
    assert subject.records is not None
    (found,) = check(subject, "verdicts")
    assert found.command == f"gapless report {subject.records.measurement.id}"
