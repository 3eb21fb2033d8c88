"""Whether what must not be kept is kept nowhere: a planted secret in every place, and keys of secrets in what is on record."""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from gapless.probes.base import Card, Subject
from gapless.records.finding import Figure, Finding
from gapless.records.measurement import Measurement
from gapless.records.suite import Case, Suite
from gapless.records.trial import Run, TrialRecord
from gapless.records.value import REDACTED
from gapless.stores.store import Batch, Store
from gapless.trace.recorder import TrialRecorder
from gapless.trace.redaction import Redaction
from gapless.trace.run_table import lines

SECRETS = Card(
    probe="redaction",
    layer="observability",
    title="secrets stay out of the record",
    target="a planted secret reaches neither store nor export, and no key of a secret is on record in clear",
    source="[privacy] redact",
)
_PLANTED = "078-05-1120-planted"
_OWN = ("ssn", "*token*")
"""What is redacted where the settings name nothing: whether it works is seen all the same."""
_SECRET_KEY = re.compile(
    r"(?:.*[_-])?(?:password|passwd|secret|api[_-]?key|access[_-]?token|refresh[_-]?token|private[_-]?key|authorization|ssn|iban)",
    re.IGNORECASE,
)
_SHORTEST = 4


def redaction(subject: Subject) -> Iterable[Finding]:
    """Plants a secret under each redacted key, in a store of its own, and looks for it in everything that was kept."""
    with tempfile.TemporaryDirectory(prefix="gapless-redaction-") as folder:
        places = _kept(Path(folder), subject)
    found = [name for name, text in places.items() if _PLANTED in text]
    figures = (
        Figure(name="places searched", value=len(places)),
        Figure(name="with the secret", value=len(found)),
    )
    clear = Counter(_in_clear(subject))
    if subject.records is not None:
        figures += (Figure(name="values on record under the key of a secret", value=clear.total()),)
    if found:
        step = "Do not record, or export, until this is mended: redaction does not reach there."
        yield SECRETS.finding(
            "fail", f"the planted secret was found in {', '.join(found)}", figures=figures, next_step=step
        )
        return
    said = f"the planted secret is in none of {len(places)} places: {', '.join(places)}"
    if clear:
        named = ", ".join(key for key, _ in clear.most_common(3))
        step = f"Name what must not be kept, and measure anew: [privacy] redact = {json.dumps(sorted(clear))}; what is on record stays there."
        yield SECRETS.finding(
            "warn",
            f"{named} {'is' if len(clear) == 1 else 'are'} on record in clear; {said}",
            figures=figures,
            next_step=step,
        )
    else:
        yield SECRETS.finding("ok", f"{said}; {_wanted(subject)}", figures=figures)


def _wanted(subject: Subject) -> str:
    if subject.redact:
        return f"redacted as you say: {', '.join(subject.redact)}"
    return "[privacy] redact names no key: what your steps hand over is kept as it is"


def _in_clear(subject: Subject) -> Iterator[str]:
    """Keys of recorded values that are named like secrets and hold a text that nobody masked."""
    waiting: list[Any] = list(subject.records.values.values()) if subject.records is not None else []
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += cast("list[Any]", one)
        elif isinstance(one, dict):
            for key, value in cast("dict[Any, Any]", one).items():
                waiting.append(value)
                text = isinstance(value, str) and value != REDACTED and len(value) >= _SHORTEST
                if text and _SECRET_KEY.fullmatch(str(key)):
                    yield str(key)


def _planted(patterns: Iterable[str]) -> dict[str, Any]:
    """A value with the secret under a key of each pattern.

    Example:
        >>> _planted(["customer.**", "*token*"])
        {'customer': {'x': '078-05-1120-planted'}, 'xtokenx': '078-05-1120-planted'}
    """
    value: dict[str, Any] = {}
    for pattern in patterns:
        *above, key = (part.replace("**", "x").replace("*", "x") for part in pattern.split("."))
        here = value
        for part in above:
            inner = here.get(part)
            here[part] = here = inner if isinstance(inner, dict) else {}
        here.setdefault(key, _PLANTED)
    return value


def _kept(folder: Path, subject: Subject) -> dict[str, str]:
    """Where a trial with a secret leaves something, and what it says there."""
    redacted, secret = Redaction(subject.redact or _OWN), _planted(subject.redact or _OWN)
    case = Case(id="planted", input={"asked": secret, "question": f"who has ssn={_PLANTED}?"})
    recorder = TrialRecorder()
    opened = recorder.begin("ask", case.input)
    recorder.end(opened, output={"found": secret, "note": f"as {_PLANTED} says"})
    failing = recorder.begin("fail", {"given": secret})
    recorder.end(failing, status="error", error=RuntimeError(f"no rights for token={_PLANTED}"))
    given, output = recorder.keep(case.input), recorder.keep({"answer": secret})
    record = TrialRecord(
        case=case.id,
        trial=0,
        group=case.id,
        outcome="unjudged",
        events=recorder.close(),
        input=given,
        output=output,
    )
    record, payloads = redacted.trial(record, dict(recorder.payloads), case)
    suite, suite_digest = redacted.suite(Suite(name="planted", cases=(case,)))
    measurement = Measurement(
        id="PLANTED",
        key="planted",
        target="planted",
        fingerprint="",
        suite=suite.name,
        suite_digest=suite_digest,
    )
    store = Store(f"sqlite:///{folder / 'planted.db'}")
    try:
        store.begin(measurement, suite)
        store.commit([Batch(measurement.id, finished=[record], payloads=payloads)])
        runs: list[Run] = store.runs(measurement.id)
        exported = subject.exports(store, measurement) if subject.exports is not None else {}
        return {
            "the database": _bytes(folder),
            "the stored values": json.dumps([store.payloads(payloads)], default=repr),
            "the record": repr(store.record(measurement.id, case.id, 0)),
            "the suite": repr(store.suite(suite_digest)),
            "the run table": b"".join(lines(measurement, runs, [])).decode(),
            **exported,
        }
    finally:
        store.close()


def _bytes(folder: Path) -> str:
    return "".join(file.read_bytes().decode("latin-1") for file in folder.iterdir() if file.is_file())
