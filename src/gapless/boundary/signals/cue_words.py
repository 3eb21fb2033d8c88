"""Whether what was found speaks the language of what was asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.signals.base import at, at_least, text


@dataclass(frozen=True, kw_only=True)
class CueWords:
    """Share of a topic's cue words, of which at least `enough` make it 1, that occur in the text."""

    name: ClassVar[str] = "cue-words"

    text: str
    topic: str = ""
    """Path of the topic that is asked for; "" where there is only one."""
    cues: Mapping[str, tuple[str, ...]] | tuple[str, ...]
    """Topic -> words or phrases that such a passage has; without topics, just these. Each counts from the beginning of
    a word on: "indemnif" is in "indemnifies"."""
    enough: int = 3

    def __post_init__(self) -> None:
        at_least(self, "enough", self.enough, 1)

    def __call__(self, crossing: Crossing) -> float | None:
        """The share; None for a topic without cue words, and where there is no text."""
        said = text(at(crossing, self.text))
        cues = [cue for cue in self._asked(crossing) if cue.strip()]
        if not cues or said is None:
            return None
        low = said.casefold()
        found = sum(re.search(rf"(?<!\w){re.escape(cue.casefold())}", low) is not None for cue in cues)
        return min(1.0, found / min(self.enough, len(cues)))

    def _asked(self, crossing: Crossing) -> tuple[str, ...]:
        if not isinstance(self.cues, Mapping):
            return self.cues
        topic = at(crossing, self.topic) if self.topic else next(iter(self.cues), "")
        return self.cues.get(topic, ()) if isinstance(topic, str) else ()
