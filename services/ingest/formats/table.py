"""Text tables: CSV, TSV and their relatives, with or without titles, time column and comments."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from precordia.errors import UnreadableFile
from precordia.record import Hints
from precordia.source import Source
from services.ingest.formats import fact_names
from services.ingest.formats.blocks import BlockFacts, Numbers, block_ecg, native
from services.ingest.formats.fact_names import ColumnTitle, column_title, time_unit
from services.ingest.formats.facts import parse_age, parse_sex, resolve_rate, stated_unit
from services.ingest.formats.limits import Limits, ReaderContext
from services.ingest.formats.orientation import LEADS_BY_SAMPLES, SAMPLES_BY_LEADS, orientation
from services.ingest.formats.parsed import ParsedEcg
from services.ingest.formats.table_dialect import Dialect, detect_dialect, looks_like_text, not_a_table
from services.ingest.formats.table_numbers import Cells, parse_body
from services.ingest.formats.table_time import TimeColumn, find_time

FORMAT = "csv"
VERSION = "1"

_PAIR = re.compile(r"^([A-Za-z][A-Za-z _]*?)\s*[:=]\s*(.+)$")


@dataclass(frozen=True, eq=False)
class Table:
    """A table understood: its dialect, its numbers as stored, and what they mean."""

    dialect: Dialect
    values: Numbers
    layout: str
    titles: tuple[str, ...]
    time: TimeColumn
    facts: BlockFacts


def sniff(source: Source) -> bool:
    """Text with numbers in it; whether they are a table shows when it is read."""
    return looks_like_text(_text(source.content[:1024]))


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """The table, as one recording."""
    table = understand(source, hints, context.limits)
    rate_hz = resolve_rate(table.facts.sample_rate_hz, hints, tolerance=1e-3)
    block = table.values if table.layout == LEADS_BY_SAMPLES else table.values.T
    context.limits.check_samples(*block.shape)
    rows = native(np.ascontiguousarray(block))
    return (block_ecg(rows, rate_hz, table.facts, hints, transforms=table.time.transforms),)


def understand(source: Source, hints: Hints, limits: Limits) -> Table:
    """The table's dialect, numbers, layout and facts, with nothing yet asked of the hints in vain."""
    text = _text(source.content)
    dialect = detect_dialect(text, hints)
    if dialect is None:
        raise not_a_table()
    cells = parse_body(text, dialect, limits)
    if cells.row_names:
        return _by_rows(dialect, cells)
    return _by_columns(dialect, cells, hints)


def _text(content: bytes) -> bytes:
    """The text as UTF-8 without a byte order mark; lone carriage returns become line ends."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.decode("utf-16", "replace").encode()
    content = content.removeprefix(codecs.BOM_UTF8)
    if b"\r" in content[:4096] and b"\n" not in content[:65536]:
        content = content.replace(b"\r", b"\n")
    return content


def _by_rows(dialect: Dialect, cells: Cells) -> Table:
    """Each row is a lead and begins with its name."""
    titles = [column_title(name) for name in cells.row_names]
    facts = _facts(dialect.comments, titles, ())
    return Table(dialect, _stored(cells, None), LEADS_BY_SAMPLES, cells.row_names, TimeColumn(None), facts)


def _by_columns(dialect: Dialect, cells: Cells, hints: Hints) -> Table:
    """Columns are leads where they have titles; else the shape decides."""
    names, units = _titles(dialect, cells.values.shape[1])
    titles = [_with_unit(column_title(name), unit) for name, unit in zip(names, units, strict=True)]
    layout = SAMPLES_BY_LEADS if titles else None
    wide = cells.values.shape[1] > cells.values.shape[0]
    time = TimeColumn(None) if wide and not titles else find_time(cells.values, titles, hints, clock=cells.clock)
    values = _stored(cells, time.index)
    kept = [title for index, title in enumerate(titles) if index != time.index]
    facts = _facts(dialect.comments, kept, [time.sample_rate_hz] if time.sample_rate_hz else [])
    if layout is None:
        layout = orientation(
            values.shape[0], values.shape[1], len(facts.labels) or len(hints.lead_names) or _single(values)
        )
    return Table(dialect, values, layout, tuple(names), time, facts)


def _single(values: Numbers) -> int | None:
    return 1 if 1 in values.shape else None


def _titles(dialect: Dialect, columns: int) -> tuple[Sequence[str], Sequence[str]]:
    """Names and units of the columns, from the title rows; both empty where there are none."""
    rows = [row for row in dialect.titles if len(row) >= columns - 1 and any(row)]
    if not rows:
        return (), ()
    fitted = [tuple(row[:columns]) + ("",) * (columns - len(row)) for row in rows]
    units = next((row for row in fitted[1:] if _is_units(row)), ("",) * columns)
    return fitted[0], units


def _is_units(row: Sequence[str]) -> bool:
    said = [cell for cell in row if cell]
    return bool(said) and all(stated_unit(cell) or time_unit(cell) for cell in said)


def _with_unit(title: ColumnTitle, unit: str) -> ColumnTitle:
    if not unit:
        return title
    return ColumnTitle(
        title.name,
        unit if stated_unit(unit) else title.unit,
        title.is_time,
        title.is_counter,
        time_unit(unit) or title.seconds,
    )


def _stored(cells: Cells, without: int | None) -> Numbers:
    """The table's numbers without its time column: integers where all of them are."""
    if without is None:
        values, whole = cells.values, cells.integers
    else:
        values = np.delete(cells.values, without, axis=1)
        whole = cells.integers or bool((values == np.rint(values)).all())
    if not whole or np.isnan(values).any() or np.abs(values).max(initial=0) >= 1 << 31:
        return values
    return values.astype(np.int32)


def _facts(comments: Sequence[str], titles: Sequence[ColumnTitle], rates: Sequence[float]) -> BlockFacts:
    said = {pair[1].strip().lower().replace(" ", "_"): pair[2].strip() for pair in map(_PAIR.match, comments) if pair}
    return BlockFacts(
        sample_rate_hz=_one_rate([*rates, *_comment_rates(said)]),
        labels=tuple(title.name for title in titles),
        units=_units(titles, said),
        age_years=parse_age(next((said[name] for name in fact_names.AGE if name in said), "")),
        sex=parse_sex(next((said[name] for name in fact_names.SEX if name in said), "")),
    )


def _units(titles: Sequence[ColumnTitle], said: dict[str, str]) -> tuple[str, ...]:
    common = next((said[name] for name in fact_names.UNIT if name in said), "")
    common = common if stated_unit(common) else ""
    if any(title.unit for title in titles):
        return tuple(title.unit or common for title in titles)
    return (common,) if common else ()


def _comment_rates(said: dict[str, str]) -> list[float]:
    rates = []
    for name in fact_names.RATE & said.keys():
        match = re.match(r"^([\d.]+)\s*(hz)?$", said[name], re.IGNORECASE)
        if match and match[1].count(".") <= 1:
            rates.append(float(match[1]))
    return rates


def _one_rate(rates: Sequence[float]) -> float | None:
    if not rates:
        return None
    if max(rates) - min(rates) > 1e-3 * max(rates):
        raise UnreadableFile("The file states several sampling rates.", field="sample_rate_hz")
    return rates[-1]
