"""What a tool answered, as MCP writes it, and the guards that look at it: schema, error in disguise, part for the whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from gapless.boundary.crossing import Crossing
from gapless.boundary.guards.base import Breach
from gapless.boundary.suspicions.reading.symptoms import cut_markers, error_in, looks_like_cut_json, parsed
from gapless.errors import IncompleteResult, SchemaBreach

Answer = dict[str, Any]
"""`content`, `structuredContent`, `isError` and `_meta`, by MCP's names."""
Problem = Callable[[Any], str]
"""What breaks a schema; empty where nothing does."""


def as_answer(value: Any) -> Answer:
    """A value as an answer: what a person says that an action handed over need not be in MCP's form."""
    if isinstance(value, dict) and ("content" in value or "structuredContent" in value):
        return cast("Answer", value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return {"content": [{"type": "text", "text": text}]}


def is_error(answer: Answer) -> bool:
    """Whether the tool itself says that it failed."""
    return answer.get("isError") is True


def text_of(answer: Answer) -> str:
    """All texts of an answer, one a line."""
    return "\n".join(_texts(answer))


def value_of(answer: Answer) -> Any:
    """The data an answer carries: structured where it is, else read from its only text, else that text.

    Example:
        >>> value_of({"content": [{"type": "text", "text": '{"total": 3}'}]})
        {'total': 3}
    """
    if "structuredContent" in answer:
        found = answer["structuredContent"]
        wrapped = isinstance(found, dict) and list(cast("dict[str, Any]", found)) == ["result"]
        return cast("dict[str, Any]", found)["result"] if wrapped else found
    texts = _texts(answer)
    return parsed(texts[0]) if len(texts) == 1 else None if not texts else "\n".join(texts)


def with_value(answer: Answer, value: Any) -> Answer:
    """The answer carrying other data, in its structured part and in the text that repeats it."""
    changed = dict(answer)
    if "structuredContent" in answer:
        found = answer["structuredContent"]
        wrapped = isinstance(found, dict) and list(cast("dict[str, Any]", found)) == ["result"]
        changed["structuredContent"] = {"result": value} if wrapped else value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    others = [part for part in answer.get("content", ()) if part.get("type") != "text"]
    changed["content"] = [{"type": "text", "text": text}, *others]
    return changed


def disguised(answer: Answer) -> str | None:
    """The words of an error in an answer that calls itself a success; what may be a right answer as well is none.

    Example:
        >>> told = [{"structuredContent": {"error": "denied"}}, {"structuredContent": {"status": "failed"}}]
        >>> disguised(told[0]), disguised(told[1]), doubtful(told[1])
        ('denied', None, 'status failed')
    """
    return _error(answer, sure=True)


def doubtful(answer: Answer) -> str | None:
    """What in an answer reads like an error, and may be what was asked for: the state of a thing, a text about errors."""
    return _error(answer, sure=False) if _error(answer, sure=True) is None else None


def _error(answer: Answer, *, sure: bool) -> str | None:
    if is_error(answer):
        return None
    said = (error_in(value, sure=sure) for value in (value_of(answer), *_texts(answer)[:1]))
    return next(filter(None, said), None)


def part_only(answer: Answer) -> str | None:
    """How an answer says that it is not the whole: a next page, a mark, a total above what it holds, JSON that breaks off."""
    if is_error(answer):
        return None
    value = value_of(answer)
    marks = [words for _, words in cut_markers(value)]
    if marks:
        return "; ".join(marks[:3])
    if looks_like_cut_json(value):
        return f"it begins as JSON and cannot be read: it ends with {str(value)[-30:]!r}"
    return None


@dataclass(frozen=True)
class AnswerSchema:
    """Holds structured answers against the tool's output schema."""

    name: ClassVar[str] = "schema"

    problem: Problem

    def breach(self, crossing: Crossing, handoff: Any) -> Breach | None:
        """What is not as declared."""
        if is_error(handoff):
            return None
        if "structuredContent" not in handoff:
            said = "an output schema is declared, and the answer has no structured content"
        else:
            said = self.problem(handoff["structuredContent"])
        return Breach(self.name, f"the answer is not as declared: {said}", SchemaBreach) if said else None


@dataclass(frozen=True)
class Learnt:
    """Holds answers against the schema that a lock has learnt from earlier ones, where the tool declares none."""

    name: ClassVar[str] = "inferred-schema"

    problem: Problem

    def breach(self, crossing: Crossing, handoff: Any) -> Breach | None:
        """What is not as it was."""
        said = self.said(handoff)
        return (
            Breach(self.name, f"the answer is not as earlier ones were: {said}", SchemaBreach)
            if said
            else None
        )

    def said(self, answer: Answer) -> str:
        """The same in words; empty where the answer fits, or is an error."""
        if is_error(answer):
            return ""
        if "structuredContent" in answer:
            return self.problem(answer["structuredContent"])
        return self.problem(parsed(text_of(answer)))


@dataclass(frozen=True)
class NoDisguise:
    """Takes no error for a result."""

    name: ClassVar[str] = "error-as-success"

    def breach(self, crossing: Crossing, handoff: Any) -> Breach | None:
        """The error, in its own words."""
        said = disguised(handoff)
        return (
            Breach(self.name, f"the answer calls itself a success and is an error: {said}") if said else None
        )


@dataclass(frozen=True)
class Whole:
    """Takes no part for the whole."""

    name: ClassVar[str] = "partial-result"

    def breach(self, crossing: Crossing, handoff: Any) -> Breach | None:
        """How the answer says that it is not all."""
        said = part_only(handoff)
        return Breach(self.name, f"the answer is only a part: {said}", IncompleteResult) if said else None


def _texts(answer: Answer) -> list[str]:
    content = cast("list[Mapping[str, Any]]", answer.get("content") or [])
    return [str(part.get("text", "")) for part in content if part.get("type") == "text"]
