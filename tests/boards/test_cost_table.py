import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.boards.cost_table import (
    CostRow,
    CostTable,
    CostTableError,
    OperatingPoint,
    SwitchCost,
)

COUNTS = st.integers(0, 10**12)
ORIGINS = st.sampled_from(["measured", "simulated", "modelled", "synthetic"])
POINTS = st.builds(
    OperatingPoint, st.integers(0, 5_000_000), st.integers(1, 8), st.sampled_from(["", "max"])
)
ROWS = st.builds(CostRow, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, ORIGINS)
TABLES = st.builds(
    CostTable,
    st.text(),
    st.dictionaries(st.tuples(st.text(), POINTS), ROWS, max_size=8),
    st.builds(SwitchCost, COUNTS, COUNTS, ORIGINS),
    st.dictionaries(st.integers(0, 5_000_000), COUNTS, max_size=4),
    COUNTS,
    st.lists(st.text(), max_size=3).map(tuple),
)


@given(TABLES)
def test_a_table_survives_its_text(table: CostTable) -> None:
    assert CostTable.from_json(table.to_json()) == table


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
)


@given(ANY | st.just({"format_version": 1}) | st.just({"format_version": 1, "rows": [{}]}))
def test_text_that_is_no_table_is_a_cost_table_error(document: Any) -> None:
    for text in (json.dumps(document), str(document)):
        with pytest.raises(CostTableError):
            CostTable.from_json(text)


def test_a_missing_row_says_what_fills_it() -> None:
    table = CostTable("sim:x", {}, SwitchCost(1, 1), {}, 0)
    with pytest.raises(CostTableError, match=r"row for stage exit0 at 1500 MHz; .* measure"):
        table.row("exit0", OperatingPoint(1_500_000))


def test_a_saved_table_is_whole_or_the_old_one(tmp_path: Path) -> None:
    path, table = tmp_path / "costs.json", CostTable("x", {}, SwitchCost(1, 1), {}, 7)
    path.write_text("old")
    table.save(path)
    assert CostTable.from_json(path.read_text()) == table
    assert list(tmp_path.iterdir()) == [path]


def test_an_operating_point_reads_well() -> None:
    assert str(OperatingPoint(1_500_000)) == "1500 MHz"
    assert str(OperatingPoint(62_500, 4, "max")) == "62.5 MHz x 4 max"
