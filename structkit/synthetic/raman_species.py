"""Invented Raman spectra of the species of a milled chloride powder.

Wavenumbers are those of SCIENCE C1, most of them remembered from the literature, some
changed by a few cm-1; widths, areas and asymmetries are invented. They serve to draw
spectra whose truth is known, not to assign measured ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from structkit.synthetic.raman_lines import LineShape

# the names that the analyst's table of bands uses, where it has the species
NTC = "NaTaCl6"
AXIAL = "405 line"
TA2CL10 = "TaCl5"
GLASS = "NTOC glass"
OXIDE_BRIDGE = "Ta-O-Ta bent"
TA2O5 = "Ta2O5"
COVER_GLASS = "cover glass"
ANNEALED = "NaTaCl6 annealed"
SILICON = "silicon"

SILICON_LINE = 520.7
"""cm-1, at room temperature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateBand:
    """One band of a species."""

    centre: float
    """Nominal mean wavenumber, **cm-1**; decides to which ratio the band belongs."""
    area: float
    """As recorded with 532 nm, relative to the other bands of the species."""
    homogeneous_fwhm: float
    """Lifetime, **cm-1**."""
    environment_fwhm: float = 0.0
    """Gaussian spread of environments, **cm-1**."""
    tail: float = 0.0
    """Exponential spread of environments, **cm-1**; negative: to low wavenumbers."""

    def shape(self, *, offset: float = 0.0, widening: float = 1.0) -> LineShape:
        """Return the line, moved by ``offset`` (cm-1), all its widths scaled."""
        return LineShape(
            centre=self.centre + offset,
            homogeneous_fwhm=widening * self.homogeneous_fwhm,
            environment_fwhm=widening * self.environment_fwhm,
            tail=widening * self.tail,
        )


def _band(
    centre: float, area: float, homogeneous: float, *environments: float
) -> TemplateBand:
    """Return a band from the columns of the table below."""
    spread, tail = (*environments, 0.0, 0.0)[:2]
    return TemplateBand(
        centre=centre,
        area=area,
        homogeneous_fwhm=homogeneous,
        environment_fwhm=spread,
        tail=tail,
    )


SPECIES: Mapping[str, tuple[TemplateBand, ...]] = MappingProxyType(
    {
        NTC: (
            _band(378.0, 1.00, 5.5, 5.5),
            _band(298.0, 0.14, 8.0, 6.0),
            _band(180.0, 0.40, 6.0, 5.0),
            _band(158.0, 0.12, 5.0, 4.0),
            _band(120.0, 0.25, 7.0, 6.0),
        ),
        AXIAL: (_band(405.0, 1.00, 5.5, 5.5),),
        TA2CL10: (
            _band(410.0, 1.00, 4.5, 3.5),
            _band(380.0, 0.45, 5.0, 4.0),
            _band(355.0, 0.30, 5.5, 4.0),
            _band(240.0, 0.22, 6.0, 4.5),
            _band(190.0, 0.25, 5.0, 4.0),
            _band(150.0, 0.30, 5.0, 4.0),
        ),
        GLASS: (
            _band(385.0, 1.00, 10.0, 36.0, -11.0),
            _band(345.0, 0.45, 12.0, 42.0, -10.0),
            _band(300.0, 0.30, 12.0, 46.0, -10.0),
            _band(175.0, 0.50, 12.0, 46.0, 10.0),
            _band(125.0, 0.35, 12.0, 44.0, 8.0),
        ),
        OXIDE_BRIDGE: (
            _band(760.0, 1.00, 15.0, 80.0, -22.0),
            _band(680.0, 0.35, 15.0, 70.0, -15.0),
        ),
        TA2O5: (
            _band(100.0, 0.50, 7.0, 5.0),
            _band(200.0, 0.30, 10.0, 10.0),
            _band(250.0, 0.80, 11.0, 12.0),
            _band(340.0, 0.25, 11.0, 13.0),
            _band(490.0, 0.20, 12.0, 16.0),
            _band(630.0, 0.70, 12.0, 18.0),
            _band(705.0, 0.30, 12.0, 16.0),
            _band(845.0, 0.25, 12.0, 18.0),
        ),
        COVER_GLASS: (
            _band(470.0, 1.00, 20.0, 170.0, 35.0),
            _band(800.0, 0.25, 15.0, 90.0, -15.0),
            _band(1050.0, 0.60, 20.0, 110.0, 25.0),
        ),
        ANNEALED: (
            _band(378.0, 1.00, 4.0, 2.0),
            _band(298.0, 0.14, 5.5, 3.0),
            _band(180.0, 0.40, 4.0, 2.0),
            _band(158.0, 0.12, 3.5, 2.0),
            _band(120.0, 0.25, 4.5, 2.0),
        ),
        SILICON: (
            _band(SILICON_LINE, 1.00, 3.2),
            _band(303.0, 0.03, 5.0, 12.0),
            _band(960.0, 0.12, 8.0, 45.0, -15.0),
        ),
    }
)
"""Bands of each species; the areas of ``405 line`` are relative to the line at
378."""
