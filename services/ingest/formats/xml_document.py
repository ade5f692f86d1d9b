"""XML documents as ECG devices write them: told by their root element, read without entities, bounded.

Namespaces are taken off: devices disagree about them and agree about names.
"""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder  # they only hold what defusedxml parses

from defusedxml import ElementTree as SafeTree
from defusedxml.common import DefusedXmlException

from precordia.errors import TooLarge, UnreadableFile, UnsafeContent
from services.ingest.formats.limits import MIB

MAX_BYTES = 64 * MIB
MAX_ELEMENTS = 300_000
MAX_TEXT = 1024

_HEAD = 4096
_SKIPPED = re.compile(r"\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>", re.DOTALL)
_ROOT = re.compile(r"<(?:[\w.-]+:)?([\w.-]+)")
_DECLARED = re.compile(r"^\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.-]+)[\"']")


def root_name(content: bytes) -> str:
    """Name of the root element without its namespace; empty where this is no XML."""
    if b"!" <= content[:1] <= b"~" and content[:1] != b"<":
        return ""
    head = _decoded_head(content)
    if not head.lstrip().startswith("<"):
        return ""
    at = 0
    while match := _SKIPPED.match(head, at):
        at = match.end()
    found = _ROOT.match(head, at)
    return found[1] if found else ""


def _decoded_head(content: bytes) -> str:
    head = content[:_HEAD]
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head.decode("utf-16", "replace")
    if head[:2] in (b"<\0", b"\0<"):
        return head.decode("utf-16-le" if head[:1] == b"<" else "utf-16-be", "replace")
    return head.removeprefix(b"\xef\xbb\xbf").decode("latin-1")


def parse_xml(content: bytes, format_name: str) -> Element:
    """The root element, with plain names throughout.

    Raises:
        UnsafeContent: it declares entities.
        TooLarge: it is larger, or has more elements, than any ECG.
        UnreadableFile: it is not well-formed.
    """
    _check_size(content)
    try:
        root: Element = _parsed(content)
    except DefusedXmlException as error:
        raise UnsafeContent("The XML file declares entities, which are never expanded here.") from error
    except (SafeTree.ParseError, ValueError, LookupError) as error:
        raise UnreadableFile("The XML file is not well-formed; it may be cut short.", format=format_name) from error
    for node in root.iter():
        if "}" in node.tag:
            node.tag = node.tag.rpartition("}")[2]
    return root


def _check_size(content: bytes) -> None:
    if len(content) > MAX_BYTES:
        raise TooLarge(f"The XML file has {len(content)} bytes; at most {MAX_BYTES} are read.", limit=MAX_BYTES)
    if len(content) < 4 * MAX_ELEMENTS:  # an element has four bytes at least
        return
    if content.count(b"<") > 2 * MAX_ELEMENTS or content.count(b"=") > 4 * MAX_ELEMENTS:
        raise TooLarge(f"The XML file has more than {MAX_ELEMENTS} elements.", limit=MAX_ELEMENTS)


def _parsed(content: bytes) -> Any:
    """The tree, also of a file that was converted to UTF-8 and still says that it is UTF-16.

    The parser's own handlers for elements are Python; the tree builder's take the same calls, with
    attributes as a dictionary, and halve the time.
    """
    declared = _DECLARED.match(_decoded_head(content))
    converted = declared is not None and declared[1].lower().startswith("utf-16") and b"\0" not in content[:64]
    builder = TreeBuilder()
    parser = SafeTree.DefusedXMLParser(target=builder, encoding="utf-8" if converted else None)
    expat = parser.parser
    expat.ordered_attributes = False
    expat.StartElementHandler, expat.EndElementHandler = builder.start, builder.end
    expat.CharacterDataHandler = builder.data
    parser.feed(content)
    return parser.close()


def text(node: Element | None, path: str = ".") -> str:
    """Text of the first element at a path, stripped, at most 1024 characters; empty where there is none."""
    if node is None:
        return ""
    said = node.text if path == "." else node.findtext(path)
    return (said or "").strip()[:MAX_TEXT]


def number(node: Element | None, path: str = ".") -> float | None:
    """Number at a path, None where there is none.

    Raises:
        UnreadableFile: there is something else.
    """
    said = text(node, path)
    if not said:
        return None
    try:
        value = float(said)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UnreadableFile(f"The XML file has no number in {path.rpartition('/')[2]}.")
    return value


def whole(node: Element | None, path: str = ".") -> int | None:
    """Whole number at a path, None where there is none.

    Raises:
        UnreadableFile: there is something else.
    """
    value = number(node, path)
    if value is None:
        return None
    if not value.is_integer() or abs(value) > 1 << 53:
        raise UnreadableFile(f"The XML file has no whole number in {path.rpartition('/')[2]}.")
    return int(value)


def children_text(node: Element | None, leave_out: tuple[str, ...] = ()) -> dict[str, str]:
    """Texts of an element's own children that have text, by name; the first of a name counts."""
    found: dict[str, str] = {}
    for child in node if node is not None else ():
        said = text(child)
        if said and child.tag not in leave_out:
            found.setdefault(child.tag, said)
    return found
