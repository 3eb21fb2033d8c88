"""Labels made of reviewers' decisions, on disk: one for a review, replaced when the review is decided anew."""

from __future__ import annotations

import time

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from gapless.records.review import HandoffLabel
from gapless.stores.anchored import Anchored
from gapless.stores.damage import whole
from gapless.stores.rows import pack
from gapless.stores.schema import review_labels

_label = msgspec.msgpack.Decoder(HandoffLabel)


class ReviewLabelStore:
    """The table of labels made of decisions, in one database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._database = Anchored(url)

    def close(self) -> None:
        """Closes the connections."""
        self._database.close()

    def put(self, label: HandoffLabel) -> None:
        """Writes a label; a later one replaces an earlier one."""
        values = {"review": label.review, "body": pack(label), "created_at": time.time()}
        writing = insert(review_labels)
        again = {name: writing.excluded[name] for name in ("body", "created_at")}
        writing = writing.on_conflict_do_update(index_elements=["review"], set_=again)
        with self._database.write() as connection:
            connection.execute(writing, values)

    def all(self) -> dict[str, HandoffLabel]:
        """Review -> its label.

        Raises:
            StoreError: A row is damaged.
        """
        with self._database.read() as connection:
            rows = connection.execute(sa.select(review_labels.c.review, review_labels.c.body)).all()
        return {
            review: whole(_label.decode, body, self.url, "the label of review", review)
            for review, body in rows
        }
