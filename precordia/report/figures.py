"""Numbers of a document as they are shown. Each says where in the JSON it stands, as a JSON pointer (RFC 6901)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from precordia.report.markup import Element, tag

DASH = "\N{EN DASH}"
"""Shown for what could not be measured."""

NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "f1": "F1",
    "sensitivity": "Sensitivity (recall)",
    "specificity": "Specificity",
    "ppv": "PPV (precision)",
    "npv": "NPV",
    "brier": "Brier",
    "ece": "ECE",
    "threshold": "Threshold",
    "positives": "Records",
    "n": "Records",
    "auroc_macro": "AUROC, macro",
    "auroc_weighted": "AUROC, weighted",
    "auprc_macro": "AUPRC, macro",
    "f1_macro": "F1, macro",
    "f1_weighted": "F1, weighted",
    "sensitivity_macro": "Sensitivity, macro",
    "sensitivity_weighted": "Sensitivity, weighted",
    "specificity_macro": "Specificity, macro",
    "ppv_macro": "PPV, macro",
    "ppv_weighted": "PPV, weighted",
    "npv_macro": "NPV, macro",
    "brier_macro": "Brier, macro",
    "ece_macro": "ECE by label, macro",
    "ece_weighted": "ECE by label, weighted",
    "ece_top_label": "ECE of the highest score",
    "accuracy": "Accuracy (whole record)",
    "log_loss": "Log loss",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "r2": "R\N{SUPERSCRIPT TWO}",
    "r": "r",
    "bias": "Bias",
    "agreement_low": "Limit of agreement, low",
    "agreement_high": "Limit of agreement, high",
}
"""Titles of the figures of `precordia.metrics`."""


def pointer(*steps: str | int) -> str:
    """A JSON pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def at(document: Any, where: str) -> Any:
    """What a pointer points at; None where there is nothing."""
    for step in where.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(document, Mapping):
            document = document.get(name)
        elif isinstance(document, Sequence) and not isinstance(document, str) and name.isdecimal():
            document = document[int(name)] if int(name) < len(document) else None
        else:
            return None
    return document


def number(value: Any, digits: int = 3) -> str:
    """As it is shown: whole numbers with thin spaces, others with so many decimals, nothing as a dash."""
    if value is None:
        return DASH
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    if value != 0 and abs(value) < 0.5 * 10**-digits:
        return f"{value:.1e}"
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def shown(document: Mapping[str, Any], where: str, digits: int = 3) -> Element:
    """A number of the document, as an element that says where it stands."""
    return tag("span", number(at(document, where), digits), data_at=where, data_digits=_unless_three(digits))


def interval(document: Mapping[str, Any], where: str, digits: int = 3) -> Element | None:
    """A 95 % interval of the document, or None where there is none."""
    ends = at(document, where)
    if ends is None:
        return None
    return tag("span", span(ends, digits), class_="interval", data_at=where, data_digits=_unless_three(digits))


def span(ends: Sequence[float], digits: int = 3) -> str:
    """From low to high; a dash beside a minus sign could not be read."""
    return (DASH if min(ends) >= 0 else " to ").join(number(end, digits) for end in ends)


def _unless_three(digits: int) -> int | None:
    return None if digits == 3 else digits


def cell(document: Mapping[str, Any], where: str, ends: str = "", digits: int = 3) -> Element:
    """A number in a table, with its interval below where there is one."""
    between = interval(document, ends, digits) if ends else None
    return tag("td", shown(document, where, digits), " " if between else None, between)


def table(heads: Sequence[str], rows: Sequence[Sequence[Element]], caption: str = "", style: str = "") -> Element:
    """A table; the first column heads its rows, the others hold numbers. `style` "inline": intervals beside them."""
    words = [cell.attributes.get("class") == "words" for cell in rows[0]] if rows else [False] * len(heads)
    heading = zip(heads, words, strict=True)
    head = tag("tr", *(tag("th", title, scope="col", class_="words" if left else None) for title, left in heading))
    body = tag("tbody", *(tag("tr", *row) for row in rows))
    title = tag("caption", caption) if caption else None
    return tag("div", tag("table", title, tag("thead", head), body), class_=f"scroll {style}".strip())


def row_head(text: str) -> Element:
    """The first cell of a row."""
    return tag("th", text, scope="row")


def facts(pairs: Sequence[tuple[str, str]]) -> Element:
    """Names and what they are, as a list."""
    return tag("dl", *(part for name, value in pairs for part in (tag("dt", name), tag("dd", value))), class_="facts")
