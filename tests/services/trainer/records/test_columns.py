import json
from pathlib import Path

import numpy as np
import pytest

from services.trainer.records.columns import Columns, ColumnsWriter, DamagedColumns, Texts, encoded


def written(folder: Path) -> Columns:
    writer = ColumnsWriter(folder)
    writer.append(2, {("id",): encoded(["a", "bcd"]), ("age",): np.array([50.0, np.nan])})
    writer.append(1, {("id",): encoded(["èlongest"]), ("label", "g", "X"): np.array([1], np.uint8)})
    writer.append(2, {("id",): encoded(["e", ""]), ("label", "g", "Y"): np.array([0, 1], np.uint8)})
    writer.close({"left_out": 3})
    return Columns(folder)


def test_columns_come_back_as_they_were_and_gaps_are_empty(tmp_path: Path) -> None:
    table = written(tmp_path)
    assert table.rows == 5
    assert list(Texts(table.read("id"))) == ["a", "bcd", "èlongest", "e", ""]
    np.testing.assert_array_equal(table.read("age"), [50, np.nan, np.nan, np.nan, np.nan])
    assert table.read("label", "g", "X").tolist() == [0, 0, 1, 0, 0]
    assert table.read("label", "g", "Y").tolist() == [0, 0, 0, 0, 1]
    assert table.under("label", "g") == [("label", "g", "X"), ("label", "g", "Y")]
    assert ("label", "g", "Z") not in table
    assert table.facts == {"left_out": 3}
    assert isinstance(table.read("age"), np.memmap)


def test_texts_are_made_when_asked_for(tmp_path: Path) -> None:
    texts = Texts(written(tmp_path).read("id"))
    assert (len(texts), texts[1], list(texts[1:3])) == (5, "bcd", ["bcd", "èlongest"])
    assert list(texts.take(np.array([3, 0]))) == ["e", "a"]


def test_a_block_of_unequal_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 values for 3 rows"):
        ColumnsWriter(tmp_path).append(3, {("age",): np.zeros(2)})


@pytest.mark.parametrize("harm", ["cut", "flipped", "gone", "no directory", "another directory"])
def test_what_does_not_hold_what_it_says_is_damaged(tmp_path: Path, harm: str) -> None:
    written(tmp_path)
    column, directory = tmp_path / "0001.column", tmp_path / "columns.json"
    content = column.read_bytes()
    if harm == "cut":
        column.write_bytes(content[:-8])
    elif harm == "flipped":
        column.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    elif harm == "gone":
        column.unlink()
    elif harm == "no directory":
        directory.unlink()
    else:
        directory.write_text(json.dumps({"rows": "many"}))
    with pytest.raises(DamagedColumns):
        Columns(tmp_path)
