"""The sixteen categories of financial risk that are asked about, and how such a clause is usually worded.

The wordings are made up from general knowledge of contracts, not taken from labelled clauses: a search for text finds
more with the words of such a clause than with a lawyer's question about it.
"""

from __future__ import annotations

CATEGORIES: dict[str, str] = {
    "Cap On Liability": (
        "In no event shall either party's total aggregate liability under this agreement exceed the fees "
        "paid in the preceding twelve months, nor shall either party be liable for indirect, "
        "consequential or punitive damages."
    ),
    "Uncapped Liability": (
        "The limitations of liability set forth above shall not apply to breach of confidentiality, "
        "indemnification obligations, gross negligence or willful misconduct."
    ),
    "Liquidated Damages": (
        "The parties agree that such amount is payable as liquidated damages and not as a penalty if the "
        "agreement is terminated early or performance is late."
    ),
    "Minimum Commitment": (
        "The buyer shall purchase a minimum quantity of products in each contract year, and shall pay "
        "the shortfall if it fails to meet the minimum order."
    ),
    "Termination For Convenience": (
        "Either party may terminate this agreement at any time without cause upon thirty days' prior "
        "written notice to the other party."
    ),
    "Audit Rights": (
        "Upon reasonable notice, each party may audit and inspect the books, records and facilities of "
        "the other party to verify compliance with this agreement."
    ),
    "Insurance": (
        "The supplier shall maintain commercial general liability insurance with coverage of at least "
        "one million dollars per occurrence and name the buyer as additional insured."
    ),
    "Warranty Duration": (
        "The seller warrants that the products will be free from defects in materials and workmanship "
        "for a period of twelve months from the date of delivery."
    ),
    "Revenue/Profit Sharing": (
        "The company shall pay the other party a royalty or commission equal to a percentage of the net "
        "revenue or profit received."
    ),
    "Price Restrictions": (
        "The supplier shall not increase the prices by more than a fixed percentage per year, and prices "
        "shall remain firm during the term."
    ),
    "Change Of Control": (
        "A party may terminate this agreement if the other party undergoes a change of control, merger, "
        "or sale of all or substantially all of its assets or stock."
    ),
    "Anti-Assignment": (
        "Neither party may assign or transfer this agreement or any rights hereunder without the prior "
        "written consent of the other party."
    ),
    "Exclusivity": (
        "The company appoints the distributor as its sole and exclusive distributor in the territory, "
        "and shall not sell to or appoint any other distributor; the buyer shall purchase its "
        "requirements exclusively from the supplier."
    ),
    "Most Favored Nation": (
        "If the supplier offers lower prices or more favorable terms to any other customer, it shall "
        "offer the same prices and terms to the buyer."
    ),
    "Volume Restriction": (
        "The supplier shall not be obligated to deliver more than a maximum quantity; additional fees "
        "apply if usage exceeds the stated volume."
    ),
    "Third Party Beneficiary": (
        "Nothing in this agreement shall confer any rights on any person other than the parties, except "
        "that the affiliates are intended third party beneficiaries entitled to enforce it."
    ),
}
"""Category, as its column in master_clauses.jsonl is named -> a clause of that kind."""
