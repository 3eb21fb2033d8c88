"""`gapless label --queries`: proposes labelled queries for a folder of texts, for a person to decide on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gapless.errors import UsageError
from gapless.operations.progress import Progress, Stop, Tell, silent
from gapless.records.label_proposal import Proposal, Rival
from gapless.records.labelled_query import EXTRACTIVE, LabelledQuery
from gapless.retrievers.labelling.excerpts import (
    Excerpt,
    by_lot,
    digest,
    excerpts,
    holds,
    remembered,
    remembered_whole,
    standing,
)
from gapless.settings import ModelSettings, Place

if TYPE_CHECKING:
    from gapless.evals.chat import Endpoint
    from gapless.retrievers.base import Hit
    from gapless.retrievers.labelling.draft import Draft
    from gapless.retrievers.labelling.extractive import Asked

_RIVALS, _AT_ONCE, _TRIES = 3, 4, 4
"""Passages shown beside a question; passages asked about at once; passages tried for each question wanted."""
NO_QUESTION = "no key phrases name this passage alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelQueriesAsk:
    """What to propose."""

    folder: Path
    """The texts."""
    count: int = 40
    """Questions that some passage answers: those that are there already, and those that wait, among them."""
    unanswerable: int = 10
    """Questions that no passage answers."""
    model: ModelSettings | None = None
    """Who proposes; the passages' own words where None."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Proposed:
    """What came of proposing."""

    fresh: int
    """Questions that are new."""
    dropped: Mapping[str, int] = field(default_factory=dict[str, int])
    """Why passages gave none -> how many, of this run."""
    short: int = 0
    """Questions that could not be had: no further passage gave one."""
    before: int = 0
    """Passages that were left out, for the same model, or their own words, gave no question before."""
    renewed: int = 0
    """Labels whose texts have changed: they are put before a person again."""
    gone: int = 0
    """Labels whose quote stands nowhere any more: they were taken back."""
    complete: bool = True


class NoQuestion(Exception):
    """A passage gave no question; the text says why."""


Ask = Callable[[Excerpt], Awaitable[tuple[str, "Asked"]]]
"""A passage -> who proposes, and what; raises NoQuestion."""


def model_named(said: str | None, place: Place) -> ModelSettings | None:
    """The model that proposes.

    Args:
        said: "name", asked at the address under [checkup.model]; or "http://host/v1#name"; None for what the settings name.
        place: Where the settings are.

    Raises:
        UsageError: A name without an address.
    """
    import msgspec

    known = place.settings.checkup.model
    if said is None:
        return known if known.url is not None and known.model is not None else None
    address, _, name = said.rpartition("#")
    if address:
        if urlsplit(address).scheme not in ("http", "https"):
            raise UsageError(
                f"--model {said}: the address is no http one. Write http://127.0.0.1:8000/v1#NAME."
            )
        return msgspec.structs.replace(known, url=address, model=name)
    if known.url is None:
        provider, _, model = said.partition(":")
        if model:
            raise UsageError(
                f"--model {said}: labelling asks an OpenAI-compatible address, not a LangChain model as gapless checkup can. "
                f"Write {provider}'s: URL#{model}, for example http://127.0.0.1:8000/v1#{model} (its key: api_key_env under [checkup.model])."
            )
        raise UsageError(
            f"--model {said}: at which address? Write http://127.0.0.1:8000/v1#{said}, or set url under [checkup.model]."
        )
    return msgspec.structs.replace(known, model=said)


async def propose_into(
    draft: Draft, ask: LabelQueriesAsk, *, tell: Tell = silent, stop: Stop | None = None
) -> Proposed:
    """Proposes until there are as many questions as were asked for, and keeps each as soon as it is there.

    Raises:
        UsageError: There are no texts, or a count is below 0.
        EndpointError: The model cannot be asked; what it had said before is kept.
        MissingExtra: A library is not installed.
    """
    if ask.count < 0 or ask.unanswerable < 0:
        raise UsageError(f"{min(ask.count, ask.unanswerable)} questions: the least is 0.")
    work = _Work(draft, ask, tell, stop or Stop())
    renewed, gone = work.renew()
    fresh = await work.run(True, ask.count)
    fresh += await work.run(False, ask.unanswerable)
    before = work.before if work.short else 0
    return Proposed(fresh, dict(work.dropped), work.short, before, renewed, gone, not work.stop.requested)


class _Work:
    """One run of proposing."""

    def __init__(self, draft: Draft, ask: LabelQueriesAsk, tell: Tell, stop: Stop) -> None:
        from gapless.retrievers.base import Document
        from gapless.retrievers.bm25 import Bm25
        from gapless.retrievers.labelling.extractive import Lexicon
        from gapless.retrievers.texts import read_texts

        self.draft, self.tell, self.stop = draft, tell, stop
        self.texts = read_texts(ask.folder)
        self.whole = remembered_whole(self.texts)
        self.cut = excerpts(self.texts)
        self.order = list(by_lot(self.cut, ask.seed))
        self.lexicon = Lexicon(self.cut)
        self.index = Bm25([Document(str(at), one.text) for at, one in enumerate(self.cut)])
        self.endpoint = _endpoint(ask.model) if ask.model is not None else None
        self.dropped: Counter[str] = Counter()
        self.short = 0
        self.who = EXTRACTIVE if ask.model is None else f"{ask.model.model} at {ask.model.url}"
        self.seen = {one.key for one in draft.proposals if one.query is not None or one.asked == self.who}
        self.before = sum(one.query is None and one.asked == self.who for one in draft.proposals)

    def renew(self) -> tuple[int, int]:
        """Brings labels up to the texts of today. Returns how many have changed, and how many are gone."""
        again: list[Proposal] = []
        gone: list[str] = []
        for label in self.draft.queries:
            state = standing(self.texts, label)
            if state == "gone":
                gone.append(label.id)
            elif state == "changed":
                now = self._today(label)
                again += [now] if now is not None else []
                gone += [label.id] if now is None else []
        if again or gone:
            self.draft.renew(again, gone)
        return len(again), len(gone)

    def _today(self, label: LabelledQuery) -> Proposal | None:
        """A label with the passage that holds its quote now; None where borders cut through the quote."""
        import msgspec

        if not label.texts:
            renewed = msgspec.structs.replace(label, passage=self.whole)
            return Proposal(key=label.id, query=renewed, rivals=self._near(label.query, None))
        for one in self.cut:
            if one.document == label.document and holds(one.text, label.texts[0]):
                passage = remembered(one.text, label.texts[0])
                renewed = msgspec.structs.replace(label, passage=passage)
                rivals = self._near(label.query, one)
                return Proposal(key=label.id, query=renewed, excerpt=one.text, rivals=rivals)
        return None

    async def run(self, answerable: bool, wanted: int) -> int:
        """Proposes questions of one kind. Returns how many are new."""
        have = sum(one.answerable == answerable for one in self.draft.queries if one.source)
        have += sum(
            one.query is not None and one.query.answerable == answerable
            for one in self.draft.proposals
            if one.waits
        )
        left, made = max(0, wanted - have), 0
        candidates = self._candidates(answerable, _TRIES * left)
        while left > made and not self.stop.requested:
            batch = list(islice(candidates, min(_AT_ONCE, left - made)))
            if not batch:
                self.short += left - made
                break
            found = await asyncio.gather(*batch, return_exceptions=True)
            kept = [one for one in found if isinstance(one, Proposal)]
            self.draft.add(kept)
            self.dropped.update(one.why for one in kept if one.query is None)
            made += sum(one.query is not None for one in kept)
            for one in found:
                if isinstance(one, BaseException):
                    raise one
            what = "questions" if answerable else "questions without an answer"
            self.tell(Progress(what=what, done=have + made, total=have + left, fresh=made))
        return made

    def _candidates(self, answerable: bool, most: int) -> Iterator[Awaitable[Proposal]]:
        tried = 0
        for at, one in enumerate(self.order):
            if tried >= most:
                return
            other = self.order[-1 - at]  # of another document as a rule, and in no pair twice
            key = one.key if answerable else digest(["no answer", one.key, other.key])
            if key in self.seen:
                continue
            self.seen.add(key)
            tried += 1
            yield self._proposal(
                key, one, self._answered(key, one) if answerable else self._unanswered(key, one, other)
            )

    async def _proposal(self, key: str, one: Excerpt, made: Awaitable[LabelledQuery]) -> Proposal:
        """What came of a passage: a question that no other passage answers, or why there is none."""
        try:
            label = await made
            rivals = self._near(label.query, one if label.answerable else None)
            await self._alone(label.query, rivals)
        except NoQuestion as why:
            return Proposal(key=key, excerpt=one.text, why=str(why), asked=self.who)
        return Proposal(key=key, query=label, excerpt=one.text if label.answerable else "", rivals=rivals)

    async def _answered(self, key: str, one: Excerpt) -> LabelledQuery:
        who, asked = await self._question(one)
        if self.lexicon.repeats(one, asked.quote):
            raise NoQuestion("other passages say nearly the same")
        return LabelledQuery(
            query=asked.question,
            id=key,
            texts=(asked.quote,),
            slice=_folder(one.document),
            group=one.document,
            document=one.document,
            source="proposed",
            model=who,
            passage=remembered(one.text, asked.quote),
        )

    async def _unanswered(self, key: str, one: Excerpt, other: Excerpt) -> LabelledQuery:
        who, asked = await self._no_answer(one, other)
        return LabelledQuery(
            query=asked.question,
            id=key,
            group=key,
            answerable=False,
            source="proposed",
            model=who,
            passage=self.whole,
        )

    async def _question(self, one: Excerpt) -> tuple[str, Asked]:
        if self.endpoint is not None:
            from gapless.operations.label_asking import question

            return self.endpoint.model, await question(self.endpoint, one)
        asked = self.lexicon.question(one)
        if asked is None:
            raise NoQuestion(NO_QUESTION)
        return EXTRACTIVE, asked

    async def _no_answer(self, one: Excerpt, other: Excerpt) -> tuple[str, Asked]:
        if self.endpoint is not None:
            from gapless.operations.label_asking import without_answer

            return self.endpoint.model, await without_answer(self.endpoint, one)
        asked = self.lexicon.unanswerable(one, other)
        if asked is None:
            raise NoQuestion("no two things that stand in no document together")
        return EXTRACTIVE, asked

    async def _alone(self, question: str, rivals: tuple[Rival, ...]) -> None:
        """Asks the model whether another passage answers the question too."""
        from gapless.operations.label_asking import answering

        if self.endpoint is None or not rivals:
            return
        if await answering(self.endpoint, question, [one.text for one in rivals]):
            raise NoQuestion("another passage answers the question")

    def _near(self, question: str, own: Excerpt | None) -> tuple[Rival, ...]:
        found: list[Hit] = self.index.search(question, _RIVALS + 1)
        others = [self.cut[int(hit.id)] for hit in found if self.cut[int(hit.id)] != own]
        return tuple(Rival(document=one.document, text=one.text) for one in others[:_RIVALS])


def _folder(document: str) -> dict[str, str]:
    """The slice of a text that lies in a folder of its own."""
    top, _, rest = document.partition("/")
    return {"folder": top} if rest else {}


def _endpoint(model: ModelSettings) -> Endpoint:
    from gapless.evals.chat import Endpoint, need_client

    need_client("Asking a model for questions")
    try:
        return Endpoint.of(model)
    except ValueError as error:
        raise UsageError(f"the model that proposes: {error}.") from error
