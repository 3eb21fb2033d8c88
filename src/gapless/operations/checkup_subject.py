"""What each layer of a checkup was asked about: findings are compared over time only where that was the same."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from gapless.frameworks.tools.source import typed
from gapless.records.finding import Checkup, Finding
from gapless.records.workflow import Layer
from gapless.settings import CheckupModelSettings

if TYPE_CHECKING:
    from gapless.operations.checkup_retrieval import RetrievalAsk
    from gapless.probes.base import Subject
    from gapless.settings import Place, ServerSettings

_BESIDE = "interference"
"""The one line that is about the host and the model together."""
LOOKED_BACK = 30
"""How many earlier checkups are looked through for one about the same subject."""


def named_subjects(subject: Subject, ask: RetrievalAsk, place: Place) -> Callable[[Finding], Finding]:
    """Puts into a finding what it is about, by its layer.

    Args:
        subject: What the probes are asked about.
        ask: What was said of the retriever on the command line.
        place: The settings.

    Returns:
        A function of a finding. Addresses are named without passwords, servers' commands by a digest: both may hold secrets.
    """
    host, model = platform.node(), _model(subject)
    workflow = subject.workflow.target if subject.workflow is not None else ""
    if not workflow and subject.records is not None:
        workflow = subject.records.measurement.target
    by_layer: dict[Layer, str] = {
        "hardware": host,
        "model": model,
        "context": _retriever(ask, place),
        "tool": _servers(subject.servers),
        "orchestration": workflow,
        "observability": workflow,
    }

    def put(finding: Finding) -> Finding:
        about = f"{host}, {model}" if finding.probe == _BESIDE else by_layer.get(finding.layer, "")
        return msgspec.structs.replace(finding, subject=about)

    return put


def _model(subject: Subject) -> str:
    said = subject.model
    if not isinstance(said, CheckupModelSettings):
        return f"{said.model}, embedded" if said.model else ""
    address = urlsplit(said.url or "")
    where = address.netloc.rpartition("@")[2] + address.path
    parts = [said.target or said.model or "", where or said.kind or "", *said.results]
    return ", ".join(part for part in parts if part)


def _servers(servers: Mapping[str, ServerSettings]) -> str:
    return ", ".join(f"{name} {_digest(typed(server))}" for name, server in sorted(servers.items()))


def _retriever(ask: RetrievalAsk, place: Place) -> str:
    said = place.settings.checkup
    parts = [said.retriever or "", said.queries or "", said.texts or ""]
    if said.store is not None:
        where = said.store.place or said.store.place_env or said.store.table or ""
        parts[0] = f"{said.store.kind} {_digest(where)}"
    parts[1:] = [str(ask.queries or parts[1]), str(ask.texts or parts[2])]
    return ", ".join(part for part in parts if part) or "the reference agent's"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def since(earlier: Iterable[Checkup], made: Sequence[Finding]) -> list[str]:
    """What came out otherwise than the last time that the same was asked about the same subject.

    Args:
        earlier: The newest first.
        made: What was found now.
    """
    last: dict[tuple[str, str], tuple[Checkup, Finding]] = {}
    for one in earlier:
        for finding in one.findings:
            last.setdefault((finding.probe, finding.subject), (one, finding))
    told: list[str] = []
    for finding in made:
        before, then = last.get((finding.probe, finding.subject), (None, None))
        if before is not None and then is not None and then.status != finding.status:
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(before.created_at))
            told.append(f"since the checkup of {when}: {finding.title}: {then.status} -> {finding.status}")
    return told
