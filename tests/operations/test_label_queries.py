"""`gapless label --queries`: from texts to labels that a person has seen, in a real terminal, with a model and without."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gapless.cli import label_queries
from gapless.cli.main import cli
from gapless.errors import EndpointError, UsageError
from gapless.operations.label_queries import LabelQueriesAsk, model_named, propose_into
from gapless.retrievers.labelled import read_queries
from gapless.retrievers.labelling.draft import Draft
from gapless.settings import ModelSettings, locate
from gapless.testing.fake_llm import FakeLLM

THINGS = "crane ferry forge kiln loom mill press quarry".split()
CITIES = "Bergen Cadiz Dover Essen Faro Genoa Hamburg Izmir".split()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "contracts"
    folder.mkdir()
    for thing, city in zip(THINGS, CITIES, strict=True):
        clause = f"The {thing} insurance premium in {city} harbour is paid by the buyer {len(city)} days after delivery."
        (folder / f"{city}.txt").write_text(
            f"Contract of {city}.\n\n{clause} All parties act in good faith.\n"
        )


def label(*said: str, typed: str = "") -> Any:
    return CliRunner().invoke(cli, ["label", "--queries", "contracts", *said], input=typed)


def test_all_taken_unseen_are_marked_and_the_checkup_warns() -> None:
    done = label("--count", "6", "--unanswerable", "2", "--accept-all", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["sources"] == {"unreviewed": 8}
    assert (told["unanswerable"], told["lexical"], told["waiting"]) == (2, 8, 0)
    made = read_queries(Path("queries.jsonl"))
    assert {one.source for one in made} == {"unreviewed"}
    assert len({one.document for one in made if one.answerable}) == 6
    found = checkup()
    assert found["query-labels"]["status"] == "warn"
    assert "8 of 8 labels were seen by nobody" in found["query-labels"]["said"]
    assert found["retrieval-quality"]["status"] in ("ok", "warn")
    assert "(word search, 6 queries" in found["chunking"]["said"]


def checkup() -> dict[str, Any]:
    args = [
        "checkup",
        "context",
        "--queries",
        "queries.jsonl",
        "--chunking",
        "contracts",
        "--json",
        "--quiet",
    ]
    done = CliRunner().invoke(cli, [*args, "--no-budget"])
    return {one["probe"]: one for one in json.loads(done.stdout)["findings"]}


def test_a_dialogue_accepts_edits_rejects_and_goes_on_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_queries, "at_a_terminal", lambda aside: True)
    said = ("--count", "5", "--unanswerable", "1", "--as", "maria")
    typed = "a\ne\nwho pays there\nnot in it\n\nr\ntoo vague\ns\nq\n"
    done = label(*said, typed=typed)
    assert done.exit_code == 0, done.output
    assert ">>>" in done.stdout
    assert "[q]uit, then Enter" in done.stdout
    assert "why (may be empty)" in done.stdout
    assert "nearest elsewhere" in done.stdout
    assert "2 reviewed" in done.stdout
    assert "1 rejected, 3 wait" in done.stdout
    again = label(*said, typed="a\na\na\na\na\na\na\n")
    assert "7 labelled" not in again.stdout
    assert "6 labelled queries (6 reviewed), 1 of them unanswerable; 1 rejected, 0 wait" in again.stdout
    made = read_queries(Path("queries.jsonl"))
    assert sum(one.query == "who pays there" and one.edited for one in made) == 1
    assert {one.reviewer for one in made} == {"maria"}
    assert checkup()["query-labels"]["status"] in ("ok", "warn")


def test_texts_that_change_bring_their_labels_back() -> None:
    said = ("--count", "4", "--unanswerable", "1", "--accept-all", "--json")
    label(*said)
    draft = Draft(Path("queries.jsonl"))
    for one in draft.waiting():
        draft.accept(one.key, "maria")
    first, second = [one for one in draft.queries if one.answerable][:2]
    for one, new in ((first, f"{first.texts[0]} Not so."), (second, "It was dropped.")):
        file = Path("contracts") / one.document
        file.write_text(file.read_text().replace(one.texts[0], new))
    found = checkup()["query-labels"]
    assert found["status"] == "fail"
    assert "what 3 of " in found["said"]  # and what nothing answered, now perhaps
    told = json.loads(label(*said).stdout)
    assert (told["renewed"], told["gone"]) == (2, 1)
    assert told["sources"] == {"unreviewed": 3, "reviewed": 2}
    assert "have changed since" not in checkup()["query-labels"]["said"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ((), "this is no terminal"),
        (("--queries", "nofolder"), "nofolder: there is no such folder"),
        (("--accept-all", "--out", "contracts/Dover.txt/labels.jsonl"), "cannot be written"),
        (("--accept-all", "--model", "m"), "at which address"),
        (("--accept-all", "--model", "openai:m"), "Write openai's: URL#m"),
        (("--accept-all", "--model", "ftp://x#m"), "is no http one"),
        (("--accept-all", "--model", "m", "--extractive"), "leave out one of the two"),
        (("--accept-all", "--correct"), "--queries goes with"),
    ],
)
def test_what_cannot_be_done_is_said_first(said: tuple[str, ...], why: str) -> None:
    done = label(*said)
    assert isinstance(done.exception, UsageError)
    assert why in str(done.exception)
    assert not list(Path().glob("queries*"))


def test_its_options_go_with_it_alone() -> None:
    done = CliRunner().invoke(cli, ["label", "c7#0", "--accept-all"])
    assert "--accept-all goes with --queries FOLDER" in str(done.exception)


def scripted(**faults: Any) -> dict[str, Any]:
    """A model that asks about cities in its own words; in Dover it makes a quote up, Essen it takes for Faro's too."""
    quote = r"The \w+ insurance premium in (?P<city>\w+) harbour is paid"
    return {
        "rules": [
            {"when": {"user_regex": r"Question: [^\n]*Essen"}, "reply": {"json": {"answered_by": [1]}}},
            {"when": {"user": "Question:"}, "reply": {"json": {"answered_by": []}}},
            {
                "when": {"system": "nothing to find"},
                "reply": {"json": {"question": "How tall is the lighthouse?"}},
            },
            {
                "when": {"user": "Dover"},
                "reply": {"json": {"question": "Where?", "quote": "in the old town of Dover"}},
            },
            {
                "when": {"user_regex": quote},
                "reply": {
                    "text": '```json\n{"question": "Who bears the cost of cover in {{ city }}?",'
                    ' "quote": "premium in {{ city }} HARBOUR is paid by the buyer"}\n```'
                },
            },
        ],
        **faults,
    }


async def propose(server: FakeLLM, count: int = 8, none: int = 1) -> tuple[Draft, Any]:
    draft = Draft(Path("queries.jsonl"))
    model = ModelSettings(url=server.base_url, model="asker", max_retries=0, timeout_s=10)
    ask = LabelQueriesAsk(folder=Path("contracts"), count=count, unanswerable=none, model=model)
    return draft, await propose_into(draft, ask)


async def test_a_model_proposes_and_what_names_no_passage_is_dropped() -> None:
    with FakeLLM(scripted()) as server:
        draft, done = await propose(server)
        asked = len(server.requests)
        assert server.unmatched == 0
        await propose(server)  # nothing is asked twice: every passage was looked at
        assert len(server.requests) == asked
    made = {one.query.document: one for one in draft.waiting() if one.query is not None}
    assert set(made) == {"", *(f"{city}.txt" for city in CITIES if city not in ("Dover", "Essen"))}
    faro = made["Faro.txt"].query
    assert faro is not None
    assert faro.query == "Who bears the cost of cover in Faro?"
    assert faro.texts == ("premium in Faro harbour is paid by the buyer",)
    assert (faro.source, faro.model, faro.lexical) == ("proposed", "asker", False)
    assert done.dropped == {
        "the model quoted what does not stand in the passage": 1,
        "another passage answers the question": 1,
    }
    assert done.short == 2


async def test_passages_that_gave_no_question_are_asked_again_of_somebody_else() -> None:
    with FakeLLM({"rules": [{"reply": "prose"}]}) as server:
        await propose(server, count=4, none=0)
        _, again = await propose(server, count=8, none=0)
        asked = len(server.requests)
    assert asked == 8
    assert (again.fresh, again.short, again.before) == (0, 8, 8)
    with FakeLLM(scripted()) as server:
        draft, done = await propose(server, count=4, none=0)
    assert (done.fresh, done.short, done.before) == (4, 0, 0)
    assert len([one for one in draft.waiting() if one.query is not None]) == 4
    with FakeLLM({"rules": [{"reply": "prose"}]}) as server:
        url = server.base_url
    with pytest.raises(EndpointError):  # dead now, and not taken for one that had nothing to say
        await propose_into(
            draft,
            LabelQueriesAsk(
                folder=Path("contracts"),
                model=ModelSettings(url=url, model="asker", max_retries=0, timeout_s=10),
            ),
        )


def test_the_passages_own_words_are_tried_where_a_model_gave_nothing() -> None:
    with FakeLLM({"rules": [{"reply": "prose"}]}) as server:
        none = label(
            "--count", "4", "--unanswerable", "0", "--accept-all", "--model", f"{server.base_url}#m", "--json"
        )
    assert json.loads(none.stdout)["short"] == 4
    told = label("--count", "4", "--unanswerable", "0", "--extractive", "--accept-all", "--json")
    assert json.loads(told.stdout)["lexical"] == 4


def test_where_nothing_is_left_to_ask_about_it_says_why() -> None:
    for file in Path("contracts").glob("*.txt"):
        file.write_text("The same words stand in every one of these contracts, and no name at all.\n")
    said = ("--count", "3", "--unanswerable", "0", "--accept-all")
    done = label(*said)
    assert "3 fewer than asked for: no further passage gave one" in done.output
    assert (done.exit_code, "No label was made: no passage" in done.stderr) == (1, True)
    assert "0 labelled queries (none yet)" in done.stdout
    assert label("--count", "0", "--unanswerable", "0", "--accept-all").exit_code == 0
    again = label(*said).output
    assert "left out, for their own words gave no question before: --model NAME tries again" in again


async def test_a_model_that_fails_keeps_what_it_had_said() -> None:
    with FakeLLM({"rules": [{"fault": 500}]}) as server, pytest.raises(EndpointError, match="500"):
        await propose(server)
    with FakeLLM({"rules": [{"reply": "prose"}]}) as server:
        _, done = await propose(server, none=0)
    assert done.dropped == {"the model's answer could not be read": 8}


def test_which_model() -> None:
    Path("gapless.toml").write_text('[checkup.model]\nurl = "http://127.0.0.1:1/v1"\nmodel = "m"\n')
    place = locate()
    assert (model_named(None, place) or ModelSettings()).model == "m"
    assert (model_named("other", place) or ModelSettings()).url == "http://127.0.0.1:1/v1"
    assert (model_named("http://127.0.0.1:2/v1#x", place) or ModelSettings()).url == "http://127.0.0.1:2/v1"


class Terminal:
    """`gapless label` in a terminal of its own."""

    def __init__(self, *said: str) -> None:
        self._near, far = pty.openpty()
        command = [sys.executable, "-m", "gapless", "label", "--queries", "contracts", "--as", "maria", *said]
        self.process = subprocess.Popen(
            command, stdin=far, stdout=far, stderr=far, close_fds=True, start_new_session=True
        )
        os.close(far)
        self.seen = ""

    def until(self, words: str, times: int = 1) -> None:
        """Reads until words have come up so often."""
        limit = time.monotonic() + 60
        while len(re.findall(re.escape(words), self.seen)) < times:
            assert time.monotonic() < limit, self.seen
            if select.select([self._near], [], [], 1)[0]:
                try:
                    self.seen += os.read(self._near, 4096).decode(errors="replace")
                except OSError:  # the other side is closed
                    assert words in self.seen, self.seen
                    return

    def type(self, text: str) -> None:
        os.write(self._near, text.encode())

    def interrupt(self) -> None:
        """Ctrl-C, and again where nothing comes of it: one that falls between readline's look and its wait is not seen."""
        for _ in range(10):
            os.killpg(self.process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
                return

    def end(self) -> int:
        code = self.process.wait(60)
        os.close(self._near)
        return code


def test_in_a_terminal_ctrl_c_keeps_what_was_decided() -> None:
    terminal = Terminal("--count", "3", "--unanswerable", "0")
    terminal.until("1 of 3")
    terminal.until("[q]uit")
    terminal.type("a\n")
    terminal.until("2 of 3")
    terminal.until("[q]uit", 2)
    terminal.interrupt()
    assert terminal.end() == 130
    (label,) = read_queries(Path("queries.jsonl"))
    assert (label.source, label.reviewer) == ("reviewed", "maria")
    again = Terminal("--count", "3", "--unanswerable", "0")
    again.until("1 of 2")
    again.until("[q]uit")
    again.type("q\n")
    again.until("Go on with the same command")
    assert again.end() == 0
