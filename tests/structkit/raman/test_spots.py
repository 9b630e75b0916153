"""Spots that do not follow the others, in spectra made of Gaussians and counts."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from structkit.errors import SchemaError
from structkit.raman.bands import Band
from structkit.raman.fit import BandFit, fit_bands
from structkit.raman.model import BandModel
from structkit.raman.spots import LEAST_SPOTS, find_odd_spots
from structkit.schema import INTENSITY, INTENSITY_STD, make_spectra

SHIFT = np.arange(200.0, 800.0, 2.0)
N_SPOTS = 8
ORDINARY = 0.15
"""1 sigma of ln(amount) of each species: what focus and grains make."""
LINES = {"salt": ((378.0, 1500.0), (300.0, 500.0)), "oxide": ((630.0, 60.0),)}
BACKGROUND = 400.0
STRANGE = 480.0
BURNT = 9.0
"""Times the oxide of a sound spot: beyond exp(5 x 0.25), the ordinary at the limit."""
# a centre of five summed points of 2 cm-1, of a line 14 cm-1 wide
PLACE_TOLERANCE = 8.0


def line(centre: float, height: float) -> np.ndarray:
    away = (SHIFT - centre) / 14.0
    return np.asarray(height * np.exp(-4.0 * np.log(2.0) * away**2))


def simulate(
    seed: int,
    *,
    oxide: dict[int, float] | None = None,
    strange: dict[int, float] | None = None,
    scatter: float = ORDINARY,
    n_spots: int = N_SPOTS,
) -> xr.Dataset:
    """Return spots; ``oxide`` multiplies its band in some, ``strange`` adds a line."""
    rng = np.random.default_rng(seed)
    rows = []
    for spot in range(n_spots):
        light = BACKGROUND * (1.0 + SHIFT / 800.0)
        for species, lines in LINES.items():
            amount = float(np.exp(scatter * rng.standard_normal()))
            if species == "oxide" and oxide:
                amount *= oxide.get(spot, 1.0)
            light = light + amount * sum(line(*each) for each in lines)
        light = light + line(STRANGE, (strange or {}).get(spot, 0.0))
        rows.append(light)
    expected = np.asarray(rows)
    spectra = make_spectra(SHIFT, rng.poisson(expected).astype(float))
    dims, attrs = spectra[INTENSITY].dims, spectra[INTENSITY].attrs
    return spectra.assign({INTENSITY_STD: (dims, np.sqrt(expected), attrs)})


def fit(spectra: xr.Dataset | list[xr.Dataset]) -> BandFit:
    bands = tuple(
        Band(
            name=f"{species} {centre:.0f}",
            species=species,
            wavenumber=centre,
            wavenumber_std=3.0,
            fwhm=14.0,
            fwhm_factor=1.2,
            grade="user",
        )
        for species, lines in LINES.items()
        for centre, _ in lines
    )
    return fit_bands(spectra, BandModel(bands=bands))


def test_sound_spots_are_not_odd() -> None:
    told = [find_odd_spots(fit(simulate(seed))) for seed in range(20)]
    assert sum(bool(each) for each in told) <= 1  # asked: 5 % of samples


def test_a_cosmic_ray_makes_no_spot_odd() -> None:
    spectra = simulate(3)
    values = spectra[INTENSITY].to_numpy().copy()
    values[2, 150:152] += (8000.0, 3000.0)
    hit = spectra.assign({INTENSITY: spectra[INTENSITY].copy(data=values)})
    assert find_odd_spots(fit(hit)) == ()


@pytest.mark.parametrize("burnt", [(2,), (0, 5), (1, 4, 7)])
def test_spots_with_more_oxide_are_named(burnt: tuple[int, ...]) -> None:
    spectra = simulate(5, oxide=dict.fromkeys(burnt, BURNT))
    odd = find_odd_spots(fit(spectra))
    assert tuple(each.number for each in odd) == burnt
    for each in odd:
        assert each.species == "oxide"
        assert each.share > 3.0 * each.usual
        assert each.statement.startswith(f"spot {each.number + 1} of 8 does not follow")
        assert "oxide" in each.statement


def test_what_scatters_everywhere_is_not_odd() -> None:
    wide = simulate(7, scatter=0.9)
    assert find_odd_spots(fit(wide)) == ()


def test_a_line_that_the_model_lacks_is_placed() -> None:
    (odd,) = find_odd_spots(fit(simulate(1, strange={6: 250.0})))
    assert odd.number == 6
    assert odd.species == ""
    assert odd.raman_shift == pytest.approx(STRANGE, abs=PLACE_TOLERANCE)
    assert np.isnan(odd.share)


def test_a_misfit_of_all_spots_is_none_of_one() -> None:
    everywhere = simulate(1, strange=dict.fromkeys(range(N_SPOTS), 250.0))
    assert find_odd_spots(fit(everywhere)) == ()


def test_spots_are_counted_within_their_sample() -> None:
    both = fit([simulate(2), simulate(4, oxide={3: BURNT})])
    odd = find_odd_spots(both, range(N_SPOTS, 2 * N_SPOTS))
    assert [each.number for each in odd] == [3]
    assert find_odd_spots(both, range(N_SPOTS)) == ()


def test_few_spots_are_not_judged() -> None:
    few = simulate(2, oxide={0: BURNT}, n_spots=LEAST_SPOTS - 1)
    assert find_odd_spots(fit(few)) == ()


@pytest.mark.parametrize("members", [[0, 1, 2, 8], [0, 0, 1, 2], [-1, 0, 1, 2]])
def test_places_that_are_not_there_are_refused(members: list[int]) -> None:
    with pytest.raises(SchemaError, match="different places of the fit's 8 spectra"):
        find_odd_spots(fit(simulate(0)), members)
