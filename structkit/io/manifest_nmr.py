"""``[nmr]`` of the series file: how NMR spectra and recoveries are read and fitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Strict

from structkit.errors import SchemaError
from structkit.io.fields import (
    Celsius,
    DataFolder,
    NotNegative,
    Number,
    Positive,
    Range,
    Table,
    Text,
    as_list,
)
from structkit.structures.nuclei import find_nucleus

SODIUM = "23Na"
SiteRole = Literal["product", "chloride", "oxide"]
Share = Annotated[Number, Field(ge=0.0, lt=1.0)]
Place = tuple[int | str, ...]


class SiteTable(Table):
    """``[[nmr.site]]``: one line."""

    name: Text
    """Name in every table."""
    shift_ppm: Number
    """Chemical shift to start from, ppm."""
    window: Range | None = None
    """Limits of the shift, ppm."""
    fwhm_hz: Positive = 300.0
    """Width to start from, Hz."""
    shape: Literal["pseudo-voigt", "voigt", "czjzek"] = "pseudo-voigt"
    """Line shape."""
    sigma_cq_mhz: Positive | None = None
    """Czjzek's width to start from, MHz."""
    role: SiteRole | None = None
    """What the sodium of this line belongs to; the composition needs both first."""
    t1_s: Positive | None = None
    """Longitudinal relaxation time where none is measured, s."""
    t1_std_s: NotNegative = 0.0
    """1 sigma of it, s."""


class BlankTable(Table):
    """``[nmr.blank]``: what the control without oxide shows of NaCl."""

    sample: Text | None = None
    """Id of the control among the samples; a plain text is this key."""
    share: Share | None = None
    """NaCl over the area of both lines of the control."""
    ratio: NotNegative | None = None
    """NaCl over the product's line."""
    std: NotNegative | None = None
    """1 sigma of share or ratio."""

    @property
    def as_ratio(self) -> tuple[float, float]:
        """Return NaCl over the product and its 1 sigma."""
        std = self.std or 0.0
        if self.ratio is not None:
            return self.ratio, std
        share = self.share or 0.0
        return share / (1.0 - share), std / (1.0 - share) ** 2


class ReferenceTable(Table):
    """``[nmr.reference]``: a line in every spectrum whose shift is known."""

    line: Range
    """Where it is looked for, ppm, on the axis of the files."""
    ppm: Number
    """Where it belongs, ppm."""
    std: NotNegative = 0.0
    """1 sigma of that, ppm."""


class T1Table(Table):
    """One recovery of a sample."""

    folder: DataFolder
    """Pseudo-2D experiment with its list of delays."""
    temperature: Celsius | None = None
    """Temperature of the measurement, degree Celsius; absent: the header's, else
    the sample's."""


def _as_blank(value: object) -> object:
    """Return an id as the table that holds it."""
    return {"sample": value} if isinstance(value, str) else value


def _as_recovery(value: object) -> object:
    """Return a path as the table that holds it."""
    return {"folder": value} if isinstance(value, str) else value


Recovery = Annotated[T1Table, BeforeValidator(_as_recovery)]
Recoveries = Annotated[
    tuple[Recovery, ...], Field(min_length=1), BeforeValidator(as_list)
]
"""``t1`` of a sample: a path, a table, or a list of either."""

SODIUM_SITES = (
    SiteTable(name="NTOC", shift_ppm=-11.2, window=(-15.0, -7.0), role="product"),
    SiteTable(name="NaCl", shift_ppm=7.0, window=(3.0, 11.0), role="chloride"),
    SiteTable(name="Na2O", shift_ppm=55.0, window=(48.0, 62.0), role="oxide"),
)
"""Lines of the study's samples, ppm against aqueous NaCl; the oxide-free salt's, at
-10.6, is that of the product's window."""


class NmrTable(Table):
    """``[nmr]``: how NMR spectra and recoveries are read and fitted."""

    nucleus: Text = SODIUM
    """Nucleus of the series; a file of another is left out."""
    larmor_mhz: Positive | None = None
    """Larmor frequency of files that do not name it, MHz."""
    processing: Literal["stored", "own"] = "stored"
    """Take the spectrum stored beside the decay, or transform the decay."""
    broadening_hz: NotNegative = 0.0
    """Exponential apodisation of decays, Hz."""
    shift_range: Range | None = Field(default=None, alias="range")
    """First and last shift fitted, ppm; absent: ten widths about the sites."""
    baseline_order: Annotated[int, Strict(), Field(ge=-1, le=8)] = 1
    """Order of the polynomial below the lines; -1 for none."""
    areas: Literal["free", "positive"] = "free"
    """Free areas are unbiased where there is no line; positive ones are steadier where
    lines overlap."""
    reference: ReferenceTable | None = None
    """Line that sets the axis."""
    mas_rate_hz: Positive | None = None
    """Spinning rate, Hz; absent: as judged from rotor echoes, never the header's."""
    sidebands: Annotated[
        tuple[Annotated[int, Strict()], ...], BeforeValidator(as_list)
    ] = ()
    """Orders of sidebands that count into the area of every site."""
    recycle_delay_s: Positive | None = None
    """Time between scans, s; absent: the header's."""
    flip_angle_degree: Annotated[Number, Field(gt=0.0, lt=180.0)] = 90.0
    """Of the pulse, degree."""
    blank: Annotated[BlankTable | None, BeforeValidator(_as_blank)] = None
    """Control without oxide: what it shows, or the id of its sample."""
    response: Positive | None = None
    """Calibrated factor on NaCl over product; absent: 0.4 to 1.3."""
    response_std: NotNegative = 0.0
    """1 sigma of it."""
    sites: Annotated[tuple[SiteTable, ...], Field(min_length=1)] = Field(
        default=SODIUM_SITES, alias="site"
    )
    """The lines."""


def check_nmr(
    data: Mapping[str, Any], *, ids: Sequence[str]
) -> Iterator[tuple[Place, str]]:
    """Yield place and text of the mistakes in ``[nmr]`` that two keys show.

    Parameters
    ----------
    data : mapping
        The series file as written.
    ids : sequence of str
        Ids of the samples.
    """
    table = data.get("nmr")
    if not isinstance(table, Mapping):
        return
    nucleus, sites = table.get("nucleus", SODIUM), table.get("site")
    if isinstance(nucleus, str) and nucleus:
        try:
            symbol = find_nucleus(nucleus).symbol
        except SchemaError as error:
            yield ("nmr", "nucleus"), str(error)
        else:
            if symbol != SODIUM and sites is None:
                message = f"is missing: the default lines are those of {SODIUM}"
                yield ("nmr", "site"), message
    roles: list[str] = []
    for index, site in enumerate(sites if isinstance(sites, list) else []):
        if isinstance(site, Mapping):
            yield from _check_site(site, ("nmr", "site", index), roles)
    yield from _check_blank(table.get("blank"), set(ids), roles, sites is None)


def _check_site(
    site: Mapping[str, Any], place: Place, roles: list[str]
) -> Iterator[tuple[Place, str]]:
    """Ask a site for what belongs together."""
    window, shift = site.get("window"), site.get("shift_ppm")
    try:
        inside = window is None or window[0] <= shift <= window[1]
    except (TypeError, IndexError, KeyError):
        inside = True  # told elsewhere
    if not inside:
        yield (*place, "window"), f"does not hold shift_ppm = {shift}"
    if site.get("shape") == "czjzek" and "sigma_cq_mhz" not in site:
        yield (*place, "sigma_cq_mhz"), "is missing: a czjzek line starts from it"
    if "t1_std_s" in site and "t1_s" not in site:
        yield (*place, "t1_std_s"), "needs t1_s, whose uncertainty it is"
    role = site.get("role")
    if isinstance(role, str):
        if role in roles:
            yield (*place, "role"), f"another site is the {role} already; give one"
        roles.append(role)


def _check_blank(
    blank: object,
    ids: set[str],
    roles: list[str],
    has_defaults: bool,  # noqa: FBT001
) -> Iterator[tuple[Place, str]]:
    """Ask for one way to the blank, of a sample that is there."""
    if blank is None:
        return
    if not has_defaults and not {"product", "chloride"} <= set(roles):
        yield ("nmr", "blank"), "needs sites with the roles product and chloride"
    table = _as_blank(blank)
    if not isinstance(table, Mapping):
        return
    name = table.get("sample")
    if isinstance(name, str) and name not in ids:
        yield ("nmr", "blank"), f"no sample has the id {name!r}"
    given = {"sample", "share", "ratio"} & set(table)
    if len(given) != 1:
        yield ("nmr", "blank"), "give one of sample, share and ratio"
    elif name is None and "std" not in table:
        yield ("nmr", "blank", "std"), "is missing: x rests on it"
    elif name is not None and "std" in table:
        yield ("nmr", "blank", "std"), "is that of the sample's fit; drop it"
