"""HTML and SVG as a tree of elements: what is written is well-formed, and text is always escaped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Union

Child = Union["Element", str, None]
Value = str | int | float | None

_EMPTY = frozenset({"br", "meta", "path", "line", "circle", "rect", "polyline"})


@dataclass(frozen=True)
class Element:
    """One element. Attributes that are None, and children that are None, are not written."""

    tag: str
    attributes: dict[str, Value] = field(default_factory=dict)
    children: tuple[Child, ...] = ()

    def __str__(self) -> str:
        return "".join(self._parts())

    def _parts(self) -> Iterator[str]:
        said = "".join(
            f' {name}="{escape(_text(value))}"' for name, value in self.attributes.items() if value is not None
        )
        if not self.children and self.tag in _EMPTY:
            yield f"<{self.tag}{said}/>"
            return
        yield f"<{self.tag}{said}>"
        for child in self.children:
            if isinstance(child, Element):
                yield from child._parts()
            elif child is not None:
                yield escape(child, quote=False)
        yield f"</{self.tag}>"


def tag(name: str, /, *children: Child, **attributes: Value) -> Element:
    """An element. `class_` is the class; other underscores in names are dashes ("data_figure")."""
    named = {_attribute(key): value for key, value in attributes.items()}
    return Element(name, named, children)


def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-") if key != "viewBox" else key


def _text(value: str | int | float) -> str:
    """Coordinates to a hundredth: nobody sees more, and the file stays small."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
