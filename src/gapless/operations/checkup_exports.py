"""Every way in which a measurement leaves the store, as text: what a planted secret is looked for in."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gapless.records.measurement import Measurement

if TYPE_CHECKING:
    from gapless.stores.store import Store


def exported(store: Store, measurement: Measurement) -> Mapping[str, str]:
    """The file of `gapless export` and every face of the report, by name.

    Args:
        store: Where it lies.
        measurement: Which.
    """
    from gapless.operations.export import FORMATS, export
    from gapless.operations.report import report_on, run_table
    from gapless.report import html, json, junit, markdown, text

    report = report_on(store, measurement)
    faces = {
        "the report as text": text.render(report),
        "as JSON": json.render(report),
        "as HTML": html.render(report),
        "as Markdown": markdown.render(report),
        "as JUnit": junit.render(report, run_table(store, measurement)),
    }
    with tempfile.TemporaryDirectory(prefix="gapless-export-") as folder:
        for form in FORMATS:
            file = Path(folder) / form
            export(store, measurement, str(file), form)
            faces[f"the export ({form})"] = file.read_text(encoding="utf-8")
    return faces
