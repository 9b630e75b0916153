"""Conductivities: published tables, drawn errors, missing geometry."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from structkit.eis.conductivity import compute_conductivity, make_resistances
from structkit.eis.leads import ShortCell
from structkit.eis.pellet import Pellet
from structkit.errors import SchemaError

DRAWS = 60_000
FIRST_ORDER = 0.04
"""Relative: second order of errors of 5 %, and 0.3 % of sampling."""
PUBLISHED = 0.005
"""Relative: digits of the published resistances and conductivities."""
PELLET = Pellet(
    diameter_mm=8.0, diameter_std_mm=0.04, thickness_mm=0.85, thickness_std_mm=0.0255
)


def test_covariance_is_that_of_drawn_resistances() -> None:
    random = np.random.default_rng(5)
    arcs = np.array([[25.0, -20.0], [-20.0, 30.0]])
    drawn = random.multivariate_normal([120.0, 200.0], arcs, DRAWS)
    z = random.standard_normal((3, DRAWS))
    short = 2.0 + 0.8 * z[0]
    constant = (
        0.085 * (1 + 0.03 * z[1]) / (math.pi / 4 * (0.8 * (1 + 0.005 * z[2])) ** 2)
    )
    bulk, boundary = drawn[:, 0] - short, drawn[:, 1]
    slow = np.cov(constant / np.stack([bulk, boundary, bulk + boundary]))
    found = compute_conductivity(
        make_resistances(
            [300.0], bulk=[120.0], grain_boundary=[200.0], covariance=arcs[None]
        ),
        PELLET,
        short=ShortCell(resistance_ohm=2.0, resistance_std_ohm=0.8),
    )
    matrix = found["conductivity_covariance"].to_numpy()[0]
    scale = np.sqrt(np.outer(np.diag(slow), np.diag(slow)))
    np.testing.assert_allclose(matrix / scale, slow / scale, atol=FIRST_ORDER)
    np.testing.assert_allclose(
        found["conductivity_std"].to_numpy()[0] ** 2, np.diag(matrix)
    )


def test_shifts_and_statistics_make_the_whole() -> None:
    found = compute_conductivity(
        make_resistances([300.0, 310.0], total=[40.0, 30.0], total_std=[0.4, 0.3]),
        PELLET,
        short=ShortCell(resistance_ohm=1.0, resistance_std_ohm=0.3),
    ).sel(contribution="total")
    own = found["conductivity_statistical_std"] ** 2
    common = (found["conductivity_shift"] ** 2).sum("error_source")
    np.testing.assert_allclose(found["conductivity_std"] ** 2, own + common)
    # geometry is the same share at all temperatures, leads are not
    relative = found["conductivity_shift"] / found["conductivity"]
    geometry = relative.sel(error_source="geometry").to_numpy()
    leads = relative.sel(error_source="short_cell").to_numpy()
    np.testing.assert_allclose(geometry, PELLET.relative_std)
    np.testing.assert_allclose(leads, [0.3 / 39.0, 0.3 / 29.0])
    for name in ("conductivity", "conductivity_std", "conductivity_shift"):
        assert found[name].attrs["units"] == "S cm-1"


def test_leads_are_not_in_the_grain_boundary() -> None:
    arcs = make_resistances([300.0], bulk=[100.0], grain_boundary=[50.0])
    short = ShortCell(resistance_ohm=5.0, resistance_std_ohm=0.1)
    found = compute_conductivity(arcs, PELLET, short=short)["resistance"]
    np.testing.assert_allclose(found.to_numpy()[0], [95.0, 50.0, 145.0])
    done = ShortCell(resistance_ohm=5.0, resistance_std_ohm=0.1, is_subtracted=True)
    kept = compute_conductivity(arcs, PELLET, short=done)
    np.testing.assert_allclose(kept["resistance"].to_numpy()[0], [100.0, 50.0, 150.0])
    shift = kept["conductivity_shift"].sel(error_source="short_cell")
    assert float(shift.sel(contribution="total")[0]) > 0.0


def test_missing_geometry_leaves_resistances_and_the_reason() -> None:
    arcs = make_resistances([300.0], total=[40.0], total_std=[0.4])
    found = compute_conductivity(arcs, None).sel(contribution="total")
    assert found["resistance"].item() == 40.0
    assert math.isnan(found["conductivity"].item())
    assert "no pellet geometry" in found["remark"].item()


def test_unknown_errors_are_not_zero() -> None:
    arcs = make_resistances([300.0], bulk=[100.0], grain_boundary=[50.0])
    found = compute_conductivity(arcs, Pellet(diameter_mm=8.0, thickness_mm=1.0))
    assert np.all(np.isnan(found["conductivity_std"]))
    assert "no uncertainty of diameter, thickness" in found["remark"].item(0)


def test_visible_leads_are_told_and_eaten_resistances_have_no_conductivity() -> None:
    arcs = make_resistances([300.0, 310.0], total=[40.0, 4e4], total_std=[0.4, 40.0])
    told = compute_conductivity(arcs, PELLET).sel(contribution="total")["remark"]
    assert "no short-cell correction" in told.item(0)
    assert told.item(1) == ""
    found = compute_conductivity(arcs, PELLET, short=ShortCell(resistance_ohm=50.0))
    assert math.isnan(found["conductivity"].sel(contribution="total").item(0))


def test_known_variances_stay_where_the_covariance_is_unknown() -> None:
    matrix = [[[25.0, math.nan], [math.nan, 36.0]]]
    found = make_resistances(
        [300.0], bulk=[100.0], grain_boundary=[50.0], covariance=matrix
    )["resistance_std"].to_numpy()[0]
    np.testing.assert_allclose(found, [5.0, 6.0, math.nan])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": [25.0, 18.0], "total": [1.0, 2.0]}, "degrees Celsius"),
        ({"temperature": [300.0], "total": [1.0, 2.0]}, "total has shape"),
        ({"temperature": [300.0], "history": ["a", "b"]}, "history has 2"),
        ({"temperature": [300.0], "in_band": {"grain": [1]}}, "known are"),
        ({"temperature": [300.0], "covariance": [[1.0]]}, "covariance has shape"),
    ],
)
def test_bad_input_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        make_resistances(**arguments)  # type: ignore[arg-type]


def published_fits(folder: Path) -> np.ndarray:
    """Return kelvin, R1, R2, esd R1, esd R2 and their correlation, a row each."""
    text = (folder / "Batch_EISfit_Report.txt").read_text(encoding="utf-8")
    rows = []
    for block in re.split(r"Data_(?=\d+K)", text)[1:]:
        kelvin = float(block[: block.index("K")])
        first = re.search(r"R1 =\s+(\S+)\s+(\S+)", block)
        second = re.search(r"R2 =\s+(\S+)\s+(\S+)", block)
        correlation = re.search(r"R2 :\s+(\S+)", block)
        assert first is not None
        assert second is not None
        assert correlation is not None
        numbers = (*first.groups(), *second.groups(), correlation.group(1))
        rows.append([kelvin, *map(float, numbers)])
    return np.array(rows)


def published_conductivities(folder: Path) -> np.ndarray:
    """Return bulk, boundary and total conductivities, shape (7, 3)."""
    text = (folder / "Arrhenius_Analysis_Report.txt").read_text(encoding="utf-8")
    rows = re.findall(r"^\s+\d{3}\.0\s+(\S+)", text, flags=re.MULTILINE)
    return np.array(rows, dtype=float).reshape(3, -1).T


@pytest.mark.shared
def test_published_pellet(shared_data: Path) -> None:
    folder = shared_data / "eis" / "EISFitpython" / "results" / "Example3"
    kelvin, bulk, bulk_std, boundary, boundary_std, r = published_fits(folder).T
    matrix = np.stack(
        [
            np.stack([bulk_std**2, r * bulk_std * boundary_std], 1),
            np.stack([r * bulk_std * boundary_std, boundary_std**2], 1),
        ],
        axis=1,
    )
    arcs = make_resistances(
        kelvin, bulk=bulk, grain_boundary=boundary, covariance=matrix
    )
    found = compute_conductivity(arcs, Pellet(diameter_mm=8.0, thickness_mm=2.1))
    published = published_conductivities(folder)
    np.testing.assert_allclose(found["conductivity"], published, rtol=PUBLISHED)
    # the arcs trade: their sum is known better than the smaller one
    std = found["conductivity_statistical_std"] / found["conductivity"]
    assert np.all(std.sel(contribution="total") < std.sel(contribution="bulk"))
