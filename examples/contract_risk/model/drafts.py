"""What the model wrote, kept by digest of model and request, so that no condition computes a draft again."""

from __future__ import annotations

import functools
import hashlib
import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gapless.retrievers import cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One text as the model wrote it."""

    text: str
    finish: str | None = None
    """Why it ended: "stop", "length"; None when the endpoint did not say."""
    tokens_in: int | None = None
    tokens_out: int | None = None


class Drafts:
    """A folder of drafts; files appear whole or not at all.

    Args:
        folder: Where they are kept; in the user's cache when None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder if folder is not None else cache.folder() / "contract_risk" / "drafts"
        self._lock = threading.Lock()
        self.computed = 0
        """Drafts the model wrote since this object was made."""
        self.reused = 0
        """Drafts that were known already."""

    def find(self, model: str, request: dict[str, Any]) -> Draft | None:
        """The draft of a request, if the model wrote it before."""
        try:
            kept = json.loads(self._path(model, request).read_text(encoding="utf-8"))
            draft = Draft(**kept)
        except (OSError, ValueError, TypeError):  # not there, or damaged: written again
            return None
        with self._lock:
            self.reused += 1
        return draft

    def keep(self, model: str, request: dict[str, Any], draft: Draft) -> None:
        """Keeps a draft; a folder that cannot be written costs time later, not the answer now."""
        with self._lock:
            self.computed += 1
        text = json.dumps(asdict(draft), ensure_ascii=False)
        try:
            cache.publish(self._path(model, request), lambda path: path.write_text(text, encoding="utf-8"))
        except OSError:
            return

    def _path(self, model: str, request: dict[str, Any]) -> Path:
        key = hashlib.sha256(json.dumps([model, request], sort_keys=True).encode()).hexdigest()[:40]
        return self._folder / key[:2] / f"{key}.json"


@functools.cache
def shared() -> Drafts:
    """The drafts of this process: what a screen says about computed and reused ones, it reads here."""
    return Drafts()
