"""The file of labelled queries, and beside it the draft of what was proposed: every change is on disk before it is told."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from gapless.errors import InvalidSuite, ReviewConflict, UsageError
from gapless.records.label_proposal import Proposal
from gapless.records.labelled_query import LabelledQuery
from gapless.retrievers.labelled import lines_of, read_queries
from gapless.retrievers.labelling.excerpts import remembered


class Draft:
    """Labels, and proposals on their way to become some.

    Lines of the file that a person wrote by hand are kept as they are. Several reviewers may decide at the same time: each
    change is made under a lock, on what is on disk then.

    Args:
        labels: File of labelled queries (JSONL); need not exist.

    Raises:
        InvalidSuite: The file, or the draft beside it, cannot be read.
    """

    def __init__(self, labels: Path) -> None:
        self.labels = labels
        self.path = labels.with_name(f"{labels.stem}.draft.jsonl")
        self._proposals: dict[str, Proposal] = {}
        self._lines: dict[str, str] = {}
        self._queries: dict[str, LabelledQuery] = {}
        self._read()

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """All of them, passages that gave no question included."""
        return tuple(self._proposals.values())

    @property
    def queries(self) -> tuple[LabelledQuery, ...]:
        """What the file of labelled queries holds."""
        return tuple(self._queries.values())

    def waiting(self) -> tuple[Proposal, ...]:
        """What nobody has seen, in an order by lot: who stops early leaves a sample. Labels that were taken over unseen
        wait too, until somebody has looked at them."""
        unseen = {one.id for one in self.queries if one.source == "unreviewed"}
        found = (one for one in self._proposals.values() if one.waits or one.key in unseen)
        return tuple(sorted(found, key=lambda one: one.key[::-1]))

    def add(self, proposals: Sequence[Proposal]) -> None:
        """Keeps proposals; a question whose key is known is left as it is, a passage that gave none may give one now."""
        with self._changing():
            for one in proposals:
                if one.key not in self._proposals or self._proposals[one.key].query is None:
                    self._proposals[one.key] = one

    def need_writable(self) -> None:
        """Writes both files as they are, so that nobody is asked about what cannot be kept.

        Raises:
            UsageError: They cannot be written there.
        """
        with self._changing():
            pass

    def accept(
        self, key: str, who: str, *, question: str | None = None, quote: str | None = None
    ) -> LabelledQuery:
        """Makes a proposal a label that a person has seen.

        Args:
            key: Of the proposal.
            who: Who has seen it.
            question: Other words for what is asked.
            quote: Another part of the passage that answers it.

        Raises:
            ReviewConflict: Somebody else has decided it meanwhile.
            ValueError: The quote does not stand in the passage, or the question is empty.
        """
        with self._changing():
            proposal = self._undecided(key)
            label = _edited(proposal, question, quote)
            label = msgspec.structs.replace(label, source="reviewed", reviewer=who)
            self._put(label)
            self._proposals[key] = msgspec.structs.replace(proposal, decision="accepted", reviewer=who)
        return label

    def reject(self, key: str, who: str, why: str = "") -> None:
        """Turns a proposal down; a label that had been made of it unseen is taken back.

        Raises:
            ReviewConflict: Somebody else has decided it meanwhile.
        """
        with self._changing():
            proposal = self._undecided(key)
            self._lines.pop(key, None)
            self._queries.pop(key, None)
            self._proposals[key] = msgspec.structs.replace(
                proposal, decision="rejected", reviewer=who, why=why
            )

    def renew(self, proposals: Sequence[Proposal], gone: Sequence[str] = ()) -> None:
        """Puts labels before a person again, for their texts have changed; until then they count as seen by nobody.

        Args:
            proposals: The same labels with the passages of today.
            gone: Keys of labels whose quote stands nowhere any more: they are taken back.
        """
        with self._changing():
            for one in proposals:
                if one.query is not None:
                    self._put(msgspec.structs.replace(one.query, source="unreviewed", reviewer=""))
                    self._proposals[one.key] = msgspec.structs.replace(one, decision="accepted", reviewer="")
            for key in gone:
                before = self._proposals.get(key, Proposal(key=key, query=self._queries.get(key)))
                self._lines.pop(key, None)
                self._queries.pop(key, None)
                self._proposals[key] = msgspec.structs.replace(
                    before, decision="rejected", reviewer="", why="what it quotes is gone"
                )

    def take_unseen(self) -> int:
        """Makes every proposal that waits a label, marked as seen by nobody. Returns how many."""
        with self._changing():
            waiting = [one for one in self._proposals.values() if one.waits]
            for one in waiting:
                if one.query is not None:
                    self._put(msgspec.structs.replace(one.query, source="unreviewed"))
                self._proposals[one.key] = msgspec.structs.replace(one, decision="accepted")
        return len(waiting)

    def _undecided(self, key: str) -> Proposal:
        one, label = self._proposals.get(key), self._queries.get(key)
        unseen = label is not None and label.source == "unreviewed"
        if one is None or one.query is None or not (one.waits or unseen):
            by = one.reviewer if one is not None and one.reviewer else "somebody else"
            raise ReviewConflict(f"{key}: {by} has decided this one meanwhile. Go on with the next.")
        return one

    def _put(self, label: LabelledQuery) -> None:
        self._queries[label.id] = label
        self._lines[label.id] = msgspec.json.encode(label).decode()

    def _read(self) -> None:
        if self.labels.is_file() and self.labels.stat().st_size:
            self._queries = {one.id: one for one in read_queries(self.labels)}
            written = (line for line in lines_of(self.labels) if line.strip())
            self._lines = dict(zip(self._queries, written, strict=True))
        else:
            self._queries, self._lines = {}, {}
        self._proposals = {one.key: one for one in _proposals(self.path)}

    @contextmanager
    def _changing(self) -> Generator[None]:
        """Reads what is on disk now, lets it be changed, and writes it: labels first, for those are what counts."""
        try:
            self.labels.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self.labels.parent) as folder:
                self._read()
                yield
                if self._lines or self.labels.is_file():
                    _write(self.labels, self._lines.values())
                _write(self.path, (msgspec.json.encode(one).decode() for one in self._proposals.values()))
                os.fsync(folder)
        except OSError as error:
            raise UsageError(
                f"{self.labels}: cannot be written ({error.strerror}). Name a file in a folder of yours: --out FILE."
            ) from error


def _edited(proposal: Proposal, question: str | None, quote: str | None) -> LabelledQuery:
    label = proposal.query
    if label is None:
        raise ValueError("there is no question to accept")
    if question is not None and question.strip() != label.query:
        if not question.strip():
            raise ValueError("the question is empty")
        label = msgspec.structs.replace(label, query=question.strip(), edited=True)
    if quote is not None and label.texts and quote.split() != label.texts[0].split():
        passage = remembered(proposal.excerpt, quote)
        label = msgspec.structs.replace(label, texts=(quote.strip(),), passage=passage)
    return label


def _proposals(path: Path) -> list[Proposal]:
    if not path.is_file():
        return []
    found: list[Proposal] = []
    try:
        lines = lines_of(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSuite(
            f"{path}: the draft cannot be read: {error}. Name another file: --out FILE."
        ) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found.append(msgspec.json.decode(line, type=Proposal))
        except msgspec.MsgspecError as error:
            raise InvalidSuite(
                f"{path.name}:{number}: no proposal of `gapless label --queries`: {error}. Mend the line, or delete the "
                "file to begin anew; labels that were accepted are kept."
            ) from error
    return found


def _write(path: Path, lines: Iterable[str]) -> None:
    """Puts a file in its place whole or not at all; lasting once its folder is written, too."""
    draft = path.with_name(f".{path.name}.writing")
    with draft.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


@contextmanager
def _locked(folder: Path) -> Generator[int]:
    """Holds the lock of a folder, which leaves no file behind; another process waits. Yields the folder's descriptor."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)
