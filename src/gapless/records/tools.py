"""Tools that a server offers: their schemas, what is wrong with them, the reviewed ones, and how they have changed since."""

from __future__ import annotations

from typing import Any, Literal

from gapless.records.base import Record

ChangeKind = Literal["breaking", "compatible", "description"]
CHANGE_KINDS: tuple[ChangeKind, ...] = ("breaking", "compatible", "description")
"""The worst first."""
Severity = Literal["fail", "warn"]


class Hints(Record, frozen=True, kw_only=True):
    """What a server says its tool does. None where it says nothing: by MCP's defaults that means "acts, may destroy"."""

    read_only: bool | None = None
    """Whether it changes nothing."""
    destructive: bool | None = None
    """Whether it may take something away that cannot be brought back."""
    idempotent: bool | None = None
    """Whether the same call again changes nothing further."""
    open_world: bool | None = None
    """Whether it deals with a world that the server does not know as a whole, such as the web."""


class ToolSchema(Record, frozen=True, kw_only=True):
    """One tool as its server describes it."""

    name: str
    title: str = ""
    description: str = ""
    input_schema: Any = None
    """JSON Schema of the arguments; None where the server sent none."""
    output_schema: Any = None
    """JSON Schema of the structured answer; None where the server declares none."""
    annotations: Hints = Hints()
    inferred_output_schema: Any = None
    """JSON Schema learnt from answers, in a lock only; the server never declared it. None where nothing was learnt."""
    inferred_from: int = 0
    """Answers it was learnt from."""


class Offer(Record, frozen=True, kw_only=True):
    """What one server answered when it was asked for its tools."""

    name: str
    """What it is called here: in `gapless.toml`, by `--name`, or by itself."""
    server: str = ""
    """Name and version that the server gave itself."""
    protocol: str = ""
    """Revision of MCP that was agreed on; empty for a file."""
    tools: tuple[ToolSchema, ...] = ()
    able: dict[str, Any] = {}
    """The capabilities it declared, by MCP's names."""
    noise: int = 0
    """Lines on the server's stdout that are no message."""
    breach: str = ""
    """What in its answer is not as MCP says; a strict client then sees none of its tools."""


class ToolIssue(Record, frozen=True, kw_only=True):
    """Something in a tool's description that leads a caller astray."""

    server: str = ""
    tool: str
    rule: str
    """Which rule of the lint: "empty-input-schema"."""
    severity: Severity
    said: str
    where: str = ""
    """JSON pointer into the schema: "/properties/path"."""


class Unheard(Record, frozen=True, kw_only=True):
    """One of several servers that could not be asked."""

    server: str
    said: str


class Linted(Record, frozen=True, kw_only=True):
    """What lint found; its JSON is `gapless.tools-lint/1`."""

    offers: tuple[Offer, ...] = ()
    issues: tuple[ToolIssue, ...] = ()
    unheard: tuple[Unheard, ...] = ()


class ToolChange(Record, frozen=True, kw_only=True):
    """One difference between a reviewed tool and the same tool now."""

    server: str = ""
    tool: str
    kind: ChangeKind
    said: str
    where: str = ""
    """"input/properties/path", "output/required", "annotations"; empty for the tool as a whole."""
    before: Any = None
    after: Any = None


class LockedServer(Record, frozen=True, kw_only=True):
    """The tools of one server as somebody reviewed them."""

    server: str = ""
    tools: dict[str, ToolSchema] = {}


class ToolsLock(Record, frozen=True, kw_only=True):
    """Reviewed tools in full, by server: `tools.lock.json`."""

    schema: str = "gapless.tools-lock/1"
    servers: dict[str, LockedServer] = {}


class AnswerBreach(Record, frozen=True, kw_only=True):
    """A tool whose answers are not as its lock says."""

    server: str
    tool: str
    inferred: bool
    """Whether the schema was learnt from earlier answers: the server never promised it."""
    said: str
    """What the first of them breaks."""
    broken: int
    answers: int


class Drift(Record, frozen=True, kw_only=True):
    """How servers differ from the lock; its JSON is `gapless.tools-diff/1`."""

    lock: str
    """Path of the lock."""
    servers: tuple[str, ...] = ()
    tools: int = 0
    """Tools the servers offer now."""
    changes: tuple[ToolChange, ...] = ()
    held: int = 0
    """Answers held against a locked schema, where a sample was asked for."""
    answers: tuple[AnswerBreach, ...] = ()
    """Tools whose answers broke it."""
    unheard: tuple[Unheard, ...] = ()
    unreviewed: tuple[str, ...] = ()
    """Servers that the lock holds nothing of."""

    @property
    def worst(self) -> ChangeKind | None:
        """The worst kind among the changes; None where there is none."""
        found = {change.kind for change in self.changes}
        return next((kind for kind in CHANGE_KINDS if kind in found), None)


class ToolAnswer(Record, frozen=True, kw_only=True):
    """How one call ended."""

    ended: Literal["answered", "tool-error", "protocol-error", "timeout"]
    """"tool-error": the result says `isError`; "protocol-error": JSON-RPC's own error."""
    text: str = ""
    structured: Any = None
    has_structured: bool = False
    progress: tuple[float, ...] = ()
    """What it said of its progress meanwhile, in the order in which that came."""
    ms: float = 0.0


class ToolCalled(Record, frozen=True, kw_only=True):
    """One call by hand; its JSON is `gapless.tools-call/1`."""

    server: str
    tool: str
    arguments: dict[str, Any]
    answer: ToolAnswer
    refused_by_schema: str = ""
    """What in the arguments the tool's own schema refuses."""
    breach: str = ""
    """What in the answer breaks the output schema."""
    disguise: str = ""
    """The error in an answer that calls itself a success."""
