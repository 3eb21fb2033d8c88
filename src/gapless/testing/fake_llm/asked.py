"""What a request asks, whichever endpoint it came to."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from gapless.records.value import digest, encode, to_plain


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One message: of the system, the user, the assistant, or a tool's result."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    """Tool calls of an assistant: (name, arguments as JSON text)."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request for an answer."""

    endpoint: Literal["chat", "responses", "messages", "embeddings"]
    model: str
    turns: tuple[Turn, ...] = ()
    tools: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """Offered tools: name -> JSON schema of its arguments."""
    choice: str = "auto"
    """tool_choice: "auto", "none", "required"; a tool's name stands in `named`."""
    named: str | None = None
    """The one tool that tool_choice demands."""
    parallel: bool = True
    stream: bool = False
    include_usage: bool = False
    n: int = 1
    logprobs: bool = False
    top_logprobs: int = 0
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    json_schema: dict[str, Any] | None = None
    """The schema the answer must have; {} for any JSON object; None for plain text."""
    seed: int | None = None
    read: int | None = None
    """Tokens of the prompt that the model reads where it was cut; None where it reads all."""
    extra: str = ""
    """What else tells two requests apart: an embedding's input."""

    @functools.cached_property
    def digest(self) -> str:
        """Identity of the question: ids, streaming and bookkeeping fields are left out, so that a rerun asks the same."""
        turns = [[turn.role, turn.text, turn.calls] for turn in self.turns]
        rest = [self.tools, self.choice, self.named, self.n, self.json_schema, self.seed, self.extra]
        return digest(encode(to_plain([self.endpoint, self.model, turns, rest])))

    @property
    def user(self) -> str:
        """Text of the last user message."""
        return next((turn.text for turn in reversed(self.turns) if turn.role == "user"), "")

    @property
    def system(self) -> str:
        """Text of all system and developer messages."""
        return "\n".join(turn.text for turn in self.turns if turn.role == "system")

    @property
    def tool_results(self) -> list[str]:
        """Tool results since the last user message."""
        results: list[str] = []
        for turn in reversed(self.turns):
            if turn.role == "user":
                break
            if turn.role == "tool":
                results.append(turn.text)
        return results[::-1]

    @property
    def turn(self) -> int:
        """Assistant messages so far."""
        return sum(turn.role == "assistant" for turn in self.turns)

    @property
    def tokens(self) -> int:
        """Size of the prompt in our pieces, as far as it is read."""
        if self.read is not None:
            return self.read
        texts = [turn.text for turn in self.turns]
        calls = [name + arguments for turn in self.turns for name, arguments in turn.calls]
        return 3 * len(self.turns) + sum(len(pieces(text)) for text in (*texts, *calls, self.extra))


def pieces(text: str) -> list[str]:
    """The text cut into what stands for tokens here: up to four letters or one sign each; joined they are the text.

    Example:
        >>> pieces("Rome is 21 C.")
        ['Rome', ' is', ' 21', ' C', '.']
    """
    return re.findall(r"\s*\w{1,4}|\s*[^\w\s]|\s+", text)
