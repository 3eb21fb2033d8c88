"""A figure in a text occurs nowhere in what the workflow had read by then, at a step whose figures usually do.

A step that normally brings figures of its own (a calculator, a model that knows things) is never suspect.
"""

from __future__ import annotations

from collections.abc import Iterator

from gapless.boundary.suspicions.grounding import judged_texts
from gapless.boundary.suspicions.normal import Normal, is_usual
from gapless.boundary.suspicions.reading.story import Story

NAME = "ungrounded-figure"
_MAX_SHOWN = 3


def find(story: Story, normal: Normal) -> Iterator[tuple[int, str]]:
    """The events whose text holds figures from nowhere, each with the figures."""
    for result, loose in judged_texts(story):
        source = normal.source(result.source)
        if loose and is_usual(source.grounded, source.figured):
            figures = ", ".join(repr(text) for text in loose[:_MAX_SHOWN])
            yield (
                result.event,
                f"{figures} in the text of {result.named} occurs nowhere in its input or in earlier steps; in "
                f"{source.grounded} of {source.figured} trials all of its figures do",
            )
