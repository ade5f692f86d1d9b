"""WFDB without identity: new names for record and files, comments reduced to age, sex and codes, dates moved."""

from __future__ import annotations

import re

from precordia.leads import match_lead
from precordia.source import Source
from services.ingest.deidentify.cleaned import Cleaned
from services.ingest.deidentify.pseudonyms import Pseudonyms, capped_age
from services.ingest.formats.wfdb_comments import read_comments
from services.ingest.formats.wfdb_header import Header, parse_header

_PLAIN_LABEL = re.compile(r"^[A-Za-z0-9+_-]{1,12}$")


def clean(source: Source, pseudonyms: Pseudonyms) -> Cleaned | None:
    """The header rewritten and its signal files renamed; None where it is one of several headers, or none itself."""
    header = parse_header(source.content) if source.name.endswith(".hea") else None
    if header is None or header.segments:
        return None
    name = pseudonyms.label("record", header.name)
    files = {line.file: f"{name}-{place}.{_ending(line.file)}" for place, line in enumerate(header.signals)}
    if not all(file in source.companions for file in files):
        return None
    text = source.content.decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    rewritten = [_record_line(lines[0], header, name, pseudonyms)]
    rewritten += [_signal_line(line, files) for line in lines[1 : header.signal_count + 1]]
    rewritten += [f"# {comment}" for comment in _comments(header)]
    content = ("\n".join(rewritten) + "\n").encode()
    companions = {new: source.companions[old] for old, new in files.items()}
    return Cleaned(Source(f"{name}.hea", content, companions), _removed(header, source, files))


def _ending(name: str) -> str:
    ending = name.rpartition(".")[2]
    return ending if re.fullmatch(r"[A-Za-z0-9]{1,8}", ending) else "dat"


def _record_line(line: str, header: Header, name: str, pseudonyms: Pseudonyms) -> str:
    words = [name, *line.split()[1:4]]
    if header.started_at is not None:
        start = pseudonyms.moved(header.started_at)
        words += [f"{start:%H:%M:%S}" + (f".{start:%f}" if start.microsecond else ""), f"{start:%d/%m/%Y}"]
    return " ".join(words)


def _signal_line(line: str, files: dict[str, str]) -> str:
    words = line.split(maxsplit=8)
    words[0] = files[words[0]]
    if len(words) > 8 and match_lead(words[8]) is None and not _PLAIN_LABEL.match(words[8].strip()):
        words[8] = "channel"
    return " ".join(words)


def _comments(header: Header) -> list[str]:
    said = read_comments(header.comments)
    age = capped_age(said.age_years)
    found = {
        "Age": f"{age:g}" if age is not None else "",
        "Sex": said.sex.value.capitalize() if said.sex else "",
        "Dx": ",".join(code for code in said.labels if re.fullmatch(r"[A-Za-z0-9_.:|-]{1,32}", code)),
    }
    return [f"{name}: {value}" for name, value in found.items() if value]


def _removed(header: Header, source: Source, files: dict[str, str]) -> tuple[str, ...]:
    removed = {
        "record and file names": True,
        "comments": bool(header.comments),
        "base date (moved)": header.started_at is not None,
        "files beside the signal files": len(source.companions) > len(files),
    }
    return tuple(name for name, is_removed in removed.items() if is_removed)
