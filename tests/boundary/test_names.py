"""Names of several words and of companies: found, and looked up in evidence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.boundary.names import NameEvidence, names, ungrounded_names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "The cap of Acme Ltd. was set by Maria de la Cruz in New York.",
            ["Acme Ltd", "Maria de la Cruz", "New York"],
        ),
        ("Foo, Inc. and Bar S.p.A. met Müller AG", ["Foo, Inc", "Bar S.p.A", "Müller AG"]),
        ("However, Under Delaware law. In March 2026 the Supplier", []),
        ("## Financial Risk Summary\n**Key Terms**: none\nLIMITATION OF LIABILITY\n", []),
        ("ACME HOLDINGS LTD", ["ACME HOLDINGS LTD"]),
        ("Jean-Luc Picard's ship; the Bank of America", ["Jean-Luc Picard's", "Bank of America"]),
        ("we met. Alice", []),
        ("", []),
    ],
)
def test_what_is_found(text: str, expected: list[str]) -> None:
    found = names(text)
    assert [name.text for name in found] == expected
    assert all(text[name.span[0] : name.span[1]] == name.text for name in found)


@pytest.mark.parametrize(
    ("text", "loose"),
    [
        ("Acme Ltd pays", []),
        ("ACME LIMITED pays", []),
        ("Acme GmbH pays", ["Acme GmbH"]),
        ("Acme Holdings pays", ["Acme Holdings"]),
        ("Maria de la Cruz's offer", []),
        ("Supplier Acme pays", []),
        ("Brown Acme pays", ["Brown Acme"]),
        ("the Acme Limited and Maria de la Cruz", []),
        ("the Acme Limited and Joe Doe", ["Acme Limited and Joe Doe"]),
    ],
)
def test_ungrounded_names(text: str, loose: list[str]) -> None:
    evidence = NameEvidence(["The supplier is Acme Limited.", "signed: Maria de la Cruz"])
    assert [name.text for name in ungrounded_names(text, evidence)] == loose


@given(st.text(alphabet="Aa Bé&.,'-\n1", max_size=80))
def test_a_text_grounds_its_own_names(text: str) -> None:
    assert ungrounded_names(text, [text]) == ()
