"""A figure as an SVG element that can stand in a page beside others."""

import re
import xml.etree.ElementTree as ET

_SVG, _XLINK = "http://www.w3.org/2000/svg", "{http://www.w3.org/1999/xlink}"
_REFERENCE = re.compile(r"(?:^|url\()#([^)]+)")
_LONG = re.compile(r"-?\d+\.\d{3,}")
# what is neutral on paper follows the page, so that figures are at home in the dark too
_NEUTRAL = {
    "#000000": "ink", "#ffffff": "card", "#444444": "quiet", "#555555": "quiet", "#777777": "quiet", "#7f7f7f": "quiet",
    "#b0b0b0": "line", "#bbbbbb": "line", "#f4f4f4": "wash", "#dce6ef": "margin", "#0072b2": "blue", "#f6c9a3": "block",
}  # fmt: skip
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")


def inline_svg(svg: bytes, prefix: str, words: str) -> str:
    """A figure that matplotlib wrote, as one element: an image with words for those who do not see it.

    Its ids start with `prefix`, so that figures of one page do not meet; it has no comments, no metadata and no rules
    of style that would reach beyond it; coordinates are rounded to a hundredth of a point. Neutral colours are
    variables of the page's style, ``--figure-NAME``.
    """
    root = ET.fromstring(svg)  # noqa: S314 - written by ourselves a moment ago
    ET.register_namespace("", _SVG)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(child)
    used = {name for element in root.iter() for value in element.attrib.values() for name in _REFERENCE.findall(value)}
    for element in root.iter():
        element.text = (element.text or "").strip() or None
        element.tail = None
        attributes = dict(element.attrib)
        element.attrib.clear()
        for key, value in attributes.items():
            if key != "id" or value in used:
                element.set(key.removeprefix(_XLINK), _mended(key.removeprefix(_XLINK), value, prefix))
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-label", words)
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt; fill: var(--figure-ink)")
    return ET.tostring(root, encoding="unicode")


def _mended(key: str, value: str, prefix: str) -> str:
    """The value of an attribute with our prefix in ids, and coordinates without needless digits."""
    if key == "id":
        return f"{prefix}-{value}"
    if key in ("d", "x", "y", "points"):
        return " ".join(_LONG.sub(lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), value).split())
    if key == "style":
        value = _COLOUR.sub(_variable, value)
    return value.replace("url(#", f"url(#{prefix}-") if key != "href" else re.sub("^#", f"#{prefix}-", value)


def _variable(colour: re.Match[str]) -> str:
    name = _NEUTRAL.get(colour[0])
    return f"var(--figure-{name})" if name else colour[0]
