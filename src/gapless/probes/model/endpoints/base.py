"""The promise of an endpoint: it answers a question with a reply that has its own times; what goes wrong is in the reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, Literal, Protocol, Self

Trouble = Literal[
    "", "name", "refused", "tls", "timeout", "dropped", "garbled", "status", "stream-error", "raised"
]
"""Why there is no whole answer: the name is unknown, the port closed, the certificate bad, nothing came in time, the
connection broke off, the bytes are no answer, an HTTP status, an error inside of the stream, or a framework that raised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, whichever protocol it is put in."""

    messages: tuple[Mapping[str, Any], ...]
    """Each {role, content}; without any, the request is one that every endpoint has to refuse."""
    tokens: int
    """Longest answer."""
    stream: bool = False
    tools: tuple[dict[str, Any], ...] = ()
    """Each {name, description, parameters}; parameters is a JSON schema."""
    must_call: bool = False
    """Whether a tool has to be called; else the model decides."""
    schema: dict[str, Any] | None = None
    """JSON schema that the answer has to have."""
    seed: int | None = None


@dataclass(slots=True, kw_only=True)
class Reply:
    """One request and what became of it. Times are seconds on `time.perf_counter()`."""

    intended_s: float
    """When it should have begun; latency counts from here."""
    started_s: float
    connected_s: float | None = None
    ended_s: float = 0.0
    status: int | None = None
    trouble: Trouble = ""
    said: str = ""
    """The error in the server's or the system's words."""
    retry_after: str | None = None
    arrivals: list[float] = field(default_factory=list[float])
    """When each piece of the answer (text or tool call) was there."""
    text: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Tool calls: (name, arguments as text)."""
    finish: str | None = None
    """Why the answer ended, in OpenAI's words: stop, length, tool_calls, content_filter."""
    tokens_in: int | None = None
    """Of the prompt, as the server counts them."""
    tokens_out: int | None = None
    """As the server counts them; None where it does not say."""

    @property
    def ok(self) -> bool:
        """Whether a whole answer came."""
        return self.trouble == ""

    @property
    def ttft_ms(self) -> float | None:
        """From the intended start to the first piece."""
        return 1e3 * (self.arrivals[0] - self.intended_s) if self.arrivals else None

    @property
    def total_ms(self) -> float:
        """From the intended start to the end."""
        return 1e3 * (self.ended_s - self.intended_s)

    @property
    def gaps_ms(self) -> list[float]:
        """Between one piece and the next."""
        return [1e3 * (b - a) for a, b in pairwise(self.arrivals)]


class Endpoint(Protocol):
    """A model that can be asked. Implementations are frozen dataclasses, so that `replace` makes one with another limit."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def model(self) -> str:
        """Its name."""
        ...

    @property
    def where(self) -> str:
        """Host, or what stands between, in words."""
        ...

    @property
    def through(self) -> str:
        """The framework that asks in our place, whose time and retries are in every figure; empty where we ask ourselves."""
        ...

    @property
    def key(self) -> str | None:
        """The key that is sent."""
        ...

    @property
    def timeout_s(self) -> float:
        """Seconds one request may take, its connection included."""
        ...

    @property
    def temperature(self) -> bool:
        """Whether it takes a temperature, which is 0 then."""
        ...

    @property
    def sampling(self) -> str:
        """How it draws its words, as far as that is known: "temperature 0"."""
        ...

    async def ask(
        self, question: Question, *, intended_s: float | None = None, cancel_after: int | None = None
    ) -> Reply:
        """Asks once; whatever goes wrong is in the reply, and it ends within `timeout_s`.

        Args:
            question: What.
            intended_s: When it should have begun; now when None.
            cancel_after: Hang up after so many arrivals of data.
        """
        ...

    async def settle(self, question: Question) -> tuple[Self, Reply]:
        """Asks, and again where the endpoint refuses an option that newer or older ones take; itself as it was answered."""
        ...
