"""Files of a folder of contracts as text: one contract per file; what cannot be read is refused or left out, and said."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contract_risk.model.chat import MissingPackage
from gapless.errors import UsageError

MAX_BYTES = 5_000_000
"""A contract of a thousand pages has about half as much."""
MAX_FILES = 5_000
TEXTS = (".txt", ".md")
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True, slots=True)
class Written:
    """One file that was read."""

    path: Path
    """Inside the folder."""
    text: str
    indexed_at: float
    """When the file was last changed, Unix time in seconds."""


def read(folder: Path) -> tuple[list[Written], list[str]]:
    """The contracts of a folder and of its subfolders, and what was left out.

    Raises:
        UsageError: The folder holds no contract, or one of its files cannot be read.
        MissingExtra: It holds nothing but PDF files, and no library to read them is installed.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: is no folder. Name one with a contract per file ({', '.join(TEXTS)}).")
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not _hidden(path, folder)]
    texts = [path for path in paths if path.suffix.lower() in TEXTS]
    pdfs = [path for path in paths if path.suffix.lower() == ".pdf"]
    if len(texts) + len(pdfs) > MAX_FILES:
        raise UsageError(f"{folder}: holds {len(texts) + len(pdfs)} contracts, allowed are {MAX_FILES}.")
    pdf_text = _pdf_reader() if pdfs else None
    if pdfs and pdf_text is None and not texts:
        raise MissingPackage(f"{folder}: holds nothing but PDF files; to read them, the demo", "pypdf")
    found = [_written(path, folder, _plain_text) for path in texts]
    notes: list[str] = []
    if pdf_text is not None:
        found += [_written(path, folder, pdf_text) for path in pdfs]
    elif pdfs:
        notes.append(
            f"left out: {_names(pdfs)}. PDF files are read when pypdf is installed: pip install pypdf"
        )
    empty = [one.path for one in found if not one.text.strip()]
    if empty:
        notes.append(f"left out: {_names(empty)}. No text in it (a scan, perhaps).")
    found = [one for one in found if one.text.strip()]
    if not found:
        raise UsageError(
            f"{folder}: holds no contract with text in it. Put one contract into each file ({', '.join(TEXTS)})."
        )
    return sorted(found, key=lambda one: one.path), notes


def _hidden(path: Path, folder: Path) -> bool:
    inside = path.relative_to(folder)
    return any(part.startswith(".") for part in inside.parts) or inside.stem.lower() == "readme"


def _names(paths: list[Path]) -> str:
    shown = ", ".join(path.name for path in paths[:3])
    return shown if len(paths) <= 3 else f"{shown} and {len(paths) - 3} more"


def _written(path: Path, folder: Path, text_of: Callable[[Path], str]) -> Written:
    try:
        facts = path.stat()
        if facts.st_size > MAX_BYTES:
            raise UsageError(
                f"{path}: has {facts.st_size / 1e6:.1f} MB, allowed are {MAX_BYTES / 1e6:g}. One contract per file: split it."
            )
        text = text_of(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}.") from error
    return Written(path.relative_to(folder), text, facts.st_mtime)


def _plain_text(path: Path) -> str:
    raw = path.read_bytes()
    encoding = next((name for bom, name in _BOMS.items() if raw.startswith(bom)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path}: is not {encoding.removesuffix('-sig').upper()} (byte {error.start}: {raw[error.start : error.start + 1]!r}). Save it as UTF-8, "
            f"for example: iconv -f WINDOWS-1252 -t UTF-8 {path.name}"
        ) from error
    if "\x00" in text:
        raise UsageError(f"{path}: is no text (it holds zero bytes). Save it as UTF-8 text.")
    return text


def _pdf_reader() -> Callable[[Path], str] | None:
    try:
        from pypdf import PdfReader  # pyright: ignore[reportMissingImports]
        from pypdf.errors import PyPdfError  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None

    def text_of(path: Path) -> str:
        try:
            return "\n\n".join(page.extract_text() for page in PdfReader(path).pages)
        except PyPdfError as error:
            raise UsageError(f"{path}: is no PDF file that pypdf can read: {error}.") from error

    return text_of
