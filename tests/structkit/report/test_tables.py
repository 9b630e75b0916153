"""Stored tables as they are shown."""

from __future__ import annotations

from structkit.report.tables import SHOWN_ROWS, head_of, pair_columns, view_table

ROWS = [
    {"sample": "1", "t1_s": "0.0013458", "t1_std_s": "5.01e-05", "remark": "a, b"},
    {"sample": "2", "t1_s": "", "t1_std_s": "", "remark": ""},
]


def test_value_and_uncertainty_share_a_cell_that_sorts_by_the_value() -> None:
    view = view_table("t1", ROWS)
    assert view.header == ("sample", "T1 (s)", "remark")
    assert [cell.text for cell in view.rows[0]] == ["1", "0.00135(5)", "a, b"]
    assert float(view.rows[0][1].sort) == 0.0013458
    assert view.rows[1][1].text == "–"
    assert view.rows[1][1].sort == ""


def test_download_holds_what_was_stored() -> None:
    assert view_table("t1", ROWS).csv.splitlines()[:2] == [
        "sample,t1_s,t1_std_s,remark",
        '1,0.0013458,5.01e-05,"a, b"',
    ]


def test_std_belongs_to_the_column_before_it_or_of_its_name() -> None:
    names = ["a", "a_std", "value", "std", "lost_std", "standard"]
    assert pair_columns(names) == {"a": "a_std", "value": "std"}


def test_units_are_read_from_names() -> None:
    assert head_of("activation_energy_eV") == "activation energy (eV)"
    assert head_of("r_wp_percent") == "Rwp (%)"


def test_a_very_long_table_is_cut_and_says_so() -> None:
    view = view_table("many", [{"value": str(k)} for k in range(SHOWN_ROWS + 5)])
    assert len(view.rows) == SHOWN_ROWS
    assert str(SHOWN_ROWS + 5) in view.remark
    assert len(view.csv.splitlines()) == SHOWN_ROWS + 6
