"""The frame of a page: head, header, sections, foot."""

from __future__ import annotations

from collections.abc import Sequence

from precordia.report.markup import Child, Element, tag
from precordia.report.style import CSS

NO_DEVICE = (
    "Not a medical device. It has not been validated clinically, and no decision about a patient may rest on it alone."
)


def page(kind: str, title: str, under: Sequence[str], sections: Sequence[Element | None], foot: str) -> str:
    """A whole HTML file, which needs nothing beside it.

    Args:
        kind: of report, above the title.
        title: what it is about.
        under: sentences below the title.
        sections: in order; None = left out.
        foot: one sentence at the end.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content="default-src 'none'; style-src 'unsafe-inline'"),
        tag("title", f"{title} - {kind}"),
        tag("style", CSS),
    )
    header = tag(
        "header",
        tag("p", kind, class_="kind"),
        tag("h1", title),
        *(tag("p", line, class_="under") for line in under),
        tag("p", NO_DEVICE, class_="warning"),
    )
    main = tag("main", header, *sections, tag("footer", foot))
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', main), lang='en')}\n"


def section(title: str, *children: Child) -> Element | None:
    """A section with a heading; None where it would be empty."""
    here = [child for child in children if child is not None]
    return tag("section", tag("h2", title), *here) if here else None


def grid(*plots: Element | None) -> Element | None:
    """Plots side by side; None where there is none."""
    here = [plot for plot in plots if plot is not None]
    return tag("div", *here, class_="plots") if here else None
