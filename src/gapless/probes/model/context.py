"""A prompt that is longer than the context: refused with words, or cut in silence so that the model never sees its beginning."""

from __future__ import annotations

from collections.abc import Iterable

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.model.endpoints.base import Reply
from gapless.probes.model.measured import all_of, asked, briefly
from gapless.records.finding import Figure, Finding

_SHORT, _MIDDLE, _LONG = 4, 16, 600
_WHOLE = 0.9
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
    short, middle, long = (_counted(reply) for reply in found)
    if not short or not middle or middle <= short:
        raise ProbeUnavailable("the endpoint does not say how many tokens it read (usage.prompt_tokens)")
    expected = middle + (middle - short) / (_MIDDLE - _SHORT) * (_LONG - _MIDDLE)
    reply = found[-1]
    if reply is None or (not reply.ok and reply.status not in (400, 413)):
        raise ProbeUnavailable(
            f"no answer to about {expected:.0f} tokens: {reply.said if reply else 'no time left'}"
        )
    figures = [Figure(name="tokens sent, about", value=expected)]
    if not reply.ok:
        yield CARD.finding(
            "ok", f"about {expected:.0f} tokens are refused: {reply.said}", figures=tuple(figures)
        )
        return
    if not long:
        raise ProbeUnavailable("the endpoint does not say how many tokens of a long prompt it read")
    figures.append(Figure(name="tokens read", value=long))
    if long >= _WHOLE * expected:
        said = f"{long} tokens were read whole; where its context ends was not tried"
        yield CARD.finding("ok", said, figures=tuple(figures))
        return
    yield CARD.finding(
        "fail",
        f"{long} of about {expected:.0f} tokens were read, and status 200",
        figures=tuple(figures),
        next_step="Set the server's context to what it can hold (Ollama: num_ctx), count tokens before asking, and hold usage.prompt_tokens against that.",
    )


def _lines(n: int) -> str:
    return "".join(f"Entry {1000 + i}: the harbour was quiet. " for i in range(n)) + "Say yes."


def _counted(reply: Reply | None) -> int | None:
    return reply.tokens_in if reply is not None and reply.ok else None
