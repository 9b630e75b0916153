"""What is true about the Raman spectra of a synthetic milling series.

A sample has the amounts that :class:`structkit.synthetic.study_truth.StudyTruth` gives
it, the same as its diffraction pattern: per tantalum, crystalline NaTaCl6, TaCl5 (as
Ta2Cl10) and glass. Each amount times a cross-section is an area, each area is handed to
the bands of :data:`structkit.synthetic.raman_species.SPECIES`:

====================  ==============================================================
area                  per mole of tantalum in it, NaTaCl6 without its 405 line = 1
====================  ==============================================================
``NaTaCl6``           1
``405 line``          ``axial_ratio`` x area of the 378 line, less the axial loss
``TaCl5``             ``ta2cl10_ratio``
``NTOC glass``        ``kappa``
``Ta-O-Ta bent``      ``bridge_ratio`` x / (6 - 2 x) of the glass
====================  ==============================================================

Kappa is *glass over crystal*. Areas are those of an unreduced spectrum, in count cm-1,
of the median spot; the highest point of the Raman part sets their common scale, as an
operator sets the exposure: ratios mean something, absolute areas do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from structkit.errors import PlanError
from structkit.synthetic.raman_background import Background, draw_background
from structkit.synthetic.raman_lines import (
    LineShape,
    SpectrometerFunction,
    draw_line,
)
from structkit.synthetic.raman_species import (
    ANNEALED,
    AXIAL,
    COVER_GLASS,
    GLASS,
    NTC,
    OXIDE_BRIDGE,
    SPECIES,
    TA2CL10,
    TA2O5,
)
from structkit.synthetic.study_truth import Contents, StudyTruth

Floats = NDArray[np.float64]

RamanAdversary = Literal[
    "tacl5_residue",
    "ta2o5",
    "cover_glass",
    "laser_crystallised",
    "bleaching",
]
"""What misleads the reader of Raman spectra; :data:`RAMAN_ADVERSARIES` says how."""

RAMAN_ADVERSARIES: Mapping[str, str] = MappingProxyType(
    {
        "tacl5_residue": "a tenth of TaCl5 (and its NaCl) never reacts",
        "ta2o5": "hydrolysis: every milled sample shows crystalline Ta2O5",
        "cover_glass": "all samples were measured through a cover glass",
        "laser_crystallised": "the beam crystallised some spots of the milled samples",
        "bleaching": "the spots are one place, its fluorescence fading in the beam",
    }
)
TA2O5_AREA = 0.15
"""Area of Ta2O5 that adversary ``ta2o5`` brings, over that of the sample itself."""
COVER_GLASS_AREA = 1.2
"""Area of the glass that adversary ``cover_glass`` brings, likewise."""
CRYSTALLISED = 0.2
"""Share of the glass that the beam of ``laser_crystallised`` turns to NaTaCl6."""
CRYSTALLISED_OXIDE = 0.15
"""Area of Ta2O5 on such a spot, over that of the sample's glass."""
CRYSTALLISED_SPOTS = 0.25
"""Chance of a spot of a milled sample; at least one is hit."""
BLEACHING_RATE = 0.25
"""Per exposure, of ``bleaching``."""

GRID_LOW, GRID_HIGH = 0.0, 1300.0
"""Raman shifts on which spectra are drawn, cm-1."""
_RESOLVED = (8.0, 10.0)
_UNRESOLVED = (30.0, 33.0)
_LIFETIME_SHARE = {True: 0.6, False: 0.25}
_NOMINAL_FWHM = 9.0
_BROADENING_HOURS = 2.0
_USUAL_OXYGEN = 0.05
_RATE_SPREAD = 0.30
_CENTRE_STD = 1.5
_EXPOSURE_SPREAD = 0.2
_EDGE = (0.1, 0.6)
_STRONGEST = 378.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RamanTruth:
    """The latent numbers of one series of Raman spectra."""

    study: StudyTruth = field(default_factory=StudyTruth)
    """Amounts over milling time."""
    kappa: float = 1.0
    """Area per Ta of the glass over that of NaTaCl6; 0.3 to 3 when drawn."""
    axial_ratio: float = 0.5
    """Area of the 405 line over that of the 378 line before milling; 0: absent."""
    axial_loss: float = 0.6
    """Share of it that is lost where x is 0.05; 0 to 1."""
    bridge_ratio: float = 8.0
    """Area per oxygen of Ta-O-Ta over area per chlorine of the glass."""
    ta2cl10_ratio: float = 1.0
    """Area per Ta of Ta2Cl10 over that of NaTaCl6."""
    stretch_fwhm: tuple[float, float] = (9.0, 9.0)
    """FWHM of the 405 and the 378 line before milling, **cm-1**."""
    resolved: bool = True
    """The two lines can be told apart: they are 8 to 12 wide, 27 cm-1 apart. Where
    False they are inhomogeneous, 30 to 40 wide: a fit with free widths in which the
    glass has its bands knows the area at 405 of a milled sample to 50 % at best."""
    broadening: float = 0.2
    """By how much endless milling widens the bands of NaTaCl6, relative."""
    peak_counts: float = 4000.0
    """Highest point of the Raman part of a spectrum, **count**."""
    fluorescence: tuple[float, float] = (0.3, 5.0)
    """Lowest and highest fluorescence over ``peak_counts``, log-uniform."""
    axis_error: float = 0.0
    """Wavenumber read less the true one, **cm-1**."""
    centre_offsets: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """By how much each band of a species lies beside its nominal place, **cm-1**."""
    spectrometer: SpectrometerFunction = field(default_factory=SpectrometerFunction)
    """What it makes of a sharp line."""

    def __post_init__(self) -> None:
        """Refuse ratios and shares that mean nothing."""
        ratios = (self.kappa, self.bridge_ratio, self.ta2cl10_ratio, self.peak_counts)
        if min(ratios) <= 0.0 or self.axial_ratio < 0.0:
            raise PlanError("cross-section ratios and counts must be positive")
        if not (0.0 <= self.axial_loss <= 1.0 and 0.0 <= self.broadening <= 1.0):
            raise PlanError("axial_loss and broadening must lie in 0..1")
        if not 0.0 < self.fluorescence[0] <= self.fluorescence[1]:
            raise PlanError("fluorescence must be a range above 0")

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        *,
        resolved: bool = True,
        study: StudyTruth | None = None,
    ) -> RamanTruth:
        """Draw the truth of one series.

        Kappa is log-uniform in 0.3 to 3, the bridge's ratio in 4 to 16; rates and
        oxygen come from :meth:`StudyTruth.draw` unless ``study`` is given; the axis is
        off by up to 1 cm-1, bands lie 1.5 cm-1 (1 sigma) beside their nominal places.
        """
        study = study or StudyTruth.draw(rng)
        widths = rng.uniform(*(_RESOLVED if resolved else _UNRESOLVED), size=2)
        offsets = {
            name: tuple(map(float, _CENTRE_STD * rng.standard_normal(len(bands))))
            for name, bands in SPECIES.items()
            if name in (NTC, AXIAL, TA2CL10, GLASS, OXIDE_BRIDGE)
        }
        return cls(
            study=study,
            kappa=float(np.exp(rng.uniform(np.log(0.3), np.log(3.0)))),
            axial_ratio=float(rng.uniform(0.3, 0.8)),
            axial_loss=float(rng.uniform(0.3, 0.9)),
            bridge_ratio=float(np.exp(rng.uniform(np.log(4.0), np.log(16.0)))),
            ta2cl10_ratio=float(np.exp(_RATE_SPREAD * rng.standard_normal())),
            stretch_fwhm=(float(widths[0]), float(widths[1])),
            resolved=resolved,
            broadening=float(rng.uniform(0.0, 0.2)),
            peak_counts=float(np.exp(rng.uniform(np.log(1500.0), np.log(6000.0)))),
            axis_error=float(rng.uniform(-1.0, 1.0)),
            centre_offsets=offsets,
            spectrometer=SpectrometerFunction(fwhm=float(rng.uniform(2.2, 3.0))),
        )

    def shapes_of(self, species: str, time_h: float = 0.0) -> list[LineShape]:
        """Return the lines of a species after ``time_h`` (h) of milling."""
        bands = SPECIES[species]
        offsets = self.centre_offsets.get(species, (0.0,) * len(bands))
        milled = -np.expm1(-time_h / _BROADENING_HOURS)
        wider = float(1.0 + self.broadening * milled)
        shapes = []
        for band, offset in zip(bands, offsets, strict=True):
            if species == AXIAL:
                shapes.append(self._stretch(405.0 + offset, 0, wider))
            elif species == NTC and band.centre == _STRONGEST:
                shapes.append(self._stretch(band.centre + offset, 1, wider))
            elif species == NTC and not self.resolved and band.centre > 200.0:
                widening = wider * self.stretch_fwhm[1] / _NOMINAL_FWHM
                shapes.append(band.shape(offset=offset, widening=widening))
            else:
                widening = wider if species == NTC else 1.0
                shapes.append(band.shape(offset=offset, widening=widening))
        return shapes

    def _stretch(self, centre: float, which: int, wider: float) -> LineShape:
        """Return the 405 or 378 line with its full width shared out.

        Notes
        -----
        ``W = 0.5346 L + sqrt(0.2166 L^2 + G^2)``, good to 2e-4 of the width (Olivero
        and Longbothum 1977, doi:10.1016/0022-4073(77)90161-3), solved for G.
        """
        width = wider * self.stretch_fwhm[which]
        lifetime = _LIFETIME_SHARE[self.resolved] * width
        rest = (width - 0.5346 * lifetime) ** 2 - 0.2166 * lifetime**2
        return LineShape(
            centre=centre,
            homogeneous_fwhm=lifetime,
            environment_fwhm=float(np.sqrt(rest)),
        )

    def axial_share(self, oxygen: float) -> float:
        """Return the area of the 405 line over that of the 378 line.

        It falls exponentially with x, ``oxygen``: no oxygen, no loss.
        """
        kept = (1.0 - self.axial_loss) ** (oxygen / _USUAL_OXYGEN)
        return float(self.axial_ratio * kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmittedBand:
    """One band as a sample emits it."""

    species: str
    """Whose it is."""
    nominal: float
    """Wavenumber of the template, **cm-1**: the band's name, and its window."""
    shape: LineShape
    """Where and how wide."""
    area: float
    """Integral over all Raman shifts, **count cm-1**."""

    @property
    def name(self) -> str:
        """Return ``NTOC glass 385``."""
        if self.species == AXIAL:
            return AXIAL
        return f"{self.species} {self.nominal:.0f}"

    @property
    def centre(self) -> float:
        """Return its mean wavenumber, cm-1."""
        return self.shape.centre

    @property
    def fwhm(self) -> float:
        """Return its full width at half maximum before the spectrometer, cm-1."""
        return self.shape.fwhm


@dataclass(frozen=True, slots=True, kw_only=True)
class RamanSample:
    """One powder under the beam: all that its spectra follow from but chance."""

    name: str
    """Id in the series file."""
    role: str
    """As the series file knows it."""
    time_h: float
    """Milling time, h."""
    bands: tuple[EmittedBand, ...]
    """Of the median spot."""
    background: Background = field(default_factory=Background)
    """Of the median spot."""
    amounts: Mapping[str, float] = field(default_factory=dict)
    """Share of tantalum in ``NaTaCl6``, ``TaCl5`` and ``NTOC glass``."""
    oxygen: float = 0.0
    """x of the glass."""
    kappa: float = 1.0
    """As :attr:`RamanTruth.kappa`."""
    spectrometer: SpectrometerFunction = field(default_factory=SpectrometerFunction)
    """What it makes of a sharp line."""
    axis_error: float = 0.0
    """Wavenumber read less the true one, **cm-1**."""
    damage: tuple[EmittedBand, ...] = ()
    """What a spot emits beside ``bands`` when the beam crystallised it."""
    damage_chance: float = 0.0
    """Chance of a spot to be crystallised; 0: none, else at least one is."""
    bleaching_rate: float = 0.0
    """Loss of fluorescence per exposure; above 0 all spots are one place."""

    def band_table(self) -> list[tuple[str, float, float, float]]:
        """Return name, centre (cm-1), FWHM (cm-1), area (count cm-1) of each band."""
        return [(b.name, b.centre, b.fwhm, b.area) for b in self.bands]


def describe_sample(
    truth: RamanTruth,
    contents: Contents,
    *,
    name: str,
    rng: np.random.Generator,
    role: str = "milled",
    time_h: float = 0.0,
    oxygen: float = 0.0,
    adversary: RamanAdversary | None = None,
) -> RamanSample:
    """Return what a powder emits.

    Parameters
    ----------
    truth : RamanTruth
        Cross-sections and shapes.
    contents : Contents
        Amounts; :func:`structkit.synthetic.study_truth.fill` gives those of a time.
    name, role : str
        As the series file knows it.
    rng : numpy.random.Generator
        Of exposure, fluorescence and edge.
    time_h : float
        Milling time, **h**, which widens the bands of NaTaCl6.
    oxygen : float
        x of the glass, with which the 405 line is lost.
    adversary : str, optional
        ``tacl5_residue`` stands in ``contents`` and changes nothing here.

    Raises
    ------
    PlanError
        An adversary that does not exist, or nothing to see.
    """
    check_raman_adversary(adversary)
    amounts = _tantalum(contents)
    areas = _areas(truth, amounts, oxygen=oxygen)
    total = sum(areas.values())
    if total <= 0.0:
        raise PlanError(f"sample {name!r} holds nothing that a Raman spectrum shows")
    milled = role == "milled"
    if adversary == "ta2o5" and milled:
        areas[TA2O5] = TA2O5_AREA * total
    bands = emit(truth, areas, time_h=time_h)
    damage: tuple[EmittedBand, ...] = ()
    if adversary == "laser_crystallised" and milled:
        hit = {
            ANNEALED: CRYSTALLISED * areas[GLASS] / truth.kappa,
            TA2O5: CRYSTALLISED_OXIDE * areas[GLASS],
        }
        damage = emit(truth, hit)
    highest = highest_point(bands, truth.spectrometer)
    counts = truth.peak_counts * np.exp(_EXPOSURE_SPREAD * rng.standard_normal())
    if adversary == "cover_glass":
        bands += emit(truth, {COVER_GLASS: COVER_GLASS_AREA * total})
    low, high = np.log(truth.fluorescence)
    background = draw_background(
        rng,
        fluorescence=counts * float(np.exp(rng.uniform(low, high))),
        edge=counts * float(rng.uniform(*_EDGE)),
    )
    return RamanSample(
        name=name,
        role=role,
        time_h=time_h,
        bands=_scale(bands, counts / highest),
        background=background,
        amounts=amounts,
        oxygen=oxygen,
        kappa=truth.kappa,
        spectrometer=truth.spectrometer,
        axis_error=truth.axis_error,
        damage=_scale(damage, counts / highest),
        damage_chance=CRYSTALLISED_SPOTS if damage else 0.0,
        bleaching_rate=BLEACHING_RATE if adversary == "bleaching" else 0.0,
    )


def _tantalum(contents: Contents) -> dict[str, float]:
    """Return the share of tantalum in each species, of the tantalum there is."""
    total = contents.weighed.get("Ta", 0.0)
    moles = {
        NTC: contents.crystalline.get("NaTaCl6", 0.0),
        TA2CL10: contents.crystalline.get("TaCl5", 0.0),
        GLASS: contents.amorphous_atoms.get("Ta", 0.0),
    }
    return {name: each / total if total > 0.0 else 0.0 for name, each in moles.items()}


def _areas(
    truth: RamanTruth, amounts: Mapping[str, float], *, oxygen: float
) -> dict[str, float]:
    """Return the area of each species as the table at the top says."""
    strongest = next(b.area for b in SPECIES[NTC] if b.centre == _STRONGEST)
    share = strongest / sum(band.area for band in SPECIES[NTC])
    glass = truth.kappa * amounts[GLASS]
    return {
        NTC: amounts[NTC],
        AXIAL: amounts[NTC] * share * truth.axial_share(oxygen),
        TA2CL10: truth.ta2cl10_ratio * amounts[TA2CL10],
        GLASS: glass,
        OXIDE_BRIDGE: truth.bridge_ratio * oxygen / (6.0 - 2.0 * oxygen) * glass,
    }


def emit(
    truth: RamanTruth, areas: Mapping[str, float], *, time_h: float = 0.0
) -> tuple[EmittedBand, ...]:
    """Return the bands of species of the areas given; those without area are absent."""
    bands = []
    for species, area in areas.items():
        if area <= 0.0:
            continue
        template = SPECIES[species]
        whole = sum(band.area for band in template)
        shapes = truth.shapes_of(species, time_h)
        for band, shape in zip(template, shapes, strict=True):
            part = area * band.area / whole
            bands.append(
                EmittedBand(
                    species=species, nominal=band.centre, shape=shape, area=part
                )
            )
    return tuple(bands)


def highest_point(
    bands: Sequence[EmittedBand], spectrometer: SpectrometerFunction
) -> float:
    """Return the highest point of the bands together."""
    lines = [
        b.area * draw_line(b.shape, spectrometer, GRID_LOW, GRID_HIGH) for b in bands
    ]
    return float(np.sum(lines, axis=0).max())


def _scale(bands: Sequence[EmittedBand], factor: float) -> tuple[EmittedBand, ...]:
    """Return the bands with all areas times ``factor``."""
    return tuple(replace(band, area=band.area * float(factor)) for band in bands)


def check_raman_adversary(adversary: str | None) -> None:
    """Refuse an adversary that does not exist."""
    known = get_args(RamanAdversary)
    if adversary is not None and adversary not in known:
        raise PlanError(
            f"no Raman adversary {adversary!r}; there are {', '.join(known)}"
        )
