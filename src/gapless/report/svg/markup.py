"""The few SVG shapes the charts are made of."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

from gapless.report.printable import isolated


def tag(name: str, content: str | Markup = "", **attributes: object) -> Markup:
    """An element; content and attributes are escaped unless they are markup. `class_` is `class`, `_` is `-`.

    Example:
        >>> tag("text", "a < b", x=1, class_="label")
        Markup('<text x="1" class="label">a &lt; b</text>')
    """
    said = "".join(
        f' {escape(key.rstrip("_").replace("_", "-"))}="{escape(_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), Markup(said), escape(_content(content)))  # noqa: S704  # parts are escaped


def together(parts: Iterable[Markup]) -> Markup:
    """Elements one after the other."""
    return Markup("").join(parts)


def picture(width: float, height: float, title: str, parts: Iterable[Markup], **attributes: object) -> Markup:
    """A whole drawing that scales, with the words that stand for it where it cannot be seen."""
    box = f"0 0 {_number(width)} {_number(height)}"
    label = tag("title", title)
    return tag("svg", together([label, *parts]), viewBox=box, role="img", aria_label=title, **attributes)


def strip(height: float, parts: Iterable[Markup], **attributes: object) -> Markup:
    """A drawing as wide as its place: x is a share of the width, as `at` writes it, and nothing is distorted.

    It stands beside the words that say the same, and is hidden from readers that cannot see.
    """
    return tag("svg", together(parts), height=height, aria_hidden="true", focusable="false", **attributes)


def at(share: float) -> str:
    """A place on a strip.

    Example:
        >>> at(0.25)
        '25%'
    """
    return f"{_number(100 * share)}%"


def _content(content: str | Markup) -> str | Markup:
    return content if isinstance(content, Markup) else isolated(content)


def _number(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
