"""Whether the endpoint answers, streams, ends, repeats itself and refuses as the protocol says."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.judging import Judged, at_least
from gapless.probes.model.endpoints.base import Endpoint, Reply, Trouble
from gapless.probes.model.measured import CHECKLIST, all_of, answering, asked, briefly, reach, run, story
from gapless.probes.model.saying import too_long
from gapless.records.finding import Figure, Finding, Status

_PROTOCOL = "the references of OpenAI's API and of Anthropic's"
ANSWERS = Card(
    probe="endpoint-answers",
    layer="model",
    title="the endpoint answers",
    target="a whole answer to one short question",
    source=_PROTOCOL,
)
STREAMING = Card(
    probe="streaming",
    layer="model",
    title="streaming really streams",
    target="pieces spread over at least a tenth of the answer's time, none held back in blocks",
    source=CHECKLIST,
)
CUT = Card(
    probe="cut-answers",
    layer="model",
    title="an answer that was cut says so",
    target='finish_reason "length" at the token limit',
    source=_PROTOCOL,
)
SAME = Card(
    probe="determinism",
    layer="model",
    title="temperature 0 says the same again",
    target="one text for one question",
    source="what replay and cached drafts rely on",
)
REFUSALS = Card(
    probe="plain-refusals",
    layer="model",
    title="wrong keys, wrong models and broken requests are refused",
    target="401 or 403, 404 or 400, 400; each with words",
    source=_PROTOCOL,
)
CANCEL = Card(
    probe="cancel",
    layer="model",
    title="hanging up frees the endpoint",
    target="the next answer begins as if nothing had run before it",
    source=CHECKLIST,
)
_SPREAD, _BLOCKS, _AT_ONCE_MS, _TOGETHER_MS = 0.1, 0.25, 50.0, 1.0
_HELD_BACK = "Something holds the stream back: proxies buffer (nginx: proxy_buffering off), gateways gather. Until then a ttft_s limit means nothing."
_REPEATS, _CUT_AT = 4, 6
_QUIET_TOKENS, _CANCEL_TOKENS, _CANCEL_REST_MS, _QUEUED = 8, 160, 200.0, 0.25
"""The rest of the answer that is hung up on has to be longer than what a scheduler makes of any wait; who waits for a quarter
of it stands in a queue."""
_FOR_NOBODY = "It goes on writing for nobody: a timeout_s on a step frees you and not the endpoint, and a retry queues behind what was given up. Cap max_tokens."
_NO_KEY = "a wrong key was not tried, for none is sent (--api-key-env NAME)"
_AT_ONCE = "it writes several answers at once, so that the next begins whether or not it goes on with this one: its own count of running requests would show it"
_STEPS: dict[Trouble, str] = {
    "name": "The host's name is unknown: check url under [checkup.model], and the resolver.",
    "refused": "Nothing listens there: start the server, or correct the port in url.",
    "tls": "The certificate does not hold: check its name and date, or point SSL_CERT_FILE at the authority that signed it.",
    "timeout": "It accepts and stays silent: look at the server's queue and at proxies between; the step that asks needs a timeout_s.",
    "dropped": "The connection breaks off before an answer: look at proxies and at the server's log.",
    "garbled": "That is no answer of this protocol: url ends in the base address, usually /v1, and kind names the protocol.",
    "raised": "The framework raised it: look at its package, its key and its options; then ask the endpoint itself (url, kind).",
}


def reachable(subject: Subject) -> Iterable[Finding]:
    """One short question."""
    endpoint, reply = reach(subject)
    if reply.ok:
        took = Figure(name="one word, with its connection", value=reply.total_ms, unit="ms")
        said = f"{endpoint.model} at {endpoint.where} answers in {reply.total_ms:.0f} ms"
        yield ANSWERS.finding("ok", said, figures=(took,))
        return
    said = f"status {reply.said}" if reply.trouble == "status" else f"{reply.trouble}: {reply.said}"
    yield ANSWERS.finding("fail", f"{endpoint.where}: {said}", next_step=_next_step(reply, subject))


def _next_step(reply: Reply, subject: Subject) -> str:
    if reply.trouble == "tls" and "certificate" not in reply.said.lower():
        return "It speaks no TLS there: http instead of https in url, or another port."
    return _STEPS.get(reply.trouble) or _status_step(reply, subject)


def _status_step(reply: Reply, subject: Subject) -> str:
    if reply.status in (401, 403):
        variable = subject.model.api_key_env
        held = f"the key in {variable}" if variable else "no key is sent: api_key_env under [checkup.model]"
        return f"The key is refused: {held}."
    if reply.status == 529:
        return "The service is overloaded, whoever asks: a retry with growing waits, and a second provider to fall back on."
    if reply.status == 404:
        return "Unknown address or model: check url (its end is usually /v1) and model."
    if reply.status == 429:
        wait = (
            f"; it says: after {reply.retry_after}" if reply.retry_after else ", and it says no Retry-After"
        )
        return f"The rate or the account's quota is used up{wait}."
    return "The server fails by itself: see its log; steps that ask it need a retry with growing waits."


def streaming(subject: Subject) -> Iterable[Finding]:
    """How the pieces of three streamed answers arrive."""
    endpoint = answering(subject)
    found = all_of(endpoint, [story(20_000 + i) for i in range(3)], seconds=subject.seconds, at_once=1)
    replies = [reply for reply in found if reply is not None and reply.ok]
    if not replies:
        said = next((reply.said for reply in found if reply is not None), "no time left")
        raise ProbeUnavailable(f"no streamed answer came: {said}")
    longest = max(replies, key=lambda reply: len(reply.arrivals))
    pieces, total = len(longest.arrivals), longest.total_ms
    groups = 1 + sum(gap > _TOGETHER_MS for gap in longest.gaps_ms)
    spread = _spread(replies)
    figures = (
        spread,
        Figure(name="pieces", value=pieces),
        Figure(name="moments at which they came", value=groups),
    )
    said = f"{pieces} pieces at {groups} moments, over {100 * spread.value:.0f} % of {total:.0f} ms"
    judged = at_least(spread, _SPREAD)
    if total < _AT_ONCE_MS:
        said, judged = f"{said}: nothing to wait for", Judged("ok", "a longer answer would tell")
    elif judged.status != "ok":
        said = f"all at once: {said}"
    elif spread.low is not None and spread.low < _SPREAD:  # what is held back now and then is held back
        said, judged = f"now and then all at once: {said}", Judged("warn")
    elif groups < _BLOCKS * pieces:
        said, judged = f"in blocks: {said}", Judged("warn")
    next_step = "" if judged.status == "ok" else _HELD_BACK
    yield STREAMING.held(judged, said, figures=figures, next_step=next_step)


def _spread(replies: list[Reply]) -> Figure:
    """Over which share of its time the pieces of an answer came; one piece alone says nothing, unless all answers have one."""
    shares = [sum(reply.gaps_ms) / reply.total_ms for reply in replies if len(reply.arrivals) > 1] or [0.0]
    return Figure(
        name="time from first to last piece",
        value=statistics.median(shares),
        low=min(shares),
        high=max(shares),
        spread=f"least and most of {len(shares)} answers",
        unit="share",
    )


def cut(subject: Subject) -> Iterable[Finding]:
    """An answer at its token limit."""
    endpoint = briefly(subject)
    question = asked("Count from one to fifty in words, each on a line of its own.", tokens=_CUT_AT)
    (reply,) = all_of(endpoint, [question], seconds=subject.seconds)
    if reply is None or not reply.ok:
        raise ProbeUnavailable(f"no answer came: {reply.said if reply else 'no time left'}")
    used = f"{reply.tokens_out or 'unknown'} tokens used"
    said = f"six tokens of a long answer: finish_reason {reply.finish!r}, {used}"
    if too_long(reply, _CUT_AT):
        said = f"six tokens were allowed, and {reply.tokens_out or len(reply.text.split())} came: the limit is not kept"
        yield CUT.finding(
            "warn",
            said,
            next_step="Limit the step's time (timeout_s): max_tokens bounds neither time nor cost here.",
        )
    elif reply.finish == "length":
        yield CUT.finding("ok", said)
    elif reply.tokens_out is not None and reply.tokens_out < _CUT_AT:
        raise ProbeUnavailable(f"its answer to a long question was over by itself: {used} of {_CUT_AT}")
    else:
        yield CUT.finding(
            "warn",
            said,
            next_step="Half an answer looks like a whole one: check the end of every text yourself, or ask for JSON, which breaks when it is cut.",
        )


def same(subject: Subject) -> Iterable[Finding]:
    """One question, a few times."""
    endpoint = briefly(subject)
    if not endpoint.temperature:
        raise ProbeUnavailable(f"{endpoint.sampling}: that is not ours to change")
    question = asked("Describe the sea in one sentence.", seed=7)
    found = all_of(endpoint, [question] * _REPEATS, seconds=subject.seconds, at_once=2)
    texts = [reply.text for reply in found if reply is not None and reply.ok]
    if len(texts) < 2:
        raise ProbeUnavailable("fewer than two answers came")
    alike = max(texts.count(text) for text in texts) / len(texts)
    figures = (Figure(name="answers like the most frequent one", value=alike, unit="share"),)
    if len(set(texts)) == 1:
        yield SAME.finding("ok", f"one text in {len(texts)} answers ({endpoint.sampling})", figures=figures)
        return
    said = f"{len(set(texts))} different texts in {len(texts)} answers to one question ({endpoint.sampling})"
    yield SAME.finding(
        "warn",
        said,
        figures=figures,
        next_step="Batching and spread over hosts do that. Measure with several trials per case, and replay from the tape rather than asking again.",
    )


def refusals(subject: Subject) -> Iterable[Finding]:
    """A wrong key, a model that does not exist, a request that is none."""
    endpoint = _on_the_wire(briefly(subject), "what the endpoint refuses")
    question = asked("Say yes.", tokens=4)
    wrong_model = replace(endpoint, model="no-such-model-gapless")
    replies = {"a model that does not exist": run(wrong_model.ask(question))}
    replies["a request without messages"] = run(endpoint.ask(replace(question, messages=())))
    if endpoint.key is not None:
        replies["a wrong key"] = run(replace(endpoint, key="no-such-key-gapless").ask(question))
    wrong = [f"{what}: {_met(reply)}" for what, reply in replies.items() if not _refused(reply)]
    told = ", ".join(f"{what}: {reply.status or reply.trouble}" for what, reply in replies.items())
    figures = (Figure(name="refused as they should be", value=len(replies) - len(wrong)),)
    untried = "" if endpoint.key is not None else f"; {_NO_KEY}"
    if not wrong:
        yield REFUSALS.finding("ok", f"{told}{untried}", figures=figures)
        return
    key_taken = "a wrong key" in replies and replies["a wrong key"].ok
    status: Status = "fail" if key_taken else "warn"
    yield REFUSALS.finding(
        status,
        f"{'; '.join(wrong)}{untried}",
        figures=figures,
        next_step="A wrong setting goes unnoticed here: hold the answer's `model` against what was asked, and put a key before an endpoint that others can reach.",
    )


def _on_the_wire(endpoint: Endpoint, what: str) -> Endpoint:
    """The endpoint, where we ask it ourselves.

    Raises:
        ProbeUnavailable: A framework stands between.
    """
    if endpoint.through:
        raise ProbeUnavailable(
            f"{what} cannot be seen through {endpoint.through}: name the endpoint itself (url, kind)"
        )
    return endpoint


def _refused(reply: Reply) -> bool:
    return reply.status is not None and 400 <= reply.status < 500


def _met(reply: Reply) -> str:
    return "answered as if it were right" if reply.ok else reply.said


@dataclass(frozen=True, slots=True, kw_only=True)
class _HungUp:
    """What was asked around an answer that was hung up on; None where an answer before it said enough."""

    quiet: list[Reply]
    """Short answers, one after the other."""
    whole: Reply | None = None
    """A long one, waited for."""
    after: Reply | None = None
    """A short one, just after a long one was hung up on."""
    queued: bool = False
    """Whether a short one, while a long one was written that nobody had hung up on, waited for it."""

    @property
    def waits(self) -> list[float]:
        """Milliseconds to the first token when quiet."""
        return [reply.ttft_ms for reply in self.quiet if reply.ttft_ms is not None]


async def _hang_up(endpoint: Endpoint) -> _HungUp:
    quiet: list[Reply] = []
    for i in range(3):
        quiet.append(await endpoint.ask(story(30_000 + i, tokens=_QUIET_TOKENS)))
        if not quiet[-1].ok or too_long(quiet[-1], _QUIET_TOKENS):
            return _HungUp(quiet=quiet)
    whole = await endpoint.ask(story(31_000, tokens=_CANCEL_TOKENS))
    if not whole.ok:
        return _HungUp(quiet=quiet, whole=whole)
    await endpoint.ask(story(31_001, tokens=_CANCEL_TOKENS), cancel_after=2)
    after = await endpoint.ask(story(30_009, tokens=_QUIET_TOKENS))
    return _HungUp(quiet=quiet, whole=whole, after=after, queued=await _queued(endpoint, whole))


async def _queued(endpoint: Endpoint, whole: Reply) -> bool:
    """Whether a short answer waits for a long one, of which one is known already."""
    long = asyncio.create_task(endpoint.ask(story(31_002, tokens=_CANCEL_TOKENS)))
    first_s = (whole.ttft_ms or 0.0) / 1e3
    await asyncio.sleep(first_s)
    patient = replace(endpoint, timeout_s=first_s + _QUEUED * whole.total_ms / 1e3)
    beside = await patient.ask(story(30_010, tokens=1))
    long.cancel()
    await asyncio.gather(long, return_exceptions=True)
    return beside.trouble == "timeout"


def cancel(subject: Subject) -> Iterable[Finding]:
    """Hangs up in the middle of a long answer, and asks again at once.

    Where answers do not wait for each other anyway, the next one begins at once whatever became of the one before.
    """
    found = run(_hang_up(_on_the_wire(briefly(subject), "whether hanging up ends a connection")))
    whole, after, waits = found.whole, found.after, found.waits
    if too_long(found.quiet[-1], _QUIET_TOKENS):
        raise ProbeUnavailable(
            f"it does not keep max_tokens ({_QUIET_TOKENS} were allowed): how much is left of an answer that is hung up on cannot be known"
        )
    if not waits or whole is None or after is None or after.ttft_ms is None:
        last = after or whole or found.quiet[-1]
        raise ProbeUnavailable(f"no answers to compare: {last.said or 'none came'}")
    usual, latest = statistics.median(waits), max(waits)
    rest = whole.total_ms - usual
    if rest < max(_CANCEL_REST_MS, 2 * (latest - min(waits))):
        raise ProbeUnavailable(
            f"the answer that was hung up on takes {whole.total_ms:.0f} ms, {rest:.0f} more than a first token: too short to tell who still waits for it"
        )
    figures = (
        Figure(name="first token, quiet", value=usual, unit="ms", low=min(waits), high=latest, spread="3 answers"),
        Figure(name="first token, just after hanging up", value=after.ttft_ms, unit="ms"),
        Figure(name="the long answer, if it is waited for", value=whole.total_ms, unit="ms"),
    )  # fmt: skip
    said = f"first token {after.ttft_ms:.0f} ms after hanging up on an answer of {whole.total_ms:.0f} ms; {usual:.0f} ms when quiet"
    if after.ttft_ms - latest > 0.5 * rest:
        yield CANCEL.finding("warn", said, figures=figures, next_step=_FOR_NOBODY)
        return
    yield CANCEL.held(Judged("ok", "" if found.queued else _AT_ONCE), said, figures=figures)
