"""The few SVG shapes the charts are made of."""

from __future__ import annotations

from markupsafe import Markup, escape


def tag(name: str, content: str | Markup = "", **attributes: object) -> Markup:
    """An element; content and attributes are escaped unless they are markup. `class_` is `class`, `_` is `-`.

    Example:
        >>> tag("text", "a < b", x=1, class_="label")
        Markup('<text x="1" class="label">a &lt; b</text>')
    """
    said = "".join(
        f' {escape(key.rstrip("_").replace("_", "-"))}="{escape(_number(value))}"'
        for key, value in attributes.items()
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), Markup(said), escape(content))  # noqa: S704  # parts are escaped


def together(parts: list[Markup]) -> Markup:
    """Elements one after the other."""
    return Markup("").join(parts)


def picture(width: float, height: float, title: str, parts: list[Markup], **attributes: object) -> Markup:
    """A whole chart, with the words that stand for it where it cannot be seen."""
    label = tag("title", title)
    box = f"0 0 {_number(width)} {_number(height)}"
    return tag("svg", together([label, *parts]), viewBox=box, role="img", aria_label=title, **attributes)


def _number(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
