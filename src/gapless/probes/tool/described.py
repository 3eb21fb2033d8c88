"""What servers say of themselves: whether they start, how their tools are described, and whether that is as reviewed."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable

import msgspec

from gapless.frameworks.tools.source import typed
from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.tool.drift import drift
from gapless.probes.tool.linting import lint
from gapless.probes.tool.survey import heard, visits
from gapless.records.finding import Figure, Finding
from gapless.records.tools import CHANGE_KINDS, ToolsLock
from gapless.report.wording import count
from gapless.settings import ServerSettings

STARTS = Card(
    probe="tool-server",
    layer="tool",
    title="servers start, and speak MCP on stdout",
    target="every server answers with its tools, and writes nothing but messages to stdout",
    source="MCP, transports",
)
LINT = Card(
    probe="tool-lint",
    layer="tool",
    title="tools say what they take, give and do",
    target="names, descriptions, schemas and hints without a fault",
    source="MCP, tools; gapless tools lint",
)
DRIFT = Card(
    probe="tool-drift",
    layer="tool",
    title="tools are as they were reviewed",
    target="no change since the lock",
    source="tools.lock.json",
)
_RULES = 3
"""Rules that are named, the most broken first."""


def starts(subject: Subject) -> Iterable[Finding]:
    """Whether every server starts and answers, and keeps its stdout for messages."""
    seen = visits(subject)
    figures = tuple(
        Figure(name=f"{visit.name}: start until its tools are known", value=visit.start_s, unit="s")
        for visit in seen
        if visit.offer is not None
    )
    broken = [visit for visit in seen if visit.broken]
    noisy = [f"{visit.name} ({count(visit.noise, 'line')})" for visit in seen if visit.noise]
    if broken:
        yield STARTS.finding(
            "fail",
            "; ".join(visit.broken for visit in broken),
            figures=figures,
            next_step=_mend(subject.servers[broken[0].name]),
        )
    elif noisy:
        yield STARTS.finding(
            "warn",
            f"what is no message was written to stdout by {', '.join(noisy)}: some clients drop the connection",
            figures=figures,
            next_step="Print to stderr: on stdio, stdout belongs to the protocol.",
        )
    else:
        parts = [
            f"{visit.name} offers {count(len(visit.offer.tools), 'tool')} ({visit.offer.protocol})"
            for visit in seen
            if visit.offer is not None
        ]
        yield STARTS.finding("ok", "; ".join(parts), figures=figures)


def _mend(server: ServerSettings) -> str:
    """What to look at first where a server could not be asked."""
    if server.command:
        return "Run the command by hand and read its stderr; logs belong on stderr, never on stdout."
    if server.functions:
        return "Import it by hand: what cannot be imported here cannot be called by an agent either."
    where = "the address" if server.url else "the document and its base_url"
    return f"Look at {where}, at whether the service runs, and at the variables that headers_env names."


def linted(subject: Subject) -> Iterable[Finding]:
    """Lint of every tool that is offered."""
    offers = [visit.offer for visit in heard(subject) if visit.offer is not None]
    issues = [issue for offer in offers for issue in lint(offer, subject.servers[offer.name].read_only)]
    tools = sum(len(offer.tools) for offer in offers)
    fails = [issue for issue in issues if issue.severity == "fail"]
    figures = (
        Figure(name="tools", value=tools),
        Figure(name="faults", value=len(fails)),
        Figure(name="to look at", value=len(issues) - len(fails)),
    )
    if not issues:
        yield LINT.finding("ok", f"nothing to say against {count(tools, 'tool')}", figures=figures)
        return
    first = (fails or issues)[0]
    rules = Counter(issue.rule for issue in (fails or issues)).most_common()
    common = ", ".join(f"{rule} ({number})" for rule, number in rules[:_RULES])
    if others := sum(number for _, number in rules[_RULES:]):
        common += f", other rules ({others})"
    yield LINT.finding(
        "fail" if fails else "warn",
        f"{count(len(fails), 'fault')} and {len(issues) - len(fails)} to look at in {count(tools, 'tool')}: {common};"
        f" first {first.tool}: {first.said}",
        figures=figures,
        next_step="Mend the descriptions in the server: a model knows nothing else of the tool.",
        command="gapless tools lint",
    )


def unreviewed(subject: Subject) -> Iterable[Finding]:
    """The tools that are offered, against the lock."""
    offers = [visit.offer for visit in heard(subject) if visit.offer is not None]
    lock = locked(subject)
    unknown = [offer.name for offer in offers if offer.name not in lock.servers]
    changes = [
        change
        for offer in offers
        if offer.name in lock.servers
        for change in drift(lock.servers[offer.name].tools, offer)
    ]
    unseen = f"nobody reviewed the tools of {', '.join(unknown)}: a change would reach the agent unseen"
    kinds = Counter(change.kind for change in changes)
    figures = tuple(Figure(name=f"{kind} changes", value=kinds[kind]) for kind in CHANGE_KINDS)
    if changes:
        first = changes[0]
        said = ", ".join(f"{kinds[kind]} {kind}" for kind in CHANGE_KINDS if kinds[kind])
        yield DRIFT.finding(
            "fail" if kinds["breaking"] else "warn",
            f"changed since the review: {said}; first {first.tool}: {first.said}{f'; {unseen}' if unknown else ''}",
            figures=figures,
            next_step="Read the changes, mend the callers, then accept them.",
            command="gapless tools diff",
        )
    elif unknown:
        yield DRIFT.finding(
            "warn",
            unseen,
            next_step="Read the tools and lock them; keep the lock under version control.",
            command=_to_lock(unknown[0], subject.servers[unknown[0]]),
        )
    else:
        yield DRIFT.finding(
            "ok", f"as reviewed: {', '.join(offer.name for offer in offers)}", figures=figures
        )


def _to_lock(name: str, server: ServerSettings) -> str:
    """Exactly what to type, also where the server is named in no settings."""
    return f"gapless tools lock --name {shlex.quote(name)} {typed(server)}"


def locked(subject: Subject) -> ToolsLock:
    """The reviewed tools; empty where nothing was reviewed.

    Raises:
        ProbeUnavailable: The file is no lock.
    """
    if subject.tools_lock is None or not subject.tools_lock.is_file():
        return ToolsLock()
    try:
        return msgspec.json.decode(subject.tools_lock.read_bytes(), type=ToolsLock)
    except (OSError, msgspec.MsgspecError) as error:
        raise ProbeUnavailable(f"{subject.tools_lock}: is no lock of tools: {error}") from error
