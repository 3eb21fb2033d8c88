"""A script: what the fake model answers to what, how slowly, and which faults it suffers. Frozen values only."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gapless.records.base import Record

FaultName = Literal[
    "429",
    "500",
    "503",
    "529",
    "timeout",
    "disconnect",
    "truncated_stream",
    "stream_error",
    "empty",
    "malformed_json",
    "wrong_tool",
    "slow",
    "burst",
    "no_call",
    "deaf",
]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class When(Record, frozen=True, kw_only=True):
    """What a request must look like for a rule to apply; every condition that is given must hold.

    Plain texts are looked for without regard to case; regexes are searched as written, and their groups may be used
    in the reply's templates.
    """

    endpoint: Literal["chat", "responses", "messages"] | None = None
    """Which of the three endpoints was called."""
    model: str | None = None
    """The model's name; `*` and `?` are wildcards: "gpt-4*"."""
    system: str | None = None
    """Text in a system or developer message."""
    user: str | None = None
    """Text in the last user message."""
    user_regex: str | None = None
    message: str | None = None
    """Text in any message, tool results included."""
    message_regex: str | None = None
    tool_result: str | None = None
    """Text in one of the tool results since the last user message."""
    tool_result_regex: str | None = None
    has_tool_result: bool | None = None
    """Whether there is any tool result since the last user message."""
    tools: tuple[str, ...] = ()
    """Names of tools that the request must all offer."""
    turn: int | None = None
    """Assistant messages in the conversation so far: 0 for the first question."""
    request: int | None = None
    """Number of this request since the server started or was reset: 1 for the first."""
    seen: int | None = None
    """How often this very request came before: 0 for the first time. Holds under concurrency, unlike `request`."""


class ToolCall(Record, frozen=True, kw_only=True):
    """One call of a tool."""

    name: str
    arguments: dict[str, Any] | str = msgspec.field(default_factory=dict[str, Any])
    """An object whose strings are templates, or a template for the raw JSON text (which may be broken on purpose)."""


class Reply(Record, frozen=True, kw_only=True):
    """What the model says. Texts are Jinja templates: `{{ user }}`, `{{ tool_result }}`, `{{ groups[1] }}`."""

    text: str | None = None
    """Plain text; may stand beside `tool_calls`."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Several are parallel calls."""
    json: Any = None
    """A value sent as JSON text; strings in it are templates."""
    refusal: str | None = None
    """The model declines with these words."""
    logprob: float | None = None
    """Log probability of every token, at most 0; -0.01 where a request asks for one and none is scripted."""
    finish_reason: FinishReason | None = None
    """Overrides the reason that follows from the reply."""


class Fault(Record, frozen=True, kw_only=True):
    """How often a fault strikes, and how."""

    rate: float
    """Share of the requests it can strike (a tool call's fault strikes only replies with tool calls), 0..1."""
    retry_after_s: float = 1.0
    """429 only: seconds in the Retry-After header."""
    ms: float | None = None
    """slow: milliseconds added before the first byte (5,000). timeout: how long it hangs before it hangs up (600,000)."""


class Rule(Record, frozen=True, kw_only=True):
    """If a request looks like `when`, answer `reply`. The first rule of a script that applies is taken."""

    reply: Reply | None = None
    """None only where `fault` is one that leaves no answer."""
    when: When = When()
    name: str | None = None
    """Shown in the request log instead of the rule's number."""
    times: int | None = None
    """How often the rule may be used; None for ever."""
    fault: FaultName | None = None
    """Strikes whenever the rule is used."""


class Lognormal(Record, frozen=True, kw_only=True):
    """Most are near the median, a few take far longer."""

    median: float
    """Milliseconds."""
    sigma: float
    """Standard deviation of the logarithm: 0.5 puts one in twenty above 2.3 medians."""


class Spread(Record, frozen=True, kw_only=True):
    """A distribution of milliseconds: exactly one of the two."""

    lognormal: Lognormal | None = None
    uniform: tuple[float, float] | None = None
    """Smallest and largest."""


class Latency(Record, frozen=True, kw_only=True):
    """How long the model takes: a fixed number of milliseconds, or a distribution."""

    ttft_ms: float | Spread = 0.0
    """Until the first token."""
    inter_token_ms: float | Spread = 0.0
    """Between two tokens; an answer that is not streamed waits for all of them."""
    pause_every_s: float = 0.0
    """The whole server stands still once in so many seconds since its start; never where 0."""
    pause_ms: float = 0.0
    """How long it then stands still: nothing is sent to anybody."""
    slots: int = 0
    """How many answers it writes at once; the others wait their turn. No limit where 0."""


class Script(Record, frozen=True, kw_only=True):
    """Everything the fake model does."""

    rules: tuple[Rule, ...] = ()
    """In order of precedence."""
    strict: bool = False
    """Whether a request that no rule applies to is answered with status 500 instead of an echo."""
    seed: int = 0
    """Root of the draws of latency and faults."""
    faults: dict[str, Fault] = msgspec.field(default_factory=dict[str, Fault])
    """Fault name -> how often; at most one strikes a request, so the rates add up to 1 at most."""
    latency: Latency = Latency()
    context: int = 0
    """Longest prompt in our tokens; no limit where 0. A longer one is refused with status 400."""
    cut_prompts: bool = False
    """Whether a longer one is cut to the context instead, and nothing said but in `usage`."""
    models: tuple[str, ...] = ()
    """The models there are; any name is accepted when empty."""
