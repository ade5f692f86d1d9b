"""A small report with figures that can be checked by hand, and the text of its page as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from precordia.metrics.classification import classification_document
from precordia.report import training_page
from tests.precordia.report import made

FILE = Path(__file__).with_name("golden.txt")
LABELS = ("AF", "MI")
TRUTH = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 0], [0, 0], [1, 1], [0, 0]], dtype=np.uint8)
SCORES = np.array([[0.9, 0.1], [0.4, 0.2], [0.3, 0.8], [0.6, 0.7], [0.1, 0.3], [0.2, 0.6], [0.8, 0.4], [0.05, 0.05]])


def report() -> dict[str, Any]:
    """Eight test records of four patients."""
    found = made.training_report(labels=LABELS, epochs=3, draws=0)
    found["evaluations"]["test"] = classification_document(
        TRUTH, SCORES, LABELS, exclusive=False, patients=list("aabbccdd"), draws=0
    )
    return found


def visible_text() -> str:
    """The page's words: a line for each heading, sentence and row of a table; none for drawings and style."""
    _, _, page = training_page(report()).partition("\n")
    body = ElementTree.fromstring(page).find("body")
    assert body is not None
    return "".join(f"{line}\n" for line in _lines(body) if line)


def _lines(element: ElementTree.Element) -> list[str]:
    if element.tag == "svg":
        return []
    if element.tag in ("tr", "p", "h1", "h2", "h3", "dt", "dd", "caption", "figcaption", "li"):
        cells = list(element) if element.tag == "tr" else [element]
        return [" | ".join(" ".join("".join(cell.itertext()).split()) for cell in cells)]
    return [line for child in element for line in _lines(child)]


if __name__ == "__main__":
    FILE.write_text(visible_text(), encoding="utf-8")
