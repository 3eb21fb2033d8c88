"""Words by which a name says that what bears it reads, changes something, or destroys it: of tools and of steps alike."""

from __future__ import annotations

import re

WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
"""The words of a name: `getPost`, `get_post`, `get-post`."""
_READS = frozenset(
    "assess calculate check compare compute count describe diff download estimate fetch find get head inspect is list"
    " lookup ping preview print query read resolve retrieve scan search show stat status summarize tail validate verify"
    " view watch".split()
)
DESTROYS = frozenset(
    "delete destroy drop erase kill overwrite purge remove revoke terminate truncate wipe".split()
)
ACTS = DESTROYS | frozenset(
    "add append approve archive assign book buy cancel charge commit create deploy edit execute insert install invite"
    " merge modify move notify order patch pay post publish purchase push put refund register rename replace reply save"
    " schedule send set submit transfer update upload write".split()
)


def named(name: str, verbs: frozenset[str] = ACTS) -> str:
    """The first of some verbs among the words of a name; empty where there is none, or where it begins with one that reads.

    Example:
        >>> named("send_email"), named("get_post"), named("answer")
        ('send', '', '')
    """
    words = [word.lower() for word in WORDS.findall(name)]
    if reads(name):
        return ""  # get_post, list_updates: what follows is a thing
    return next((word for word in words if word in verbs), "")


def reads(name: str) -> bool:
    """Whether a name begins with a verb that reads."""
    first = next((word.lower() for word in WORDS.findall(name)), "")
    return first in _READS
