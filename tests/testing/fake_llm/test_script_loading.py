"""Scripts from files and dicts, and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gapless.errors import InvalidSettings
from gapless.testing.fake_llm import Fault, Latency, Reply, Rule, Script, When, load_script, parse_script
from gapless.testing.fake_llm.loading import to_script

YAML = """
seed: 3
faults: {429: 0.1, timeout: {rate: 0.2, ms: 50}}
latency: {ttft_ms: {lognormal: {median: 200, sigma: 0.5}}, inter_token_ms: 5}
rules:
  - when: {user: hi}
    reply: hello
  - fault: 503
    times: 1
"""


def test_shorthands_and_formats(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(YAML)
    script = load_script(file)
    assert script.rules == (
        Rule(when=When(user="hi"), reply=Reply(text="hello")),
        Rule(fault="503", times=1),
    )
    assert script.faults == {"429": Fault(rate=0.1), "timeout": Fault(rate=0.2, ms=50)}
    assert script.latency.inter_token_ms == 5
    as_json = tmp_path / "s.json"
    as_json.write_text('[{"when": {"user": "hi"}, "reply": {"json": {"a": 1}}}]')
    assert load_script(str(as_json)).rules[0].reply == Reply(json={"a": 1})
    as_python = tmp_path / "s.py"
    as_python.write_text('script = {"rules": [{"reply": word} for word in ("a", "b")]}')
    assert len(load_script(as_python).rules) == 2


def test_python_objects_are_scripts() -> None:
    rule = Rule(reply=Reply(text="x"), fault="empty")
    assert to_script([rule]) == Script(rules=(rule,))
    assert to_script(Script(rules=(rule,))).rules == (rule,)
    assert to_script(None) == Script()
    assert to_script({"rules": [rule]}).rules == (rule,)


RULE: dict[str, Any] = {"reply": "x"}
WRONG: list[tuple[Any, tuple[str, ...]]] = [
    ({"ruls": []}, ("unknown key 'ruls'", "Did you mean 'rules'")),
    ({"rules": [RULE, {"name": "b", "wen": {}}]}, ("rule 1 (b)", "'wen'", "Did you mean 'when'", "Allowed: reply")),
    ({"rules": [{"when": {"usr": "x"}, "reply": "y"}]}, ("rule 0, when", "'usr'", "Did you mean 'user'")),
    ({"rules": [{"reply": {"tool_calls": [{"nmae": "t"}]}}]}, ("tool call 0", "'nmae'", "Did you mean 'name'")),
    ({"rules": [{"when": {"turn": "first"}, "reply": "x"}]}, ("rules[0].when.turn", "int")),
    ({"rules": [{"when": {"user_regex": "("}, "reply": "x"}]}, ("rule 0", "user_regex", "no regular expression")),
    ({"rules": [{"reply": "{{ usr }}"}]}, ("unknown name 'usr'", "Did you mean 'user'")),
    ({"rules": [{"reply": "{{ user"}]}, ("template", "line 1")),
    ({"rules": [{"when": {}}]}, ("rule 0: has no reply",)),
    ({"rules": [{"reply": {}}]}, ("reply is empty",)),
    ({"rules": [{"reply": {"text": "a", "refusal": "b"}}]}, ("text and refusal",)),
    ({"rules": [{"reply": "a", "times": 0}]}, ("times is 0",)),
    ({"rules": [{"reply": {"text": "a", "logprob": 0.5}}]}, ("logprob is 0.5",)),
    ({"rules": [{"reply": "a", "fault": "mepty"}]}, ("rule 0, fault: unknown value 'mepty'", "Did you mean 'empty'")),
    ({"faults": {"timeuot": 0.1}}, ("unknown fault 'timeuot'", "Did you mean 'timeout'")),
    ({"faults": {"500": 0.7, "503": 0.7}}, ("add up to 1.4",)),
    ({"faults": {"500": -1}}, ("rate is -1",)),
    ({"faults": {"500": {"rat": 1}}}, ("'rat'", "Did you mean 'rate'")),
    ({"latency": {"ttft_ms": -1}}, ("ttft_ms is -1",)),
    ({"latency": {"ttft_ms": {"uniform": [3, 1]}}}, ("smallest, largest",)),
    ({"latency": {"ttft_ms": {"uniform": [1, 3], "lognormal": {"median": 1, "sigma": 1}}}}, ("exactly one",)),
    ({"latency": {"ttft_ms": {"normal": 1}}}, ("unknown key 'normal'",)),
    ("text", ("a list of rules", "got str")),
]  # fmt: skip


@pytest.mark.parametrize(("data", "said"), WRONG, ids=[words[0] for _, words in WRONG])
def test_a_wrong_script_is_refused_by_place_and_value(data: Any, said: tuple[str, ...]) -> None:
    with pytest.raises(InvalidSettings) as caught:
        parse_script(data, "my.yaml")
    assert str(caught.value).startswith("my.yaml")
    for words in said:
        assert words in str(caught.value)


def test_a_wrong_python_object_is_refused_too() -> None:
    with pytest.raises(InvalidSettings, match="ttft_ms"):
        to_script(Script(latency=Latency(ttft_ms=-1)))


@pytest.mark.parametrize("name", ["no.yaml", "broken.yaml", "broken.json", "empty.py", "binary.yaml"])
def test_an_unreadable_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "broken.yaml").write_text("rules: [")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidSettings, match=name):
        load_script(tmp_path / name)


def test_the_scripts_of_the_guide_are_scripts(tmp_path: Path) -> None:
    page = Path(__file__).parents[3] / "docs/how-to/fake-llm.md"
    blocks = [block for block in page.read_text().split("\n\n") if block.startswith("    ")]
    scripts = [block for block in blocks if block.split()[0] in ("rules:", "seed:", "latency:")]
    assert len(scripts) == 3
    for number, block in enumerate(scripts):
        file = tmp_path / f"{number}.yaml"
        file.write_text("\n".join(line.removeprefix("    ") for line in block.splitlines()))
        script = load_script(file)
    assert (script.latency.slots, script.context, script.cut_prompts) == (2, 2000, True)
