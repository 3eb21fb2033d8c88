"""The sweep over ways of cutting: what it counts, what it costs, and whom it recommends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gapless.gap.clustered import clustered, units
from gapless.probes.base import Subject
from gapless.probes.context.chunks import chunking
from gapless.probes.context.sweep import Metered, Setting, Tried, _compared, settings_of, sweep
from gapless.records.cost import Prices
from gapless.records.labelled_query import LabelledQuery
from gapless.retrievers.chunking import Chunk, fixed, semantic


class Spread:
    """Embeds a text as the letters it holds, and counts its words as tokens."""

    def __init__(self) -> None:
        self.asked = 0

    def embed(self, texts: Sequence[str]) -> Any:
        self.asked += len(texts)
        rows = np.asarray(
            [[1 + text.count(letter) for letter in "aeiost"] for text in texts], dtype=np.float32
        )
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def count_tokens(self, texts: Sequence[str]) -> int:
        return sum(len(text.split()) for text in texts)


def label(query: str, text: str, **more: Any) -> LabelledQuery:
    return LabelledQuery(id=query, query=query, texts=(text,), group=query, **more)


def test_a_quote_that_a_border_cuts_through_counts_by_its_pieces() -> None:
    quote = "five six seven eight"
    text = f"one two three four {quote} nine ten eleven twelve"
    whole = {"a": text}
    both = sweep(whole, (label("five six seven eight", quote),), settings=(Setting("fixed", 6),), budget=99)
    assert both.tried[0].shares[0] == 1.0  # the blank between the two windows is nothing to read
    first = sweep(whole, (label("five six", quote),), settings=(Setting("fixed", 6),), budget=6)
    assert first.tried[0].shares[0] == pytest.approx(
        7 / len(quote.replace(" ", ""))
    )  # "five six" of "five six seven eight"
    repeated = sweep(
        whole, (label("five six seven eight", quote),), settings=(Setting("fixed", 8, 4),), budget=8
    )
    assert repeated.tried[0].shares[0] == 1.0  # the overlap holds it in one piece


def test_a_query_is_asked_of_one_text_alone_where_its_filter_says_so() -> None:
    texts = {
        name: f"The fee is paid by {name}. {'Nothing else stands here. ' * 9}" for name in ("acme", "bolt")
    }
    asked = [
        label(f"{name} fee is paid by", "The fee is paid by", filter={"document": name}) for name in texts
    ]
    asked.append(label("other", "The fee", filter={"supplier": "acme"}))  # no text has such a field
    done = sweep(texts, asked, settings=(Setting("fixed", 20),), budget=20)
    assert (done.queries, done.lost) == (2, 1)
    assert done.tried[0].recall.point == 1.0
    named = [label("bolt", "The fee is paid by", document="bolt")]
    alone = sweep(texts, named, settings=(Setting("fixed", 20),), budget=20)
    assert alone.tried[0].recall.point == 1.0  # the quote stands in both; the label says which is meant


def test_what_it_costs_is_counted_cutting_included() -> None:
    text = {"a": "The apples are red. The ships are old. The cranes are tall. " * 8}
    model = Spread()
    meter = Metered(model)
    forms = {"fixed": fixed, "semantic": semantic(meter)}
    done = sweep(
        text,
        (label("apples red", "The apples are red."),),
        settings=(Setting("fixed", 12), Setting("fixed", 12, 6), Setting("semantic", 12)),
        forms=forms,
        meter=meter,
    )
    found = {str(one.setting): one for one in done.tried}
    words = len(text["a"].split())
    assert found["fixed 12"].tokens == words
    assert found["fixed 12, overlap 6"].tokens == found["fixed 12, overlap 6"].words > 1.5 * words
    assert found["semantic 12"].tokens == 2 * words  # its sentences first, then its passages
    prices = Prices(per_million_tokens_embedded=20.0)
    assert found["fixed 12"].money(prices) == pytest.approx(words * 20 / 1e6)
    assert found["fixed 12"].money(Prices()) is None
    plain = sweep(text, (label("apples red", "The apples are red."),), settings=(Setting("fixed", 12),))
    assert plain.tried[0].tokens is None
    assert plain.tried[0].money(prices) is None
    hybrid = sweep(text, (label("apples", "The apples"),), settings=(Setting("fixed", 12),), embedder=model)
    assert hybrid.tried[0].bytes == plain.tried[0].bytes + hybrid.tried[0].chunks * 6 * 4


def tried(name: str, shares: Any, words: int) -> Tried:
    values = np.asarray(shares, dtype=float)
    rate = clustered(values, units(range(len(values)), weighting="runs"))
    return Tried(Setting(name, 1), rate, values, ms=1, build_s=1, chunks=1, words=words, bytes=words)


def test_the_cheapest_is_recommended_only_if_it_is_near_every_other() -> None:
    draw = np.random.default_rng(3)
    base = draw.integers(0, 2, 400).astype(float)
    table = units(range(400), weighting="runs")
    noisy = draw.permutation(
        base
    )  # as good on the whole, on other queries: nobody knows how far it is behind
    order, chosen = _compared(
        [tried("best", base, 9), tried("same", base, 5), tried("other", noisy, 1)], table
    )
    assert (order[0].setting.form, chosen.setting.form) == ("other", "other")  # ties go to the cheaper
    worse = base.copy()
    worse[:40] = 0
    order, chosen = _compared(
        [tried("best", base, 9), tried("same", base, 5), tried("worse", worse, 1)], table
    )
    assert chosen.setting.form == "same"
    assert [one.told_apart for one in order if one.setting.form == "worse"] == [True]


def test_the_recommended_is_near_the_true_best_in_19_of_20_worlds() -> None:
    """Six ways with known recall, the cheap ones five to ten points behind: recommending one of those is the error."""
    draw, wrong, worlds, queries = np.random.default_rng(11), 0, 300, 250
    truth = np.asarray([0.80, 0.80, 0.79, 0.745, 0.74, 0.70])
    table = units(range(queries), weighting="runs")
    for _ in range(worlds):
        hard = draw.random(queries)
        found = [
            tried(str(at), (hard + draw.normal(0, 0.05, queries)) < rate, 60 - 10 * at)
            for at, rate in enumerate(truth)
        ]
        _, chosen = _compared(found, table)
        wrong += truth[int(chosen.setting.form)] < truth.max() - 0.05
    assert wrong / worlds <= 0.05


def test_every_form_has_its_turn_before_time_runs_out() -> None:
    order = settings_of(["fixed", "whole"], whole=["whole"])
    assert [str(one) for one in order[:4]] == ["fixed 150", "whole 150", "fixed 75", "whole 75"]
    assert not [one for one in order if one.form == "whole" and one.overlap]
    done = sweep(
        {"a": "one two three"},
        (label("two", "two three"),),
        settings=order,
        forms={"fixed": fixed, "whole": fixed},
        seconds=0,
    )
    assert (len(done.tried), done.skipped) == (1, 8)


def test_the_line_of_the_checklist_names_costs_and_what_was_left_out(tmp_path: Path) -> None:
    clauses = [
        f"Clause {n}: the {thing} shall be insured."
        for n, thing in enumerate("apples bolts cranes drums".split() * 6)
    ]
    (tmp_path / "a.txt").write_text("\n\n".join(f"{clause} {'Else. ' * 30}" for clause in clauses))
    labels = tuple(label(clause, clause) for clause in clauses)
    subject = Subject(
        texts=tmp_path,
        labelled=labels,
        embedder=Spread(),
        prices=Prices(per_million_tokens_embedded=20, currency="EUR"),
    )
    (found,) = chunking(subject)
    names = {figure.name: figure for figure in found.figures}
    assert {"semantic 75", "tokens to embed, recommended", "embedding it once, recommended"} <= set(names)
    assert names["embedding it once, recommended"].unit == "EUR"
    assert "tokens to embed" in names["semantic 75"].spread
    (bare,) = chunking(Subject(texts=tmp_path, labelled=labels))
    assert "semantic ways need the built-in model" in bare.said
    assert not [figure for figure in bare.figures if figure.name.startswith("semantic")]


def test_too_few_queries_are_not_taken_for_a_cut_that_finds_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The apples shall be insured. They are red.")
    (found,) = chunking(
        Subject(texts=tmp_path, labelled=(label("apples insured", "apples shall be insured"),))
    )
    assert (found.status, found.figures[0].value) == ("ok", 1.0)
    assert "recall of the best may be as low as" in found.undecided
    assert "No cut finds it" not in found.next_step
    assert found.command.startswith("gapless label --queries ")
    assert "FOLDER" not in found.command


def test_a_quote_counts_wherever_it_stands() -> None:
    said = "The fee is paid within thirty days of the invoice."
    text = f"{'Nothing here. ' * 20}{said} {'Nothing there. ' * 20}The fee once more. {said}"
    (found,) = sweep(
        {"a": text}, (label("fee once more", said),), settings=(Setting("fixed", 15),), budget=15
    ).tried
    first = text.index(said)
    assert text.index(said, first + 1) > 0
    assert found.shares[0] > 0.5  # the second place is nearer to the question


def test_short_passages_fill_the_budget_too() -> None:
    words = " ".join(f"clause {n}." for n in range(400))
    asked = (label("clause", "clause 199."),)
    (found,) = sweep({"a": words}, asked, settings=(Setting("sentence", 2),), budget=500).tried
    assert found.shares[0] == 1.0  # the 200th of equals: fifty passages would not have been enough


def test_one_way_alone_is_told_apart_from_nothing() -> None:
    done = sweep({"a": "one two three"}, (label("two", "two three"),), settings=(Setting("fixed", 2),))
    assert done.advice.endswith("nothing was tried beside it")


def test_a_query_of_which_one_quote_stands_nowhere_is_left_out() -> None:
    half = LabelledQuery(id="h", query="two", texts=("two three", "nowhere"), group="h")
    done = sweep({"a": "one two three"}, (half, label("two", "two three")), settings=(Setting("fixed", 2),))
    assert (done.queries, done.lost) == (1, 1)


def test_chonkie_cuts_too(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(
        "\n\n".join(f"Clause {n} is long. {'It goes on. ' * 40}" for n in range(9))
    )
    labels = tuple(label(f"clause {n}", f"Clause {n} is long.") for n in range(9))
    (found,) = chunking(Subject(texts=tmp_path, labelled=labels, embedder=Spread()))
    names = {figure.name for figure in found.figures}
    assert {"chonkie sentence 150", "chonkie recursive 75", "chonkie semantic 300"} <= names
    assert "chonkie recursive 150, overlap 30" not in names


def test_a_way_of_ones_own() -> None:
    def halves(text: str, size: int, overlap: int) -> list[Chunk]:
        middle = len(text) // 2
        return [Chunk(text[:middle], 0, middle), Chunk(text[middle:], middle, len(text))]

    done = sweep(
        {"a": "apples and pears"},
        (label("apples", "apples"),),
        settings=(Setting("mine", 1),),
        forms={"mine": halves},
    )
    assert done.cheapest_alike == done.recommended
    assert done.recommended.chunks == 2
