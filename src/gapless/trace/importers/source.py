"""A file on its way in: numbered lines, gzip told by content and not by name, never whole in memory."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from gapless.errors import ImporterError

_LONGEST = 256 * 1024 * 1024
_SAID = 500
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


class Source:
    """Lines of one file or of standard input.

    Args:
        stream: Open for reading bytes.
        name: As the user named it.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.name = name
        buffered = io.BufferedReader(cast("io.RawIOBase", stream)) if not hasattr(stream, "peek") else stream
        self._stream = cast("io.BufferedReader", buffered)
        self._number = 0
        self._head: bytes | None = None
        with self._told():
            if self._stream.peek(2)[:2] == _GZIP:
                self._stream = cast("io.BufferedReader", gzip.GzipFile(fileobj=self._stream, mode="rb"))

    def head(self) -> bytes | None:
        """The first line that is not blank, without reading past it; None of an empty file."""
        while self._head is None:
            line = self._next()
            if line is None:
                return None
            self._head = line.strip() or None
        return self._head

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Every line that is not blank, with its number counted from 1.

        Raises:
            ImporterError: It cannot be read on.
        """
        line = self.head()
        while line is not None:
            if line := line.strip():
                yield self._number, line
            line = self._next()

    def rest(self) -> bytes:
        """Everything from the first line that is not blank, for formats that are one JSON value.

        Raises:
            ImporterError: It cannot be read on.
        """
        head = self.head() or b""
        with self._told():
            return head + b"\n" + self._stream.read()

    def wrong(self, what: str, line: int | None = None) -> ImporterError:
        """The error that says where, what, and that nothing was taken in."""
        at = f", line {self._number if line is None else line}"
        what = "".join(
            c if c.isprintable() else "\ufffd" for c in what
        )  # it quotes a file that anybody may have written
        what = what if len(what) <= _SAID else f"{what[:_SAID]}..."
        return ImporterError(
            f"{self.name}{at}: {what}. Nothing was ingested; mend it, then ingest the whole file again.",
            line=self._number if line is None else line,
        )

    def _next(self) -> bytes | None:
        self._number += 1
        with self._told():
            line = self._stream.readline(_LONGEST + 1)
        if len(line) > _LONGEST:
            raise self.wrong(f"longer than {_LONGEST // 1024**2} MiB")
        if self._number == 1:
            line = line.removeprefix(_BOM)
        return line or None

    def _told(self) -> _Told:
        return _Told(self)


class _Told:
    """Turns errors of reading into sentences."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, EOFError):
            raise self._source.wrong("the gzip data ends early; the file was cut off") from error
        if isinstance(error, (zlib.error, gzip.BadGzipFile)):
            raise self._source.wrong(f"the gzip data is damaged ({error})") from error
        if isinstance(error, OSError):
            raise self._source.wrong(f"cannot be read ({error.strerror or error})") from error
