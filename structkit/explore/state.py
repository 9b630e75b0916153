"""What a user may change of a band model, and what a fit says to it.

No widget stands here: a state is a value, and :func:`fit_state` turns it into a fit,
its curves, its BIC against another, and the metrics.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from structkit.errors import SchemaError, StructkitError
from structkit.plot.spectrum import compose_spectrum_figure
from structkit.raman.assign import compare_fits, count_parameters
from structkit.raman.bands import Band
from structkit.raman.covariance import covariance_of
from structkit.raman.curves import spectrum_curves
from structkit.raman.fit import BandFit, fit_bands
from structkit.raman.library import BandLibrary
from structkit.raman.model import BandModel
from structkit.raman.sample import MetricRules, SampleMetrics, measure_sample
from structkit.raman.statements import review_statements
from structkit.schema import INTENSITY, RAMAN_SHIFT

_HELD_STD = 0.02
_HELD_REACH = 0.05
_REACH = 4.0
_SEEN = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BandChoice:
    """One band and what a user did to it."""

    band: Band
    """As the library has it."""
    on: bool = True
    """Whether the model holds it."""
    centre: float
    """Where it is expected, or held, **cm-1**."""
    held: bool = False
    """Whether the centre stays where it was put. It still counts as a parameter:
    somebody chose it."""

    def as_band(self, *, tied: bool) -> Band:
        """Return the band for a model; ``tied``: one width for all of its species."""
        band = self.band
        if self.held:
            reach = _HELD_REACH
            band = replace(
                band,
                wavenumber=self.centre,
                wavenumber_std=_HELD_STD,
                window=(self.centre - reach, self.centre + reach),
            )
        elif self.centre != band.wavenumber:
            reach = _REACH * band.wavenumber_std
            window = (self.centre - reach, self.centre + reach)
            band = replace(band, wavenumber=self.centre, window=window)
        return replace(band, family=band.species) if tied else band


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplorerState:
    """All that the controls say."""

    choices: tuple[BandChoice, ...]
    """Every band that can be switched on, by centre."""
    tied: frozenset[str] = frozenset()
    """Species whose bands share one width and shape."""
    smoothness: float | None = None
    """Stiffness of the baseline; None: the most probable one."""

    def choice(self, name: str) -> BandChoice:
        """Return the choice of a band.

        Raises
        ------
        SchemaError
            There is no band of that name.
        """
        for one in self.choices:
            if one.band.name == name:
                return one
        known = ", ".join(one.band.name for one in self.choices)
        raise SchemaError(f"no band {name!r} among the controls; there are {known}")

    def change(
        self,
        name: str,
        *,
        on: bool | None = None,
        centre: float | None = None,
        held: bool | None = None,
    ) -> ExplorerState:
        """Return the state with one band changed; None leaves a field as it is."""
        old = self.choice(name)
        new = replace(
            old,
            on=old.on if on is None else on,
            centre=old.centre if centre is None else centre,
            held=old.held if held is None else held,
        )
        choices = tuple(new if one is old else one for one in self.choices)
        return replace(self, choices=choices)

    def model(self, base: BandModel) -> BandModel:
        """Return the model of this state; shape and instrument are those of ``base``.

        Raises
        ------
        SchemaError
            Every band is off, and ``base`` has no template.
        """
        bands = tuple(
            one.as_band(tied=one.band.species in self.tied)
            for one in self.choices
            if one.on
        )
        baseline = replace(base.baseline, smoothness=self.smoothness)
        return replace(base, bands=bands, ties=(), baseline=baseline)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exploration:
    """What the data say to a state."""

    state: ExplorerState
    """The state."""
    fit: BandFit | None
    """Its fit; None where it could not be fitted."""
    curves: xr.Dataset | None
    """Its curves (:mod:`structkit.raman.curves`)."""
    measured: SampleMetrics | None
    """Bands and metrics; no other baseline was tried."""
    delta_bic: float
    """BIC less that of the fit it is compared with; NaN where there is none."""
    n_parameters: int
    """Free parameters of the bands."""
    statements: tuple[str, ...]
    """Statements of the study that concern the bands found."""
    reason: str = ""
    """Why there is no fit."""

    @property
    def chi_square(self) -> float:
        """Return the reduced chi-square; NaN where there is no fit."""
        return math.nan if self.curves is None else self.curves.attrs["chi_square"]

    def compose_figure(self, *, title: str = "") -> Figure:
        """Return the spectrum with its components over the residual.

        Raises
        ------
        SchemaError
            There is no fit.
        """
        if self.curves is None:
            raise SchemaError(f"nothing to draw: {self.reason}")
        return compose_spectrum_figure(self.curves, title=title)


def start_state(
    species: Iterable[str],
    *,
    library: BandLibrary,
    within: tuple[float, float],
    off: Iterable[str] = (),
) -> ExplorerState:
    """Return the state to start from: the library's bands of some species.

    Parameters
    ----------
    species : iterable of str
        Whose bands are on, but for those that are only listed to be known of.
    library : BandLibrary
        Bands.
    within : tuple of float
        Range of the spectrum, **cm-1**; bands outside cannot be fitted.
    off : iterable of str
        Further species, whose bands can be switched on.

    Returns
    -------
    ExplorerState

    Raises
    ------
    SchemaError
        A species is unknown, or none has a band in the range.
    """
    on = list(dict.fromkeys(species))
    more = [name for name in dict.fromkeys(off) if name not in on]
    known = library.select([*on, *more], with_unfitted=True).within(*within)
    choices = [
        BandChoice(
            band=band,
            centre=band.wavenumber,
            on=band.species in on and band.in_hypotheses,
        )
        for band in known.bands
    ]
    if not choices:
        low, high = within
        raise SchemaError(
            f"no band of {', '.join([*on, *more])} within {low:.4g} to {high:.4g} cm-1"
        )
    choices.sort(key=lambda one: one.centre)
    return ExplorerState(choices=tuple(choices))


def fit_state(
    spectrum: xr.Dataset,
    state: ExplorerState,
    *,
    base: BandModel,
    rules: MetricRules | None = None,
    against: BandFit | None = None,
) -> Exploration:
    """Fit a state to one spectrum.

    Parameters
    ----------
    spectrum : xarray.Dataset
        One spot (:func:`structkit.raman.assign.add_spots` makes one of several).
    state : ExplorerState
        Bands, ties and baseline.
    base : BandModel
        Shape and instrument width; its bands do not matter.
    rules : MetricRules, optional
        Windows of the metrics.
    against : BandFit, optional
        Fit of the same spectrum to compare the BIC with.

    Returns
    -------
    Exploration
        A state that cannot be fitted is a value with its reason.

    Notes
    -----
    A fit of one spectrum knows neither the scatter from spot to spot nor other
    baselines: the uncertainties of its metrics are lower limits.
    """
    try:
        fit = fit_bands(spectrum, state.model(base))
    except StructkitError as error:
        return Exploration(
            state=state,
            fit=None,
            curves=None,
            measured=None,
            delta_bic=math.nan,
            n_parameters=0,
            statements=(),
            reason=str(error),
        )
    with np.errstate(over="ignore", invalid="ignore"):  # a ratio to nothing at all
        measured = measure_sample(fit, rules, ensemble=(), refit=False)
    units = str(spectrum[INTENSITY].attrs["units"])
    curves = spectrum_curves(fit, 0, units=units, known=measured.identifiability)
    delta = math.nan
    if against is not None:
        both = compare_fits({"against": against, "own": fit})
        delta = both["own"] - both["against"]
    return Exploration(
        state=state,
        fit=fit,
        curves=curves,
        measured=measured,
        delta_bic=delta,
        n_parameters=count_parameters(fit),
        statements=_review(fit, spectrum),
    )


def _review(fit: BandFit, spectrum: xr.Dataset) -> tuple[str, ...]:
    """Return the statements that the bands which stand out concern."""
    sigma = covariance_of(fit).of_spectrum(0).diagonal() ** 0.5
    places = {name: k for k, name in enumerate(fit.model.names)}
    centres = [
        float(fit.solution.shared[fit.layout.centre][number])
        for number, band in enumerate(fit.model.bands)
        if fit.areas[0, places[band.name]] > _SEEN * sigma[places[band.name]]
    ]
    shift = spectrum[RAMAN_SHIFT].to_numpy()
    ends = (float(shift[0]), float(shift[-1]))
    return tuple(review_statements(centres, measured=ends))
