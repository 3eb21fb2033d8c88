"""`gapless fake-llm` as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import openai
import pytest


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "gapless", "fake-llm", "--port", "0", "--json", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["base_url"]
        finally:
            process.kill()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gapless", "fake-llm", *arguments], capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_serves_until_a_signal(tmp_path: Path, number: signal.Signals, code: int) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("- when: {user: hi}\n  reply: hello\n")
    with serving(str(script), "--seed", "1", "--ttft-ms", "1", "--token-ms", "1") as (process, base_url):
        with openai.OpenAI(base_url=base_url, api_key="k", max_retries=0) as client:
            done = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        assert done.choices[0].message.content == "hello"
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert process.returncode == code
        assert out == "", "stdout is data: one line, and it was read"
        assert f"export OPENAI_BASE_URL={base_url} OPENAI_API_KEY=fake" in err
        assert f"export ANTHROPIC_BASE_URL={base_url.removesuffix('/v1')} ANTHROPIC_API_KEY=fake" in err
        assert "fake-llm: 1 request." in err


def test_flags_change_the_script() -> None:
    with serving("--fault", "503=1", "--strict", "--label-faults", "--token", "s3cret") as (
        process,
        base_url,
    ):
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        url = f"{base_url}/chat/completions"
        assert httpx.post(url, json=body).status_code == 401
        answer = httpx.post(url, json=body, headers={"authorization": "Bearer s3cret"})
        assert (answer.status_code, answer.headers["x-gapless-fault"]) == (503, "503")
        process.terminate()
        _, err = process.communicate(timeout=20)
        assert "s3cret" not in err
        assert "503 x 1" in err


def test_what_is_wrong_is_said_and_exits_2(tmp_path: Path) -> None:
    script = tmp_path / "typo.yaml"
    script.write_text("rules:\n  - wehn: {}\n    reply: x\n")
    for arguments, said in (
        ((str(script),), "typo.yaml, rule 0: unknown key 'wehn'. Did you mean 'when'?"),
        (("--fault", "503"), "is not NAME=RATE"),
        (("--fault", "teapot=1"), "unknown fault 'teapot'"),
        (("--host", "0.0.0.0"), "Give a token"),
    ):
        done = run(*arguments)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
        assert done.stdout == ""
