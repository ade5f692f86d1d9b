"""The verdicts of an import, in the form that is committed and compared.

    PRECORDIA_TESTDATA=... .venv/bin/python -m tests.e2e.verdicts

imports the real files of every format and writes tests/e2e/expected_verdicts.json anew; look at what
changed before committing it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

EXPECTED = Path(__file__).with_name("expected_verdicts.json")

Verdicts = dict[str, Any]


def verdicts(document: dict[str, Any], folder: Path) -> Verdicts:
    """By file, in its folder: what was read of it, or why it was refused."""
    found: Verdicts = {}
    for one in document["imported"]:
        recordings = found.setdefault(_name(one, folder), {"verdict": "imported", "recordings": []})["recordings"]
        recordings.append(
            {
                "format": one["format"],
                "leads": " ".join(one["leads"]),
                "rate_hz": one["rate_hz"],
                "samples": one["samples"],
                "unit": one["unit"],
                "warnings": sorted({warning["code"] for warning in one["warnings"]}),
            }
        )
    for one in document["refused"]:
        found[_name(one, folder)] = {"verdict": "refused", "reason": one["reason"], "field": one.get("field", "")}
    return {name: _short(verdict) for name, verdict in sorted(found.items())}


def _name(one: dict[str, Any], folder: Path) -> str:
    return Path(one["source"]).relative_to(folder).as_posix()


def _short(verdict: dict[str, Any]) -> dict[str, Any]:
    """A file of many recordings that are alike says them once, with their number."""
    recordings = verdict.pop("recordings", None)
    if recordings is None:
        return verdict
    kinds = {json.dumps(one, sort_keys=True): one for one in recordings}
    counts = [sum(json.dumps(one, sort_keys=True) == kind for one in recordings) for kind in kinds]
    return {
        **verdict,
        "recordings": [{"count": count, **one} for count, one in zip(counts, kinds.values(), strict=True)],
    }


def main() -> None:
    """Write the table."""
    from tests.e2e.conftest import run_cli

    folder = Path(os.environ["PRECORDIA_TESTDATA"]) / "formats"
    with tempfile.TemporaryDirectory() as home:
        assert run_cli(Path(home), "up", "--detach", "--ports", "0", "--json").status == 0
        try:
            answer = run_cli(Path(home), "import", str(folder), "--json")
            document = answer.document
            assert "imported" in document, answer.narration
        finally:
            run_cli(Path(home), "down", "--json")
    EXPECTED.write_text(json.dumps(verdicts(document, folder), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(f"{EXPECTED.name} is written.\n")


if __name__ == "__main__":
    main()
