"""Keeps out of the store what `[privacy] redact` names: in values, and wherever the same trial repeats it in words.

The workflow and the checks work on the values as they are; what is handed to the store is masked, and so are the
digests that stand for it. Names of cases, groups, slices and steps are addresses, not values: they stay.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, cast
from urllib.parse import unquote_plus

import msgspec

from gapless.records.suite import Case, CheckSpec, Suite
from gapless.records.trial import Call, ComponentRun, ErrorInfo, Ruling, StepEvent, TrialRecord, Verdict
from gapless.records.value import REDACTED, UNSERIALISABLE, decode, digest, encode, to_plain
from gapless.trace.secrets import Secrets

_ROOT = "value."
_NAMED = re.compile(r"""(?<![\w.%-])([\w.%-]{1,100}+)\\*["']?\s{0,5}[:=]\s{0,5}""")
_VALUE = re.compile(
    r"""(?P<mark>\\+["'])(?P<escaped>.*?)(?<!\\)(?P=mark) | "(?P<double>(?:[^"\\]|\\.)*)" | '(?P<single>(?:[^'\\]|\\.)*)'
    | (?P<bare>(?:(?:bearer|basic|token)\s+)?[^\s,;&"'}\])]+)""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_NAMES = ("name", "key", "header", "field", "path")
Said = Callable[[str], str]
"""Masks the words of an error or a verdict."""


class Redaction:
    """What must not be kept.

    Args:
        patterns: Glob paths over keys: `ssn` and `*.ssn` (a key at any depth), `customer.ssn` (below such a key),
            `customer.**` (everything in it), `*token*`. Case does not matter; `*` stays within a level, `**` does not.

    Example:
        >>> Redaction(["*.ssn"]).value({"customer": {"name": "Ada", "SSN": "078-05-1120"}, "note": "078-05-1120?"})
        {'customer': {'name': 'Ada', 'SSN': '[redacted]'}, 'note': '[redacted]?'}
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        named = re.compile("|".join(_regex(pattern.casefold()) for pattern in patterns), re.DOTALL)

        def names(path: str) -> bool:
            return named.fullmatch(path) is not None

        self._names = lru_cache(maxsize=10_000)(names)

    @classmethod
    def of(cls, patterns: Iterable[str]) -> Redaction | None:
        """The redaction of these patterns; None for none."""
        wanted = tuple(patterns)
        return cls(wanted) if wanted else None

    def value(self, plain: Any) -> Any:
        """Plain data without what must not be kept."""
        secrets = Secrets()
        return secrets.plain(self._walk(plain, _ROOT, secrets))

    def trial(
        self, record: TrialRecord, payloads: Mapping[str, bytes], case: Case | None = None
    ) -> tuple[TrialRecord, dict[str, bytes]]:
        """A finished trial as it may be kept, with new digests.

        Args:
            record: The trial.
            payloads: The values it refers to.
            case: What was expected: reasons may show it.
        """
        moved, kept, said = self._payloads(payloads, case)
        masked = msgspec.structs.replace(
            record,
            events=tuple(_event(event, moved, said) for event in record.events),
            verdicts=_verdicts(record.verdicts, said),
            input=_moved(record.input, moved),
            output=_moved(record.output, moved),
            error=_error(record.error, said),
            rulings=tuple(_ruling(one, moved, said) for one in record.rulings),
        )
        return masked, kept

    def component(
        self, run: ComponentRun, payloads: Mapping[str, bytes], case: Case
    ) -> tuple[ComponentRun, dict[str, bytes]]:
        """A finished benchmark run as it may be kept."""
        moved, kept, said = self._payloads(payloads, case)
        masked = msgspec.structs.replace(
            run,
            output=_moved(run.output, moved),
            error=_error(run.error, said),
            reason=said(run.reason),
        )
        return masked, kept

    def suite(self, suite: Suite) -> tuple[Suite, str]:
        """A suite as it may be kept, and the digest that identifies it.

        Redacted values still count in the identity: another input is another measurement. Its digest is stretched
        (scrypt), so that trying out values until the digest fits is slow.
        """
        masked = msgspec.structs.replace(suite, cases=tuple(self._case(case) for case in suite.cases))
        known = suite.digest()
        if masked.digest() == known:
            return suite, known
        return masked, hashlib.scrypt(
            known.encode(), salt=b"gapless.suite", n=2**14, r=8, p=1, dklen=16
        ).hex()

    def _case(self, case: Case) -> Case:
        secrets = Secrets()
        given, golden = self._walk(case.input, _ROOT, secrets), self._mapping(case.golden, _ROOT, secrets)
        walked = {
            where: [(spec, self._params(spec, where, secrets)) for spec in specs]
            for where, specs in case.checks.items()
        }
        specs = {
            where: tuple(CheckSpec(name=spec.name, params=secrets.plain(params)) for spec, params in written)
            for where, written in walked.items()
        }
        return msgspec.structs.replace(
            case, input=secrets.plain(given), golden=secrets.plain(golden), checks=specs
        )

    def _params(self, spec: CheckSpec, where: str, secrets: Secrets) -> dict[str, Any]:
        """A check's parameters; their names stay even where a pattern takes everything."""
        found = self._walk(spec.params, _below(_below(_ROOT, where), spec.name), secrets)
        return found if isinstance(found, dict) else dict.fromkeys(spec.params, REDACTED)

    def _payloads(
        self, payloads: Mapping[str, bytes], case: Case | None
    ) -> tuple[dict[str, str], dict[str, bytes], Said]:
        """Old digest -> new digest, the values under the new ones, and what masks an error's or a check's words."""
        secrets = Secrets()
        for part in _parts_of(case) if case is not None else ():
            self._walk(part, _ROOT, secrets)
        walked = {old: self._walk(decode(data), _ROOT, secrets) for old, data in payloads.items()}
        moved: dict[str, str] = {}
        kept: dict[str, bytes] = {}
        for old, plain in walked.items():
            data = encode(secrets.plain(plain))
            moved[old] = digest(data)
            kept[moved[old]] = data

        def said(text: str) -> str:
            return secrets.reason(self._words(text, _ROOT, secrets))

        return moved, kept, said

    def _walk(self, value: Any, path: str, secrets: Secrets) -> Any:
        """A value with everything under a redacted key masked and remembered."""
        if value is not None and value != REDACTED and self._names(path):
            secrets.add(value)
            secrets.hits += 1
            return REDACTED
        if isinstance(value, dict):
            return self._mapping(cast("dict[str, Any]", value), path, secrets)
        if isinstance(value, list):
            items = cast("list[Any]", value)
            if len(items) == 2 and isinstance(items[0], str):  # a header as a pair
                return [items[0], self._walk(items[1], _below(path, items[0]), secrets)]
            return [self._walk(item, path, secrets) for item in items]
        return self._text(value, path, secrets) if isinstance(value, str) else value

    def _mapping(self, value: dict[str, Any], path: str, secrets: Secrets) -> dict[str, Any]:
        walked = {key: self._walk(inner, _below(path, key), secrets) for key, inner in value.items()}
        if UNSERIALISABLE in walked and "repr" in walked:
            walked["repr"] = REDACTED  # an object's own words may hold anything
        if "value" in walked:  # a header, or a check of one place: {"name": "Authorization", "value": ...}
            for name in (walked.get(key) for key in _NAMES):
                if isinstance(name, str):
                    below = _below(path, name.strip("/").replace("/", "."))
                    walked["value"] = self._walk(walked["value"], below, secrets)
        return walked

    def _text(self, text: str, path: str, secrets: Secrets) -> str:
        """A text: an object (JSON, Python's own form) as a whole, or words with a name and its value among them."""
        if text.lstrip()[:1] in ("{", "["):
            try:
                found = _object_in(text)
                before = secrets.hits
                if found is not None:
                    walked = self._walk(found[0], path, secrets)
                    return text if secrets.hits == before else found[1](walked)
            except RecursionError:  # too deep to look into: then nothing of it may be kept
                return REDACTED
        return self._words(text, path, secrets)

    def _words(self, text: str, path: str, secrets: Secrets) -> str:
        """Masks the values in `ssn=...`, `Authorization: Bearer ...` and `{"ssn": "..."}` anywhere in a text."""
        parts: list[str] = []
        done = 0
        for named in _NAMED.finditer(text):
            if named.start() < done or not self._names(_below(path, named[1])):
                continue
            value = _VALUE.match(text, named.end())
            if value is None or text.startswith(REDACTED, named.end()):
                continue
            group = value.lastgroup or "bare"
            secrets.add(unquote_plus(value[group]) if group == "bare" else value[group])
            secrets.hits += 1
            parts += [text[done : value.start(group)], REDACTED]
            done = value.end(group)
        return "".join((*parts, text[done:]))


def _object_in(text: str) -> tuple[Any, Callable[[Any], str]] | None:
    """The object that a text spells out, and what spells it again."""
    try:
        return json.loads(text), _to_json
    except ValueError:
        pass
    try:
        return to_plain(ast.literal_eval(text.strip())), repr
    except (ValueError, SyntaxError, TypeError, MemoryError):
        return None


def _to_json(plain: Any) -> str:
    text = json.dumps(plain, ensure_ascii=False)
    # half a surrogate pair can be spelled in JSON, and in no other way
    return json.dumps(plain) if re.search("[\ud800-\udfff]", text) else text


def _parts_of(case: Case) -> tuple[Any, Any, Any]:
    checks = {where: [[spec.name, spec.params] for spec in specs] for where, specs in case.checks.items()}
    return case.input, case.golden, checks


def _below(path: str, key: Any) -> str:
    return f"{path}{str(key).casefold()}."


def _regex(pattern: str) -> str:
    """A pattern for the end of a path, each level of which ends in a dot: what stands above does not matter."""
    parts = (
        "(?:[^.]*\\.)*" if part == "**" else re.escape(part).replace("\\*", "[^.]*") + "\\."
        for part in pattern.split(".")
    )
    return "(?:[^.]*\\.)*" + "".join(parts)


def _event(event: StepEvent, moved: Mapping[str, str], said: Said) -> StepEvent:
    return msgspec.structs.replace(
        event,
        input=_moved(event.input, moved),
        output=_moved(event.output, moved),
        form=_moved(event.form, moved),
        routing=_moved(event.routing, moved),
        error=_error(event.error, said),
        calls=tuple(_call(call, moved, said) for call in event.calls),
        verdicts=_verdicts(event.verdicts, said),
    )


def _ruling(ruling: Ruling, moved: Mapping[str, str], said: Said) -> Ruling:
    return msgspec.structs.replace(
        ruling,
        reason=said(ruling.reason),
        handed=_moved(ruling.handed, moved),
        form=_moved(ruling.form, moved),
    )


def _call(call: Call, moved: Mapping[str, str], said: Said) -> Call:
    return msgspec.structs.replace(
        call,
        name=said(call.name),
        request=_moved(call.request, moved),
        response=_moved(call.response, moved),
        error=_error(call.error, said),
    )


def _verdicts(verdicts: tuple[Verdict, ...], said: Said) -> tuple[Verdict, ...]:
    return tuple(msgspec.structs.replace(one, reason=said(one.reason)) for one in verdicts)


def _error(error: ErrorInfo | None, said: Said) -> ErrorInfo | None:
    return msgspec.structs.replace(error, message=said(error.message)) if error is not None else None


def _moved(address: str | None, moved: Mapping[str, str]) -> str | None:
    return moved.get(address, address) if address is not None else None
