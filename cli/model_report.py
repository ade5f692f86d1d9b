"""The report of a model that was trained here: fetched, written, opened."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from cli.output import Output
from cli.training_summary import figure_lines, parsed_report
from cli.writing import written
from precordia.catalog import REPORT, REPORT_HTML, ModelRef, ModelVersion
from precordia.client import Connection
from precordia.errors import ArtifactNotFound


async def write_report(precordia: Connection, output: Output, ref: ModelRef, to: Path | None, *, show: bool) -> None:
    """Write the page beside the user, or where they say; say its figures and where it is.

    Raises:
        ArtifactNotFound: the version has no report; the message says why.
    """
    version = await precordia.registry.get(ref)
    if version.artifact(REPORT_HTML) is None:
        raise ArtifactNotFound(_why_not(version), name=REPORT_HTML)
    names = [name for name in (REPORT_HTML, REPORT) if version.artifact(name) is not None]
    _, files = await precordia.registry.fetch(version.ref, names)
    path = to or Path(f"{version.name}-v{version.version}-report.html")
    entry = written(path, files[REPORT_HTML])
    output.line(f"{version.name} version {version.version}", "bold")
    for line in figure_lines(parsed_report(files.get(REPORT, b"{}"))):
        output.line(line)
    output.line(f"The report is {path}.")
    if show and not webbrowser.open(path.absolute().as_uri()):
        output.say("No browser could be opened here; open the file on a machine that has one.", "yellow")
    document = {"model": version.name, "version": version.version, "digest": version.digest, "report": entry}
    output.document(document)


def _why_not(version: ModelVersion) -> str:
    return (
        f"{version.name} version {version.version} has no report: reports come with models that are trained here. "
        f"`precordia models {version.name}` shows what is known of it, and `precordia evaluate` measures it."
    )
