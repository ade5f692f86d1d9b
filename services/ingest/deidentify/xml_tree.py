"""XML of ECG devices without identity: what may stay is listed; every other text and attribute is emptied.

Comments, processing instructions and namespaces go as well: the document is written anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from xml.etree import ElementTree  # it writes; defusedxml reads
from xml.etree.ElementTree import Element

from precordia.source import Source
from services.ingest.deidentify.cleaned import Cleaned
from services.ingest.deidentify.pseudonyms import OLDEST_YEARS, Pseudonyms
from services.ingest.formats.xml_document import parse_xml

_NUMBERS = re.compile(r"^[-+\d.eE,\s]*$")
_DAYS = {
    "%m-%d-%Y": re.compile(r"^\d{2}-\d{2}-\d{4}"),
    "%Y-%m-%d": re.compile(r"^\d{4}-\d{2}-\d{2}"),
    "%Y%m%d": re.compile(r"^\d{8}"),
}


@dataclass(frozen=True)
class Keep:
    """What of a format may stay, by element and attribute names.

    Attributes:
        texts: elements whose text stays.
        attributes: attributes that stay on any element.
        measured: sections in which numbers stay.
        dropped: elements that go with everything in them.
        moved: elements, and attributes as `element@attribute`, that hold a day. `@attribute` holds one on
            any element, where it begins like a day with a time.
        ages: elements that hold an age in years.
        pseudonym: the element that takes the patient's pseudonym.
    """

    texts: frozenset[str]
    attributes: frozenset[str] = frozenset()
    measured: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    moved: frozenset[str] = frozenset()
    ages: frozenset[str] = frozenset()
    pseudonym: str = ""


@dataclass(eq=False)
class _Pass:
    """One walk over a document."""

    keep: Keep
    pseudonyms: Pseudonyms
    removed: dict[str, None] = field(default_factory=dict)

    def walk(self, node: Element, *, measured: bool) -> None:
        inside = measured or node.tag in self.keep.measured
        for child in list(node):
            if child.tag in self.keep.dropped:
                node.remove(child)
                self.removed[str(child.tag)] = None
            else:
                self.walk(child, measured=inside)
        node.tail = None
        node.text = self._text(node, measured=inside)
        for name, value in list(node.attrib.items()):
            self._attribute(node, name, value)

    def _text(self, node: Element, *, measured: bool) -> str | None:
        said = (node.text or "").strip()
        if not said:
            return None
        if node.tag == self.keep.pseudonym:
            self.removed[f"{node.tag} (replaced)"] = None
            return self.pseudonyms.name
        if node.tag in self.keep.moved:
            self.removed[f"{node.tag} (moved)"] = None
            return moved_day(said, self.pseudonyms)
        if node.tag in self.keep.ages:
            return said if _is_common_age(said) else f"{OLDEST_YEARS:g}"
        if node.tag in self.keep.texts or (measured and _NUMBERS.match(said)):
            return node.text
        self.removed[str(node.tag)] = None
        return None

    def _is_moved(self, tag: str, name: str, value: str) -> bool:
        named = f"{tag}@{name}" in self.keep.moved and _is_day(value)
        return named or (f"@{name}" in self.keep.moved and _MOMENT.match(value) is not None)

    def _attribute(self, node: Element, name: str, value: str) -> None:
        plain = name.rpartition("}")[2]
        if self._is_moved(str(node.tag), plain, value):
            node.set(name, moved_day(value, self.pseudonyms))
            self.removed[f"{node.tag}@{plain} (moved)"] = None
        elif plain not in self.keep.attributes:
            del node.attrib[name]
            if value.strip():
                self.removed[f"{node.tag}@{plain}"] = None
        elif plain != name:
            node.set(plain, node.attrib.pop(name))


_MOMENT = re.compile(r"^(?:19|20)\d{6}(?:\d{2,6}(?:\.\d*)?(?:[+-]\d{4})?)?$")


def _is_day(text: str) -> bool:
    return any(pattern.match(text) for pattern in _DAYS.values())


def moved_day(text: str, pseudonyms: Pseudonyms) -> str:
    """The text with the day at its front moved; empty where there is no day."""
    for layout, pattern in _DAYS.items():
        found = pattern.match(text)
        if found is not None:
            try:
                return f"{pseudonyms.moved(datetime.strptime(found[0], layout)):{layout}}{text[found.end() :]}"
            except (ValueError, OverflowError):
                return ""
    return ""


def _is_common_age(text: str) -> bool:
    try:
        return float(text) < OLDEST_YEARS
    except ValueError:
        return False


def clean_xml(source: Source, pseudonyms: Pseudonyms, keep: Keep) -> Cleaned:
    """The document with what may stay."""
    root = parse_xml(source.content, "xml")
    walk = _Pass(keep, pseudonyms)
    walk.walk(root, measured=False)
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return Cleaned(Source(f"{pseudonyms.label('name', source.name)}.xml", content), tuple(walk.removed))
