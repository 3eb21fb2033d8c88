"""The checklist: every probe by name, in the order in which a checkup shows them."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

from gapless.errors import UnknownName
from gapless.probes.base import Card, Probe
from gapless.records.workflow import LAYERS, Layer

_HARDWARE, _ORCHESTRATION = "gapless.probes.hardware", "gapless.probes.orchestration"
_OBSERVABILITY, _CONTEXT = "gapless.probes.observability", "gapless.probes.context"
_TOOL = "gapless.probes.tool"
_MODEL = "gapless.probes.model"
SHELF: dict[str, tuple[str, str]] = {
    "memory-bandwidth": (f"{_HARDWARE}.memory_bandwidth:probe", f"{_HARDWARE}.memory_bandwidth:CARD"),
    "numa-placement": (f"{_HARDWARE}.numa:placement", f"{_HARDWARE}.numa:PLACEMENT"),
    "numa-remote": (f"{_HARDWARE}.numa:remote", f"{_HARDWARE}.numa:REMOTE"),
    "cgroup-limits": (f"{_HARDWARE}.limits:limits", f"{_HARDWARE}.limits:LIMITS"),
    "pressure": (f"{_HARDWARE}.pressure:probe", f"{_HARDWARE}.pressure:PRESSURE"),
    "pages-and-clock": (f"{_HARDWARE}.limits:pages", f"{_HARDWARE}.limits:PAGES"),
    "gpu-copies": (f"{_HARDWARE}.gpu:probe", f"{_HARDWARE}.gpu:COPIES"),
    "interference": (f"{_HARDWARE}.interference:probe", f"{_HARDWARE}.interference:CARD"),
    "endpoint-answers": (f"{_MODEL}.answers:reachable", f"{_MODEL}.answers:ANSWERS"),
    "plain-refusals": (f"{_MODEL}.answers:refusals", f"{_MODEL}.answers:REFUSALS"),
    "streaming": (f"{_MODEL}.answers:streaming", f"{_MODEL}.answers:STREAMING"),
    "ttft": (f"{_MODEL}.times:ttft", f"{_MODEL}.times:TTFT"),
    "inter-token": (f"{_MODEL}.times:between", f"{_MODEL}.times:BETWEEN"),
    "end-to-end": (f"{_MODEL}.times:whole", f"{_MODEL}.times:WHOLE"),
    "open-loop": (f"{_MODEL}.tail:goodput", f"{_MODEL}.tail:OPEN"),
    "knee": (f"{_MODEL}.ramp:probe", f"{_MODEL}.ramp:CARD"),
    "tail-cascade": (f"{_MODEL}.tail:cascade", f"{_MODEL}.tail:CASCADE"),
    "whole-answers": (f"{_MODEL}.tail:answers", f"{_MODEL}.tail:ANSWERS"),
    "usual-client": (f"{_MODEL}.usual_client:probe", f"{_MODEL}.usual_client:CARD"),
    "structured-output": (f"{_MODEL}.structured:probe", f"{_MODEL}.structured:CARD"),
    "function-calling": (f"{_MODEL}.functions:probe", f"{_MODEL}.functions:CARD"),
    "determinism": (f"{_MODEL}.answers:same", f"{_MODEL}.answers:SAME"),
    "cut-answers": (f"{_MODEL}.answers:cut", f"{_MODEL}.answers:CUT"),
    "long-prompts": (f"{_MODEL}.context:probe", f"{_MODEL}.context:CARD"),
    "cancel": (f"{_MODEL}.answers:cancel", f"{_MODEL}.answers:CANCEL"),
    "query-labels": (f"{_CONTEXT}.labels:query_labels", f"{_CONTEXT}.labels:CARD"),
    "retriever-answers": (f"{_CONTEXT}.manners:retriever_answers", f"{_CONTEXT}.manners:ANSWERS"),
    "retrieval-quality": (f"{_CONTEXT}.quality:retrieval_quality", f"{_CONTEXT}.quality:QUALITY"),
    "engines-compared": (f"{_CONTEXT}.engines:engines_compared", f"{_CONTEXT}.engines:ENGINES"),
    "unanswerable": (f"{_CONTEXT}.silence:unanswerable", f"{_CONTEXT}.silence:CARD"),
    "near-duplicates": (f"{_CONTEXT}.alike:near_duplicates", f"{_CONTEXT}.alike:CARD"),
    "freshness": (f"{_CONTEXT}.documents:freshness", f"{_CONTEXT}.documents:FRESH"),
    "stored-vectors": (f"{_CONTEXT}.documents:stored_vectors", f"{_CONTEXT}.documents:VECTORS"),
    "filters": (f"{_CONTEXT}.manners:filters", f"{_CONTEXT}.manners:FILTERS"),
    "update-visibility": (f"{_CONTEXT}.visibility:visibility", f"{_CONTEXT}.visibility:CARD"),
    "retrieval-latency": (f"{_CONTEXT}.manners:retrieval_latency", f"{_CONTEXT}.manners:LATENCY"),
    "chunking": (f"{_CONTEXT}.chunks:chunking", f"{_CONTEXT}.chunks:CARD"),
    "tool-server": (f"{_TOOL}.described:starts", f"{_TOOL}.described:STARTS"),
    "tool-lint": (f"{_TOOL}.described:linted", f"{_TOOL}.described:LINT"),
    "tool-drift": (f"{_TOOL}.described:unreviewed", f"{_TOOL}.described:DRIFT"),
    "tool-honesty": (f"{_TOOL}.called:honesty", f"{_TOOL}.called:HONESTY"),
    "tool-output": (f"{_TOOL}.called:output", f"{_TOOL}.called:OUTPUT"),
    "tool-latency": (f"{_TOOL}.called:latency", f"{_TOOL}.called:LATENCY"),
    "tool-cancel": (f"{_TOOL}.called:given_up", f"{_TOOL}.called:GIVEN_UP"),
    "tool-fuzz": (f"{_TOOL}.fuzzed:fuzzed", f"{_TOOL}.fuzzed:FUZZ"),
    "tool-twice": (f"{_TOOL}.steady:twice", f"{_TOOL}.steady:TWICE"),
    "tool-at-once": (f"{_TOOL}.steady:at_once", f"{_TOOL}.steady:AT_ONCE"),
    "tool-partial": (f"{_TOOL}.partial:partial", f"{_TOOL}.partial:PARTIAL"),
    "tool-progress": (f"{_TOOL}.partial:progress", f"{_TOOL}.partial:PROGRESS"),
    "workflow-opens": (f"{_ORCHESTRATION}.opened:probe", f"{_ORCHESTRATION}.opened:CARD"),
    "orchestration-needed": (f"{_ORCHESTRATION}.policies:needed", f"{_ORCHESTRATION}.policies:NEEDED"),
    "typed-state": (f"{_ORCHESTRATION}.wired:typed_state", f"{_ORCHESTRATION}.wired:STATE"),
    "checkpoints": (f"{_ORCHESTRATION}.wired:checkpoints", f"{_ORCHESTRATION}.wired:CHECKPOINTS"),
    "effects-once": (f"{_ORCHESTRATION}.policies:effects_once", f"{_ORCHESTRATION}.policies:EFFECTS"),
    "time-limits": (f"{_ORCHESTRATION}.policies:time_limits", f"{_ORCHESTRATION}.policies:LIMITS"),
    "retry-owners": (f"{_ORCHESTRATION}.policies:retry_owners", f"{_ORCHESTRATION}.policies:RETRIES"),
    "doubt-has-a-way": (f"{_ORCHESTRATION}.policies:doubt", f"{_ORCHESTRATION}.policies:DOUBT"),
    "person-before-effect": (f"{_ORCHESTRATION}.policies:people", f"{_ORCHESTRATION}.policies:PEOPLE"),
    "bounded-loops": (f"{_ORCHESTRATION}.wired:bounded", f"{_ORCHESTRATION}.wired:LOOPS"),
    "reachable-steps": (f"{_ORCHESTRATION}.wired:reachable", f"{_ORCHESTRATION}.wired:REACH"),
    "parallel-writes": (f"{_ORCHESTRATION}.parallel:parallel_writes", f"{_ORCHESTRATION}.parallel:WRITES"),
    "crash-recovery": (f"{_ORCHESTRATION}.crashed:probe", f"{_ORCHESTRATION}.crashed:CARD"),
    "steps-recorded": (f"{_OBSERVABILITY}.recorded:steps_recorded", f"{_OBSERVABILITY}.recorded:STEPS"),
    "verdicts": (f"{_OBSERVABILITY}.recorded:verdicts", f"{_OBSERVABILITY}.recorded:VERDICTS"),
    "trace-order": (f"{_OBSERVABILITY}.recorded:trace_order", f"{_OBSERVABILITY}.recorded:ORDER"),
    "trace-context": (f"{_OBSERVABILITY}.across:context_passed", f"{_OBSERVABILITY}.across:CONTEXT"),
    "clock-skew": (f"{_OBSERVABILITY}.across:clock_skew", f"{_OBSERVABILITY}.across:CLOCKS"),
    "sampling": (f"{_OBSERVABILITY}.sampling:probe", f"{_OBSERVABILITY}.sampling:CARD"),
    "lost-trials": (f"{_OBSERVABILITY}.recorded:lost_trials", f"{_OBSERVABILITY}.recorded:LOST"),
    "replay-fidelity": (f"{_OBSERVABILITY}.recorded:replay_fidelity", f"{_OBSERVABILITY}.recorded:REPLAY"),
    "tracing-cost": (f"{_OBSERVABILITY}.cost:tracing_cost", f"{_OBSERVABILITY}.cost:COST"),
    "redaction": (f"{_OBSERVABILITY}.secrets:redaction", f"{_OBSERVABILITY}.secrets:SECRETS"),
}
"""Name -> where the probe is, and its card. A probe's module is imported when it is asked."""


def layers() -> tuple[Layer, ...]:
    """The layers that have probes, in their order."""
    with_probes = {reference.split(".")[2] for reference, _ in SHELF.values()}
    return tuple(layer for layer in LAYERS if layer in with_probes)


def card(name: str) -> Card:
    """A probe's line in the checklist."""
    return _at(SHELF[name][1])


def probe(name: str) -> Probe:
    """The probe itself."""
    return _at(SHELF[name][0])


def unknown(name: str, where: str = "") -> UnknownName:
    """What to say of a name that no probe has.

    Args:
        name: As it was given.
        where: What stands before the message: "[checkup]: ".
    """
    near = difflib.get_close_matches(name, SHELF, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UnknownName(f"{where}no probe {name!r}.{hint} `gapless checkup --list` shows all {len(SHELF)}.")


TAKES_TARGET = frozenset(
    "memory-bandwidth interference ttft inter-token end-to-end open-loop knee tail-cascade whole-answers structured-output"
    " function-calling retrieval-quality unanswerable near-duplicates freshness update-visibility retrieval-latency chunking"
    " tool-latency tracing-cost".split()
)
"""The lines that can be held against a number under [checkup.targets]; the others ask whether something holds at all.

Here, so that settings are read without importing every probe; a test holds it to what the probes look up.
"""


def _at(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)
