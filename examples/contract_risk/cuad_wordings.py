"""More ways in which a clause of each category is worded, and words that it seldom does without.

From general knowledge of contracts, like the wordings in `cuad_categories`; nobody looked at a labelled clause for them.
"""

from __future__ import annotations

WORDINGS: dict[str, tuple[str, ...]] = {
    "Cap On Liability": (
        "The maximum liability of either party arising out of or in connection with this agreement shall not exceed the purchase price.",
        "Neither party shall be liable for any special, incidental, indirect or consequential damages or lost profits.",
        "Any claim must be brought within one year; the sole and exclusive remedy is repair, replacement or refund.",
    ),
    "Uncapped Liability": (
        "Except for indemnification obligations and breach of confidentiality, in no event shall a party be liable for consequential damages.",
        "Nothing in this agreement limits or excludes liability for death or personal injury, fraud, gross negligence or wilful misconduct.",
        "The foregoing limitation does not apply to third party claims or infringement of intellectual property.",
    ),
    "Liquidated Damages": (
        "As liquidated damages and not as a penalty, the supplier shall pay a percentage of the price for each day or week of delay.",
        "Upon termination the company shall pay a termination fee or early termination charge.",
        "A late delivery charge or credit equal to a percentage of the value of the delayed products becomes due.",
    ),
    "Minimum Commitment": (
        "Distributor agrees to purchase no less than the minimum quantities set forth in the exhibit during each year of the term.",
        "Minimum annual purchase requirement, minimum order quantity, minimum purchase commitment, take or pay.",
        "Each purchase order shall be for at least the minimum number of units or the minimum dollar amount; minimum monthly fee.",
    ),
    "Termination For Convenience": (
        "May terminate this agreement for any reason or no reason by giving ninety days written notice.",
        "Either party may terminate without cause and without penalty upon prior written notice of sixty days.",
        "Customer shall have the right to terminate at its convenience, in its sole discretion, at any time.",
    ),
    "Audit Rights": (
        "Shall keep complete and accurate records and books of account, which may be examined by an independent accountant during normal business hours.",
        "Shall have the right to inspect the manufacturing facility and review quality records upon reasonable notice.",
        "If the audit discloses an underpayment of more than five percent, the cost of the audit shall be borne by the audited party.",
    ),
    "Insurance": (
        "Shall obtain and maintain at its own expense product liability insurance with limits of not less than, and furnish a certificate of insurance.",
        "Workers' compensation, automobile liability and umbrella coverage; additional insured; thirty days notice of cancellation of the policy.",
        "Shall insure the products against loss or damage at full replacement value.",
    ),
    "Warranty Duration": (
        "Warrants the products against defects in material and workmanship under normal use and service for one year after shipment.",
        "The warranty period shall be months from the date of acceptance, installation or sale to the end user.",
        "During the warranty period the supplier shall repair or replace defective products free of charge; shelf life.",
    ),
    "Revenue/Profit Sharing": (
        "Shall pay a royalty of percent of net sales of the products sold during the calendar quarter.",
        "The parties shall share the profits, gross margin or revenues fifty percent each.",
        "A commission on all sales is paid to the representative; fee calculated as percentage of revenue.",
    ),
    "Price Restrictions": (
        "Prices are fixed and may be increased only upon notice, and the increase shall not exceed the change in the consumer price index.",
        "The price may be adjusted annually, by no more than percent, to reflect changes in raw material and labor costs.",
        "Prices shall not be raised or reduced during the first year of this agreement.",
    ),
    "Change Of Control": (
        "If a party is acquired by or merges with another company, the other party may terminate upon notice.",
        "Change in control means the acquisition of more than fifty percent of the voting securities, a consolidation, or sale of substantially all assets.",
        "An assignment shall be deemed to occur upon a change of ownership or control, by operation of law or otherwise.",
    ),
    "Anti-Assignment": (
        "This agreement may not be assigned, delegated or transferred, in whole or in part, without prior written consent, and any attempted assignment is void.",
        "Shall not assign its rights or obligations, whether by operation of law or otherwise; consent shall not be unreasonably withheld; successors and permitted assigns.",
        "May assign to an affiliate or to a successor to substantially all of its business without consent.",
    ),
    "Exclusivity": (
        "Grants the exclusive right to market, sell and distribute the products in the territory.",
        "Shall not, directly or indirectly, manufacture, sell or promote any competing products or supply them to third parties.",
        "Shall purchase all of its requirements exclusively from; sole supplier; exclusive license; exclusive distributor.",
    ),
    "Most Favored Nation": (
        "Prices charged shall be no less favorable than, and at least as low as, those charged to any other customer for similar quantities.",
        "Most favored customer: if seller sells to a third party at a lower price, the price to buyer shall be reduced accordingly.",
        "Terms and conditions at least as favorable as those granted to any other distributor.",
    ),
    "Volume Restriction": (
        "Supplier is not required to supply quantities in excess of percent of the forecast or of its capacity.",
        "The maximum number of units, users or orders; usage above the limit requires additional payment or consent.",
        "Orders shall not exceed the maximum monthly volume; the quantity is limited to.",
    ),
    "Third Party Beneficiary": (
        "There are no third party beneficiaries of this agreement; it is for the sole benefit of the parties and their successors and permitted assigns.",
        "Indemnified parties are express third party beneficiaries and may enforce this provision directly.",
        "No person who is not a party may enforce any term of this agreement under any law on the rights of third parties.",
    ),
}
"""Category -> clauses of that kind, beside the one in `CATEGORIES`."""

CUES: dict[str, tuple[str, ...]] = {
    "Cap On Liability": (
        "exceed",
        "liability",
        "consequential",
        "aggregate",
        "in no event",
        "damages",
        "limitation",
    ),
    "Uncapped Liability": (
        "shall not apply",
        "except for",
        "gross negligence",
        "willful misconduct",
        "indemnification",
        "consequential",
        "nothing in this",
    ),
    "Liquidated Damages": ("liquidated damages", "penalty", "termination fee", "per day", "delay", "late"),
    "Minimum Commitment": (
        "minimum",
        "at least",
        "no less than",
        "shall purchase",
        "shortfall",
        "take or pay",
    ),
    "Termination For Convenience": (
        "without cause",
        "for any reason",
        "at any time",
        "convenience",
        "terminate this agreement",
        "days prior written notice",
        "no reason",
    ),
    "Audit Rights": ("audit", "inspect", "books and records", "records", "examine", "accountant", "access"),
    "Insurance": (
        "insurance",
        "insured",
        "coverage",
        "policy",
        "policies",
        "certificate of insurance",
        "per occurrence",
    ),
    "Warranty Duration": (
        "warranty period",
        "warrants",
        "months",
        "year",
        "defects",
        "workmanship",
        "warranty",
    ),
    "Revenue/Profit Sharing": (
        "royalty",
        "commission",
        "net sales",
        "percentage of",
        "revenue",
        "profit",
        "share",
    ),
    "Price Restrictions": (
        "price increase",
        "increase",
        "not exceed",
        "fixed",
        "prices",
        "price index",
        "adjust",
    ),
    "Change Of Control": (
        "change of control",
        "change in control",
        "merger",
        "acquired",
        "substantially all",
        "voting",
        "ownership",
    ),
    "Anti-Assignment": (
        "assign",
        "assignment",
        "assigned",
        "prior written consent",
        "transfer",
        "void",
        "successors",
    ),
    "Exclusivity": (
        "exclusive",
        "exclusively",
        "exclusivity",
        "sole",
        "competing",
        "territory",
        "shall not sell",
    ),
    "Most Favored Nation": (
        "no less favorable",
        "favorable",
        "lower price",
        "any other customer",
        "most favored",
        "as low as",
    ),
    "Volume Restriction": (
        "maximum",
        "in excess of",
        "not exceed",
        "capacity",
        "excess",
        "forecast",
        "limit",
    ),
    "Third Party Beneficiary": (
        "third party beneficiaries",
        "third party beneficiary",
        "beneficiaries",
        "beneficiary",
        "sole benefit",
        "any person",
        "enforce",
    ),
}
"""Category -> words and phrases that such a clause seldom does without."""
