"""``[index]`` of the series file: what joins the techniques to one index."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from structkit.io.fields import Celsius, NotNegative, Positive, Table, Text


class IndexTable(Table):
    """``[index]``: what the analyst knows beside the measurements."""

    product: Text | None = None
    """Crystalline phase whose glass is formed; absent: NaTaCl6 where it is a phase."""
    kappa: Positive = 1.0
    """Raman cross-section of the crystal over that of the glass, per formula unit."""
    kappa_std: NotNegative | None = None
    """1 sigma of its logarithm, from mixtures of known content; absent: 0.7, a factor
    of two, and the index is called uncalibrated."""
    shift_std_ppm: NotNegative = 0.03
    """1 sigma of the shift reference from one NMR spectrum to the next, ppm."""
    rate_std: NotNegative = 0.1
    """1 sigma of a relaxation rate beyond its fit, relative."""
    contact_std: NotNegative = 0.3
    """1 sigma of the logarithm of a conductivity beyond its fit."""
    temperature: Celsius = 25.0
    """Temperature of the conductivities compared, degree Celsius."""
    weights: Annotated[dict[Text, NotNegative], Field(min_length=1)] | None = None
    """The user's own weight of each technique; shown with what others would give."""
