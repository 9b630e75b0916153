"""Rows become sweeps: order, repetitions, signs, rows that are left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from structkit.errors import ReadError
from structkit.io.raw_table import RawTable
from structkit.io.sweeps import split_runs, to_sweeps

DOWN = np.array([1e4, 3e3, 1e3, 300.0, 100.0, 30.0])


def simulate(frequency: ArrayLike) -> np.ndarray:
    """Return a resistor with a parallel RC, ohm."""
    omega = 2.0 * np.pi * np.asarray(frequency, dtype=float)
    return np.asarray(10.0 + 90.0 / (1.0 + 1j * omega * 1e-4))


def make_table(
    frequency: ArrayLike,
    *,
    impedance: ArrayLike | None = None,
    time: ArrayLike | None = None,
    sign_known: bool = True,
) -> RawTable:
    frequency = np.asarray(frequency, dtype=float)
    values = simulate(frequency) if impedance is None else np.asarray(impedance)
    columns = {"frequency": frequency, "real": values.real, "imaginary": values.imag}
    if time is not None:
        columns["time"] = np.asarray(time, dtype=float)
    lines = np.arange(5, 5 + frequency.size)
    path = Path("a.txt")
    return RawTable(path=path, columns=columns, lines=lines, sign_known=sign_known)


def test_a_falling_sweep_is_turned_without_a_remark() -> None:
    (spectrum,) = to_sweeps(make_table(DOWN, time=np.arange(6.0) + 3.0))
    np.testing.assert_array_equal(spectrum.frequency, DOWN[::-1])
    np.testing.assert_array_equal(spectrum.impedance, simulate(DOWN)[::-1])
    np.testing.assert_array_equal(spectrum.time, [5.0, 4.0, 3.0, 2.0, 1.0, 0.0])
    assert spectrum.attrs["remarks"] == ""


def test_repeats_are_split_where_the_frequency_restarts() -> None:
    twice = np.concatenate([DOWN, DOWN])
    values = simulate(twice)
    values[6:] *= 2.0
    first, second = to_sweeps(make_table(twice, impedance=values))
    np.testing.assert_allclose(second.impedance, 2.0 * first.impedance)
    assert second.attrs["remarks"] == "Sweep 2 of 2 in this table."


def test_down_and_up_again_are_two_sweeps() -> None:
    there_and_back = np.concatenate([DOWN, DOWN[::-1][1:]])
    values = simulate(there_and_back) * np.linspace(1.0, 1.1, 11)
    spectra = to_sweeps(make_table(there_and_back, impedance=values))
    assert [s.sizes["frequency"] for s in spectra] == [6, 5]


def test_the_turn_may_be_measured_twice() -> None:
    there_and_back = np.concatenate([DOWN, DOWN[::-1]])
    values = simulate(there_and_back) * np.linspace(1.0, 1.1, 12)
    spectra = to_sweeps(make_table(there_and_back, impedance=values))
    assert [s.sizes["frequency"] for s in spectra] == [6, 6]


def test_sweeps_on_shifted_frequencies_are_not_mixed() -> None:
    spectra = to_sweeps(make_table(np.concatenate([DOWN, 0.9 * DOWN])))
    assert [s.sizes["frequency"] for s in spectra] == [6, 6]


def test_two_bands_without_a_repetition_are_one_sweep() -> None:
    bands = np.concatenate([DOWN[3:], DOWN[:3]])
    (spectrum,) = to_sweeps(make_table(bands))
    np.testing.assert_array_equal(spectrum.frequency, DOWN[::-1])
    assert spectrum.attrs["remarks"] == (
        "Rows were out of order from line 8 on; they were sorted."
    )


def test_rows_in_disorder_are_sorted() -> None:
    order = [3, 0, 5, 1, 4, 2]
    (spectrum,) = to_sweeps(make_table(DOWN[order]))
    np.testing.assert_array_equal(spectrum.impedance, simulate(DOWN)[::-1])
    assert "out of order" in spectrum.attrs["remarks"]


def test_a_row_written_twice_is_kept_once() -> None:
    rows = [0, 1, 2, 2, 3, 4, 5]
    (spectrum,) = to_sweeps(make_table(DOWN[rows]))
    assert spectrum.sizes["frequency"] == 6
    remark = "1 rows repeat the row before (line 8); kept once."
    assert spectrum.attrs["remarks"] == remark


def test_a_frequency_twice_with_other_impedance_is_an_error() -> None:
    rows = [0, 1, 2, 2, 3, 4, 5]
    values = simulate(DOWN[rows])
    values[3] += 1.0
    with pytest.raises(ReadError, match=r"a\.txt: line 8: the frequency 1000 Hz"):
        to_sweeps(make_table(DOWN[rows], impedance=values))


def test_one_frequency_over_time_is_an_error() -> None:
    values = simulate(np.full(6, 100.0)) * np.linspace(1.0, 2.0, 6)
    with pytest.raises(ReadError, match="100 Hz repeats"):
        to_sweeps(make_table(np.full(6, 100.0), impedance=values))


def test_the_stub_of_a_further_sweep_is_left_out() -> None:
    values = simulate(np.concatenate([DOWN, DOWN[:2]]))
    values[6:] *= 1.1
    table = make_table(np.concatenate([DOWN, DOWN[:2]]), impedance=values)
    (spectrum,) = to_sweeps(table)
    assert spectrum.sizes["frequency"] == 6
    assert "2 last rows begin another sweep" in spectrum.attrs["remarks"]


def test_rows_of_direct_current_and_of_zeros_are_left_out() -> None:
    frequency = np.concatenate([[0.0, 0.0, -1.0], DOWN])
    values = np.concatenate([[0.0, 0.0, 0.0], simulate(DOWN)])
    values[4] = 0.0
    (spectrum,) = to_sweeps(make_table(frequency, impedance=values))
    assert spectrum.attrs["remarks"].splitlines() == [
        "3 rows at 0 Hz or below were left out.",
        "1 rows of zero impedance were left out.",
    ]
    assert spectrum.sizes["frequency"] == 5


def test_only_direct_current_is_refused_with_the_remedy() -> None:
    with pytest.raises(ReadError, match="read_polarization"):
        to_sweeps(make_table(np.zeros(6), impedance=np.ones(6, dtype=complex)))


def test_a_missing_value_is_named() -> None:
    values = simulate(DOWN)
    values[4] = np.nan
    with pytest.raises(ReadError, match="line 9: a value is missing"):
        to_sweeps(make_table(DOWN, impedance=values))


def test_too_few_points_are_told() -> None:
    with pytest.raises(ReadError, match="2 usable points"):
        to_sweeps(make_table(DOWN[:2]))


def test_an_unknown_sign_makes_low_frequencies_capacitive() -> None:
    for values in (simulate(DOWN), np.conj(simulate(DOWN))):
        table = make_table(DOWN, impedance=values, sign_known=False)
        (spectrum,) = to_sweeps(table)
        np.testing.assert_array_equal(spectrum.impedance, simulate(DOWN)[::-1])
        assert "No header says the sign of Z''" in spectrum.attrs["remarks"]


def test_an_inductive_tail_does_not_turn_the_sign() -> None:
    omega = 2.0 * np.pi * DOWN
    values = simulate(DOWN) + 1j * omega * 1e-3
    assert values.imag.max() > 0.0
    table = make_table(DOWN, impedance=values, sign_known=False)
    (spectrum,) = to_sweeps(table)
    np.testing.assert_array_equal(spectrum.impedance, values[::-1])


def test_a_stated_sign_is_obeyed_and_doubted() -> None:
    values = np.conj(simulate(DOWN))
    (spectrum,) = to_sweeps(make_table(DOWN, impedance=values))
    np.testing.assert_array_equal(spectrum.impedance, values[::-1])
    assert "inductive" in spectrum.attrs["remarks"]


def test_a_phase_of_opposite_sign_is_told() -> None:
    table = make_table(DOWN)
    columns = dict(table.columns) | {"phase": -np.angle(simulate(DOWN))}
    (spectrum,) = to_sweeps(RawTable(path=table.path, columns=columns))
    assert "phase column has the opposite sign" in spectrum.attrs["remarks"]


def test_modulus_and_phase_give_the_impedance() -> None:
    values = simulate(DOWN)
    columns = {"frequency": DOWN, "modulus": abs(values), "phase": np.angle(values)}
    (spectrum,) = to_sweeps(RawTable(path=Path("a.csv"), columns=columns))
    np.testing.assert_allclose(spectrum.impedance, values[::-1], rtol=1e-14)


def test_times_that_stand_still_are_none() -> None:
    (spectrum,) = to_sweeps(make_table(DOWN, time=np.full(6, 59.3)))
    assert "time" not in spectrum.coords


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=3, max_size=25, unique=True))
def test_any_order_of_distinct_frequencies_keeps_all_points(steps: list[int]) -> None:
    frequency = 1.3 ** np.array(steps, dtype=float)
    spectra = to_sweeps(make_table(frequency))
    found = np.concatenate([spectrum.frequency for spectrum in spectra])
    np.testing.assert_array_equal(np.sort(found), np.sort(frequency))
    for spectrum in spectra:
        expected = simulate(spectrum.frequency)
        np.testing.assert_array_equal(spectrum.impedance, expected)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1e-3, 1e7), min_size=1, max_size=30))
def test_pieces_are_monotone_and_complete(values: list[float]) -> None:
    frequency = np.array(values)
    pieces = split_runs(frequency)
    np.testing.assert_array_equal(np.concatenate(pieces), np.arange(frequency.size))
    for piece in pieces:
        steps = np.diff(frequency[piece])
        assert np.all(steps > 0.0) or np.all(steps < 0.0) or steps.size == 0
