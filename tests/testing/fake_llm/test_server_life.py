"""Starting, stopping, and leaving nothing behind."""

from __future__ import annotations

import subprocess
import sys
import threading

import httpx
import pytest

from gapless.errors import InvalidSettings, MissingExtra
from gapless.testing.fake_llm import FakeLLM
from gapless.testing.fake_llm.server import is_loopback


def test_it_leaves_no_thread_and_starts_again() -> None:
    before = set(threading.enumerate())
    server = FakeLLM()
    for _ in range(2):
        with server:
            assert server.start() is server
            assert httpx.get(f"{server.url}/health").status_code == 200
        assert set(threading.enumerate()) == before
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/health")
        server.stop()


def test_a_taken_port_is_an_error_that_names_it() -> None:
    with FakeLLM() as server:
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(InvalidSettings, match=f"127.0.0.1:{port} cannot be listened on"):
            FakeLLM(port=port).start()


def test_other_machines_need_a_token() -> None:
    with pytest.raises(InvalidSettings, match="Give a token"):
        FakeLLM(host="0.0.0.0")
    FakeLLM(host="0.0.0.0", token="t")
    assert is_loopback("localhost")
    assert is_loopback("127.3.0.1")
    assert is_loopback("::1")
    assert not is_loopback("example.org")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from gapless.testing.fake_llm import server

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"gapless\[fake-llm\]"):
        server.FakeLLM()


def test_importing_it_loads_no_web_library() -> None:
    probe = "import sys, gapless.testing.fake_llm, gapless.cli.fake_llm; print([m for m in ('starlette', 'uvicorn', 'jinja2', 'yaml', 'numpy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_client_that_hangs_up_is_not_written_to(caplog: pytest.LogCaptureFixture) -> None:
    asked = {"messages": [{"role": "user", "content": "hi"}], "model": "m", "stream": True}
    with FakeLLM({"rules": [{"reply": "word " * 5000}]}) as server:
        with httpx.stream("POST", f"{server.base_url}/chat/completions", json=asked) as answer:
            assert answer.status_code == 200
        assert httpx.get(f"{server.url}/health").status_code == 200
    assert "socket.send() raised exception" not in caplog.text
