"""Whether what was found speaks the language of what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.signals.base import at, text


@dataclass(frozen=True, kw_only=True)
class CueWords:
    """Share of a topic's cue words, of which at least `enough` make it 1, that occur in the text."""

    name: ClassVar[str] = "cue-words"

    text: str
    topic: str = ""
    """Path of the topic that is asked for; "" where there is only one."""
    cues: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    """Topic -> words or phrases that such a passage has."""
    enough: int = 3

    def __call__(self, crossing: Crossing) -> float | None:
        """The share; None for a topic without cue words, and where there is no text."""
        said = text(at(crossing, self.text))
        topic = at(crossing, self.topic) if self.topic else next(iter(self.cues), "")
        cues = self.cues.get(topic, ()) if isinstance(topic, str) else ()
        if not cues or said is None:
            return None
        low = said.casefold()
        return min(1.0, sum(cue.casefold() in low for cue in cues) / min(self.enough, len(cues)))
