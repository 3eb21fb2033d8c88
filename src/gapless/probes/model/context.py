"""A prompt that is longer than the context: refused with words, or cut in silence so that the model never sees its beginning."""

from __future__ import annotations

from collections.abc import Iterable

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.judging import at_least
from gapless.probes.model.endpoints.base import Reply
from gapless.probes.model.measured import all_of, asked, briefly
from gapless.records.finding import Figure, Finding

_SHORT, _MIDDLE, _LONG = 4, 16, 600
_WHOLE = 0.9
_SPREAD = "a token more or less in what the short prompts cost"
_STEP = "Set the server's context to what it can hold (Ollama: num_ctx), count tokens before asking, and hold usage.prompt_tokens against that."
CARD = Card(
    probe="long-prompts",
    layer="model",
    title="a prompt beyond the context is refused, not cut",
    target=f"status 400, or at least {100 * _WHOLE:g} % of the tokens that were sent counted as read",
    source="the OpenAI API's reference: context_length_exceeded",
)


def probe(subject: Subject) -> Iterable[Finding]:
    """Three prompts of known proportions: what the first two cost tells what the long one should."""
    endpoint = briefly(subject)
    questions = [asked(_lines(n), tokens=4) for n in (_SHORT, _MIDDLE, _LONG)]
    found = all_of(endpoint, questions, seconds=subject.seconds, at_once=1)
    for brief in found[:2]:
        if brief is None or not brief.ok:
            raise ProbeUnavailable(f"no answer to a short prompt: {brief.said if brief else 'no time left'}")
    short, middle, long = (_counted(reply) for reply in found)
    if not short or not middle or middle <= short:
        raise ProbeUnavailable("the endpoint does not say how many tokens it read (usage.prompt_tokens)")
    line, more = (middle - short) / (_MIDDLE - _SHORT), _LONG - _MIDDLE
    sent, unsure = middle + line * more, more / (_MIDDLE - _SHORT)
    reply = found[-1]
    if reply is None or (not reply.ok and reply.status not in (400, 413)):
        raise ProbeUnavailable(
            f"no answer to about {sent:.0f} tokens: {reply.said if reply else 'no time left'}"
        )
    figure = Figure(
        name="tokens sent, about", value=sent, low=sent - unsure, high=sent + unsure, spread=_SPREAD
    )
    if not reply.ok:
        yield CARD.finding("ok", f"about {sent:.0f} tokens are refused: {reply.said}", figures=(figure,))
        return
    if not long:
        raise ProbeUnavailable("the endpoint does not say how many tokens of a long prompt it read")
    share = Figure(
        name="of those that were sent",
        value=long / sent,
        low=long / (sent + unsure),
        high=long / (sent - unsure),
        unit="share",
        spread=_SPREAD,
    )
    judged = at_least(share, _WHOLE)
    read_whole = f"{long} tokens were read whole; where its context ends was not tried"
    yield CARD.held(
        judged,
        read_whole
        if judged.status == "ok"
        else f"{long} of about {sent:.0f} tokens were read, and status 200",
        figures=(figure, Figure(name="tokens read", value=long), share),
        next_step="" if judged.status == "ok" else _STEP,
    )


def _lines(n: int) -> str:
    return "".join(f"Entry {1000 + i}: the harbour was quiet. " for i in range(n)) + "Say yes."


def _counted(reply: Reply | None) -> int | None:
    return reply.tokens_in if reply is not None and reply.ok else None
