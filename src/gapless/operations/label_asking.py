"""What a model is asked when it proposes labelled queries, and how its answers are read: in doubt there is no question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec

from gapless.evals.chat import Endpoint, ask
from gapless.operations.label_queries import NoQuestion

if TYPE_CHECKING:
    from gapless.retrievers.labelling.excerpts import Excerpt
    from gapless.retrievers.labelling.extractive import Asked

_QUESTION = """You write questions that test a search engine over a collection of documents.
Read the passage and write one question that it answers, as somebody would ask who has not seen it: in words of your own,
naming who or what it is about, so that no other document would answer it. Then quote the part of the passage that answers it,
word for word.
Answer with JSON alone: {"question": "...", "quote": "..."}"""
_NO_ANSWER = """You write questions that test whether a search engine knows when there is nothing to find.
Read the passage and write one question on the same subject that somebody might well ask, and that the passage does not answer.
Answer with JSON alone: {"question": "..."}"""
_CHECK = """Which of the numbered passages answer the question in full? Take each by itself; a passage that is only on the same
subject does not answer it. Answer with JSON alone: {"answered_by": [numbers]}, an empty list where none does."""
_FENCE = re.compile(r"\A\s*```(?:json)?\s*|\s*```\s*\Z")
_LEAST_QUOTE = 3


async def question(endpoint: Endpoint, one: Excerpt) -> Asked:
    """One question that a passage answers, with the part that does.

    Raises:
        NoQuestion: The answer cannot be read, or quotes what does not stand in the passage.
        EndpointError: There is no answer.
    """
    from gapless.retrievers.labelling.extractive import Asked

    said = await _said(endpoint, _QUESTION, _passage(one), {"question": "string", "quote": "string"})
    asked, quote = _text(said, "question"), _text(said, "quote")
    standing = _standing(one.text, quote)
    if standing is None:
        raise NoQuestion("the model quoted what does not stand in the passage")
    return Asked(asked, standing)


async def without_answer(endpoint: Endpoint, one: Excerpt) -> Asked:
    """One question on the subject of a passage that it does not answer.

    Raises:
        NoQuestion: The answer cannot be read.
        EndpointError: There is no answer.
    """
    from gapless.retrievers.labelling.extractive import Asked

    said = await _said(endpoint, _NO_ANSWER, _passage(one), {"question": "string"})
    return Asked(_text(said, "question"))


async def answering(endpoint: Endpoint, asked: str, passages: Sequence[str]) -> list[int]:
    """Which of some passages answer a question, by number from 1.

    Raises:
        NoQuestion: The answer cannot be read: then it is not known whether the question names one passage.
        EndpointError: There is no answer.
    """
    numbered = "\n\n".join(f"[{number}] {text}" for number, text in enumerate(passages, start=1))
    said = await _said(endpoint, _CHECK, f"Question: {asked}\n\n{numbered}", {"answered_by": "array"})
    found: Any = said.get("answered_by")
    if not isinstance(found, list):
        raise NoQuestion("the model's answer could not be read")
    return [number for number in cast("list[Any]", found) if number in range(1, len(passages) + 1)]


def _passage(one: Excerpt) -> str:
    return f"Document: {one.document}\n\nPassage:\n{one.text}"


async def _said(endpoint: Endpoint, system: str, user: str, fields: dict[str, str]) -> dict[str, Any]:
    kinds: dict[str, dict[str, Any]] = {
        "string": {"type": "string"},
        "array": {"type": "array", "items": {"type": "integer"}},
    }
    schema = {
        "type": "object",
        "properties": {name: kinds[kind] for name, kind in fields.items()},
        "required": list(fields),
        "additionalProperties": False,
    }
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    reply = await ask(endpoint, messages, schema=schema)
    try:
        said = msgspec.json.decode(_FENCE.sub("", reply.text))
    except msgspec.DecodeError as error:
        raise NoQuestion("the model's answer could not be read") from error
    if not isinstance(said, dict):
        raise NoQuestion("the model's answer could not be read")
    return cast("dict[str, Any]", said)


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not value.strip():
        raise NoQuestion("the model's answer could not be read")
    return " ".join(value.split())


def _standing(passage: str, quote: str) -> str | None:
    """A quote as it stands in the passage, white space and case aside; None where it does not, or says too little."""
    words = quote.split()
    if len(words) < _LEAST_QUOTE:
        return None
    pattern = r"(?<!\S)" + r"\s+".join(map(re.escape, words))
    found = re.search(pattern, passage, re.IGNORECASE)
    if found is None:
        return None
    # on to the end of the word it breaks off in: a label is recognised by its words
    rest = re.match(r"\S*", passage[found.end() :])
    return found[0] + (rest[0] if rest else "")
