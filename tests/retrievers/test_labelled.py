from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gapless.errors import InvalidSuite
from gapless.retrievers.labelled import EXAMPLE, read_queries


def write(folder: Path, *lines: Any) -> Path:
    path = folder / "queries.jsonl"
    path.write_text(
        "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines), encoding="utf-8"
    )
    return path


def test_every_form_of_a_label(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"query": "a", "relevant": ["d1", 7], "slice": {"year": 2025}},
        "",
        {"query": "b", "relevant": {"d1": 3}, "group": "g", "id": "own", "filter": {"city": "Bergen"}},
        {"query": "c", "texts": ["word by word"]},
        {"query": "d", "answerable": False},
    )
    first, second, third, fourth = read_queries(path)
    assert (first.relevant, first.slice) == ({"d1": 1, "7": 1}, {"year": "2025"})
    assert (first.id, first.group) == ("queries.jsonl:1", "queries.jsonl:1")
    assert (second.relevant, second.group, second.filter) == ({"d1": 3}, "g", {"city": "Bergen"})
    assert third.texts == ("word by word",)
    assert not fourth.answerable


def test_the_example_in_messages_is_one(tmp_path: Path) -> None:
    assert read_queries(write(tmp_path, EXAMPLE))[0].slice == {"topic": "insurance"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", r"queries\.jsonl:2: no JSON"),
        ("[1]", r"queries\.jsonl:2: an object was expected, got list"),
        (
            {"query": "a", "relevent": ["d"]},
            r"queries\.jsonl:2: unknown key `relevent`\. Did you mean `relevant`\?",
        ),
        ({"query": "a"}, r"queries\.jsonl:2: nothing is relevant to 'a'.*\"answerable\": false"),
        ({"query": "a", "relevant": ["d"], "answerable": False}, "is not answerable, and yet"),
        ({"query": " ", "relevant": ["d"]}, "`query` is empty"),
        ({"query": "a", "relevant": {"d": 0}}, "grade 0 of 'd'; the least is 1"),
        ({"query": "a", "relevant": {"d": 10**400}}, r"queries\.jsonl:2: the grade of 'd' is above 1000"),
        pytest.param(
            '{"query": "a", "relevant": {"d": 1' + "0" * 4400 + "}}",
            r"queries\.jsonl:2: .*out of range",
            id="endless number",
        ),
        ({"query": "a", "relevant": [1, {"x": 1}]}, r"queries\.jsonl:2: `relevant` lists ids.*got dict"),
        ({"query": "a", "relevant": [None]}, r"queries\.jsonl:2: `relevant` lists ids.*got NoneType"),
        ({"query": "a", "relevant": [True]}, r"queries\.jsonl:2: `relevant` lists ids.*got bool"),
        pytest.param(
            '{"query": ' + "[" * 100_000 + "]" * 100_000 + "}",
            r"queries\.jsonl:2: nested too deep",
            id="deep",
        ),
        ({"query": "a", "relevant": "d"}, r"queries\.jsonl:2: Expected `object`"),
        ({"query": 7, "relevant": ["d"]}, r"queries\.jsonl:2: Expected `str`"),
        ({"query": "a", "texts": [""]}, "holds an empty passage"),
        ({"query": "a", "relevant": ["d"], "id": "one"}, "a second query has the id 'one'"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(tmp_path: Path, line: Any, message: str) -> None:
    good = {"query": "fine", "relevant": ["d"], "id": "one"}
    with pytest.raises(InvalidSuite, match=message):
        read_queries(write(tmp_path, good, line))


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    path = write(tmp_path, {"query": "a", "relevant": ["d"]})
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_queries(path)[0].query == "a"


def test_no_file_and_no_query(tmp_path: Path) -> None:
    with pytest.raises(InvalidSuite, match="cannot be read"):
        read_queries(tmp_path / "nowhere.jsonl")
    with pytest.raises(InvalidSuite, match="there is no query in it"):
        read_queries(write(tmp_path, "", " "))
