"""The model card as Markdown, from the sections of a training report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from precordia.report.training import title


def card_markdown(report: Mapping[str, Any]) -> str:
    """The card of `services.trainer.publication.model_card`, section by section."""
    parts = [f"# {_plain(title(report))}", ""]
    for section in report["card"]:
        parts += [f"## {section['title']}", ""]
        for sentence in section["text"]:
            parts += [_plain(sentence), ""]
        if section["facts"]:
            parts += ["| | |", "|---|---|"]
            parts += [f"| {_plain(name)} | {_plain(value)} |" for name, value in section["facts"]]
            parts.append("")
    return "\n".join(parts)


def _plain(text: str) -> str:
    """Text that is text in Markdown too: names of labels and datasets are users' own."""
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    for sign in "\\`*_|[]#":
        text = text.replace(sign, "\\" + sign)
    return " ".join(text.split())
