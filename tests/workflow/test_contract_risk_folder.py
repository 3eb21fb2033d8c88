"""Anybody's contracts: files to text, text to suppliers and sections, and every way in which a folder can be wrong."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from contract_risk import folder, naming, reading
from contract_risk.corpus import TODAY, Corpus, generate, write
from contract_risk.extract import amounts, dates, extract
from contract_risk.understand import understand

from gapless.errors import MissingExtra, UsageError

MARKDOWN = """# Supply Agreement

between Acme Retail Inc ("the Customer") and Müller & Söhne GmbH ("the Supplier"), dated 3 May 2024.

## 1. Volumes
The Customer commits to purchase goods for at least EUR 300,000 in each contract year.

## 2. Payment
Invoices are payable within 60 days of receipt.

## 3. Delay
For late delivery the Supplier owes penalties of at most EUR 40,000 in a contract year.

## 4. Liability
The total liability of the Supplier is limited to EUR 250,000.

## 5. Term
This Agreement renews on 31 March 2028. Notice of non-renewal is due 90 days before it renews.
"""
AMENDMENT = """Amendment No. 1 of 1 February 2026

Supplier: Müller & Söhne GmbH

1. Changes. Section 4 of the Agreement is deleted and replaced by the following: "The total liability of the Supplier is limited to EUR 500,000."
"""


def _facts(found: Corpus, who: str) -> dict[str, object]:
    return extract([passage.item() for passage in found.by_id[who].passages], found.today)["facts"]


def test_what_the_generator_writes_is_read_back_as_it_was_meant(tmp_path: Path) -> None:
    truth = generate()
    write(truth, tmp_path)
    found, notes = folder.corpus(tmp_path, today=TODAY)
    on_file = [supplier for supplier in truth.suppliers if supplier.passages]
    assert {supplier.name for supplier in found.suppliers} == {supplier.name for supplier in on_file}
    for supplier in on_file:
        read = extract([passage.item() for passage in found.by_id[supplier.id].passages], TODAY)
        meant = extract([passage.item() for passage in supplier.passages], TODAY)
        assert read["facts"] == meant["facts"]
    assert notes[0] == f"101 contracts, 57 suppliers, {len(truth.passages)} passages, as of {TODAY}"
    assert notes[1].endswith(" and 49 more")
    questions = folder.questions_about(found)
    assert len(questions.cases) == 57
    assert not any(case.checks or case.golden for case in questions.cases)


def test_an_ordinary_contract_and_its_amendment(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(MARKDOWN, encoding="utf-8")
    (tmp_path / "b.txt").write_text(AMENDMENT, encoding="utf-16")
    found, _ = folder.corpus(tmp_path, today=dt.date(2026, 11, 1))
    (supplier,) = found.suppliers
    assert supplier.name == "Müller & Söhne GmbH"
    facts = {
        "commitment": 300_000,
        "payment_days": 60,
        "penalty": 40_000,
        "cap": 500_000,
        "renewal": "2028-03-31",
        "notice_days": 90,
        "currency": "EUR",
    }
    assert _facts(found, supplier.id) == facts
    before, _ = folder.corpus(tmp_path, today=dt.date(2026, 1, 31))
    assert _facts(before, supplier.id) == facts | {"cap": 250_000}
    assert before.digest != found.digest


def test_a_text_without_headings_is_still_passages(tmp_path: Path) -> None:
    paragraphs = ["Supplier: Corvane Foods BV", "Payment is due within 30 days.", "x. Y " * 2000]
    (tmp_path / "a.txt").write_text("\n\n".join(paragraphs), encoding="utf-8")
    found, _ = folder.corpus(tmp_path)
    assert max(len(passage.text) for passage in found.passages) < 2_000
    assert _facts(found, "corvane-foods-bv") == {"payment_days": 30}
    assert len({passage.id for passage in found.passages}) == len(found.passages)


def test_figures_of_other_peoples_contracts_do_not_mislead() -> None:
    assert amounts("USD 1,250.00, EUR 1.250,50 and $1,500.5 million") == [
        (1250, "USD"),
        (1250, "EUR"),
        (1_500_500_000, "USD"),
    ]
    assert dates("2023-99-99, 30.02.2020 and 1 May 2020") == [dt.date(2020, 5, 1)]


@pytest.mark.parametrize(
    ("text", "path", "name"),
    [
        (
            'by and between Acme Inc ("Buyer") and Harlow Metals Ltd (the "Supplier")',
            "1.txt",
            "Harlow Metals Ltd",
        ),
        ("SUPPLY AGREEMENT BETWEEN TARN PRINT LTD AND ACME INC", "1.txt", "TARN PRINT LTD"),
        ("**Vendor:** Kestrel Systems, Inc., a Delaware corporation", "1.txt", "Kestrel Systems, Inc."),
        (
            "DISCLOSURE WOULD HARM THE COMPANY\nCO-BRANDING AGREEMENT of On2 Networks, L.L.C.",
            "1.txt",
            "On2 Networks, L.L.C.",
        ),
        ("Exhibit 10.5 Ferrer Internacional, S.A. and others", "1.txt", "Ferrer Internacional, S.A."),
        ("Supplier: the bakery on the corner", "1.txt", "the bakery on the corner"),
        ("Ordinary text of nobody.", "harlow-metals_contract_v2.txt", "Harlow Metals"),
        ("Ordinary text of nobody.", "Corvane Foods/agreement-1.txt", "Corvane Foods"),
        ("We buy paper from Old Mill every year.", "contract1.txt", "Old Mill"),
        ("Ordinary text of nobody.", "contract1.txt", "contract1"),
    ],
)
def test_whose_contract_it_is(text: str, path: str, name: str) -> None:
    asked = ["Summarize the financial risk of supplier Old Mill."]
    assert naming.supplier(text, Path(path), asked) == name


def test_every_name_is_found_again_in_its_question(tmp_path: Path) -> None:
    names = (
        "Ferrer Internacional, S.A.",
        "Kubient, Inc.",
        "Müller & Söhne GmbH",
        "E.PIPHANY, INC.",
        "3M Company",
        "東京 Ltd",
    )
    for at, name in enumerate(names):
        (tmp_path / f"{at}.txt").write_text(f"Supplier: {name}", encoding="utf-8")
    found, _ = folder.corpus(tmp_path)
    register = {supplier.id: supplier.name for supplier in found.suppliers}
    assert set(register.values()) == set(names)
    for case in folder.questions_about(found).cases:
        assert understand(case.input["question"], register)["supplier"] == case.id


def test_a_folder_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: is no folder"):
        reading.read(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="holds no contract"):
        reading.read(tmp_path)
    file = tmp_path / "a.txt"
    file.write_bytes("Supplier: Müller".encode("cp1252"))
    with pytest.raises(UsageError, match=r"a\.txt: is not UTF-8 \(byte 11: b'\\xfc'\).*iconv"):
        reading.read(tmp_path)
    file.write_bytes(b"a\x00b")
    with pytest.raises(UsageError, match="zero bytes"):
        reading.read(tmp_path)
    file.write_bytes(b"a" * (reading.MAX_BYTES + 1))
    with pytest.raises(UsageError, match=r"5\.0 MB, allowed are 5"):
        reading.read(tmp_path)


def test_what_is_no_contract_is_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdf", None)
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.4")
    with pytest.raises(MissingExtra, match="pip install pypdf"):
        reading.read(tmp_path)
    (tmp_path / "a.txt").write_text("Supplier: Someone", encoding="utf-8")
    (tmp_path / "blank.txt").write_text(" \n", encoding="utf-8")
    (tmp_path / "README.md").write_text("about these files", encoding="utf-8")
    (tmp_path / ".hidden.txt").write_text("x", encoding="utf-8")
    (tmp_path / "inputs.jsonl").write_text("{}", encoding="utf-8")
    files, notes = reading.read(tmp_path)
    assert [str(file.path) for file in files] == ["a.txt"]
    assert [note.split(".")[0] for note in notes] == ["left out: scan", "left out: blank"]


def test_pdf_files_are_read_where_a_library_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = SimpleNamespace(extract_text=lambda: "Supplier: Tarn Print Ltd")
    library, trouble = ModuleType("pypdf"), ModuleType("pypdf.errors")
    library.PdfReader = lambda path: SimpleNamespace(pages=[page])  # type: ignore[attr-defined]
    trouble.PyPdfError = ValueError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pypdf", library)
    monkeypatch.setitem(sys.modules, "pypdf.errors", trouble)
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4")
    found, _ = folder.corpus(tmp_path)
    assert [supplier.name for supplier in found.suppliers] == ["Tarn Print Ltd"]
