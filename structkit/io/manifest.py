"""The series file: which samples there are, what was measured, how to analyse it.

A TOML file with the tables ``[series]``, ``[xrd]``, ``[raman]``, ``[eis]``, ``[nmr]``
and one ``[[sample]]`` for each sample. All its mistakes are reported at once, each with
its key path (``sample[2].milling_time``, counted from 0). Paths in it are relative to
its folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import xarray as xr
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    Strict,
    ValidationError,
)

from structkit.errors import ReadError, SeriesFileError, StructkitError
from structkit.io.fields import (
    Celsius,
    DataFile,
    DataFolder,
    Hours,
    MillerIndices,
    Moles,
    NotNegative,
    Number,
    Positive,
    Range,
    Table,
    Text,
    as_list,
    refuse_odd_names,
)
from structkit.io.manifest_eis import (
    DcFileTable,
    EisFileTable,
    EisTable,
    PelletTable,
    as_file,
)
from structkit.io.manifest_index import IndexTable
from structkit.io.manifest_nmr import NmrTable, Recoveries
from structkit.io.manifest_raman import RamanTable
from structkit.io.mistakes import Mistake, cross_check, gather, translate
from structkit.io.read import read_pattern
from structkit.io.series_text import parse_toml, read_bytes
from structkit.io.spectra import read_spectra
from structkit.schema import MILLING_TIME, label
from structkit.structures.composition import mixture_elements

Role = Literal[
    "unmilled", "milled", "crystalline_reference", "glass_reference", "annealed"
]
Axis = Literal["milling_time", "anneal_temperature", "age", "temperature"]


class CompositionTable(Table):
    """``[series.composition]``, ``composition`` of a sample: measured atom ratios."""

    atoms: Annotated[dict[str, NotNegative], Field(min_length=2)]
    """Relative number of atoms of each element, any unit."""
    std: Annotated[dict[str, Positive], Field(min_length=2)]
    """1 sigma of each, same unit."""
    method: Text = "measured"
    """How: EDS, ICP, ..."""
    complete: bool = False
    """Every element of the sample was measured: the ratios replace the weighing."""


class SeriesTable(Table):
    """``[series]``: what the samples have in common."""

    name: Text
    """Name of the series, for titles."""
    axis: Axis = "milling_time"
    """Column that orders the samples."""
    mixture: Moles | None = None
    """Moles weighed in, by chemical formula or phase name; a sample's own wins."""
    composition: CompositionTable | None = None
    """Measured atom ratios of the milled samples; a sample's own wins."""
    amorphous: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """Compounds of which the amorphous part may be made; absent: any."""
    claims: DataFile | None = None
    """File of statements that a run holds against its numbers."""


class MillTable(Table):
    """``[mill]``: what turns milling time into a dose."""

    ball_count: Annotated[int, Strict(), Field(gt=0)] | None = None
    """Number of balls."""
    ball_mass_g: Positive | None = None
    """Mass of one ball, gram."""
    powder_mass_g: Positive | None = None
    """Mass of the powder, gram."""
    frequency_hz: Positive | None = None
    """Impacts of a ball per second."""
    impact_energy_j: Positive | None = None
    """Energy of an impact, joule."""
    impact_velocity: Positive | None = None
    """Speed of a ball at impact, m/s; in place of the energy."""


class ExternalStandardTable(Table):
    """``[xrd.external_standard]``: how scales become absolute amounts."""

    source: Literal["unmilled", "monitor", "spiked"] | None = None
    """What gives the instrument's constant; absent: the best there is."""
    sample: Text | None = None
    """The spiked sample."""
    pattern: DataFile | None = None
    """Pattern of the monitor, a known powder measured as the samples were."""
    phase: Text | None = None
    """Its phase: one of the plan, or of the library."""
    crystallinity: Annotated[Number, Field(gt=0.0, le=1.0)] = 1.0
    """Crystalline share of the monitor."""
    film: bool = False
    """The monitor was measured under the samples' film."""
    transfer_std: Annotated[Number, Field(ge=0.0, lt=1.0)] | None = None
    """Relative 1 sigma of a pattern's scale against the reference's."""
    particle_size_um: Annotated[
        tuple[Annotated[Positive, Field(le=10.0)], ...],
        Field(min_length=1, max_length=2),
        BeforeValidator(as_list),
    ] = (1.0, 5.0)
    """Particle diameter of the reference, or the range of it, micrometre."""


class InstrumentTable(Table):
    """``[xrd.instrument]``: a file, or the other keys together."""

    file: DataFile | None = None
    """GSAS-II ``.instprm`` or GSAS ``.prm``."""
    standard: (
        Annotated[tuple[DataFile, ...], Field(min_length=1), BeforeValidator(as_list)]
        | None
    ) = None
    """Pattern of a line-profile standard, or of several; the resolution is fitted."""
    standard_phase: (
        Annotated[tuple[Text, ...], Field(min_length=1), BeforeValidator(as_list)]
        | None
    ) = None
    """The phase of each standard: a phase of the plan, or one of the library."""
    tube: Text | None = None
    """Emission lines, such as ``CuKa``."""
    wavelength: Positive | None = None
    """One wavelength in angstrom."""
    monochromator_two_theta: Annotated[Number, Field(ge=0.0, lt=180.0)] | None = None
    """2theta of the monochromator crystal in degree."""


class StandardTable(Table):
    """``[xrd.internal_standard]`` and ``spike``: a phase weighed into the sample."""

    phase: Text
    """Name of the phase, or of the measured component."""
    weight_fraction: Annotated[Number, Field(gt=0.0, lt=1.0)]
    """Weighed share of the spiked mixture."""
    crystallinity: Annotated[Number, Field(gt=0.0, le=1.0)] = 1.0
    """Crystalline share of the standard."""


class JointTable(Table):
    """``[xrd.joint]``: what is one for all patterns of the series."""

    cells: tuple[Text, ...] = ()
    """Phases whose cell is one."""
    widths: tuple[Text, ...] = ()
    """Phases whose size and microstrain are one: a trace phase's."""
    instrument: bool = False
    """The additional Gaussian width of an instrument without calibration."""
    film: bool = False
    """One thickness of the film, refined."""


class PhaseTable(Table):
    """``[[xrd.phase]]``: one crystalline phase."""

    name: Text
    """Name in every table; looked up in the library where ``cif`` is absent."""
    cif: DataFile | None = None
    """Crystal structure."""
    texture: MillerIndices | None = None
    """March-Dollase axis hkl."""
    texture_model: Literal["march-dollase", "harmonics"] = "march-dollase"
    """Model of the texture; harmonics (to order 4) need no axis."""
    cell_uncertain: bool = False
    """The cell is known only to some per cent."""


class ComponentTable(Table):
    """``[[xrd.component]]``: one measured pattern as a column of the refinement."""

    name: Annotated[Text, AfterValidator(refuse_odd_names)]
    """Name in every table."""
    pattern: DataFile
    """The measured pattern, over at least the range used."""
    rir: Positive | None = None
    """Height of its strongest point over corundum's in a 1:1 mixture by weight."""
    rir_std: Positive | None = None
    """1 sigma of it."""
    calibration: Positive | None = None
    """Mass-proportional scale per unit of the pattern, in place of ``rir``."""
    calibration_std: Positive | None = None
    """1 sigma of it."""
    height: Positive | None = None
    """Height that ``rir`` refers to; absent: the pattern's largest value."""
    crystalline: bool = True
    """A mineral, or a glass."""
    background: bool = False
    """An empty holder or film: no part of the sample."""
    shift: bool = True
    """Refine a small shift of its angles."""
    subtract: Literal["none", "constant", "line"] = "none"
    """Baseline taken off the pattern."""


class XrdTable(Table):
    """``[xrd]``: how the powder patterns are refined."""

    engine: Text = "native"
    """Refinement engine: ``native``, ``gsas2`` or ``rietx``; checked where it runs."""
    two_theta_range: Range | None = Field(default=None, alias="range")
    """First and last angle used, degree."""
    exclude: tuple[Range, ...] = ()
    """Ranges left out, degree."""
    background_terms: Annotated[int, Strict(), Field(ge=1, le=36)] = 6
    """Chebyshev terms of the background."""
    halo: bool = True
    """Model amorphous scattering beside the background."""
    humps: tuple[Annotated[Number, Field(gt=0.0, lt=180.0)], ...] = ()
    """Centres of film or holder humps, degree."""
    particle_size_um: Positive | None = None
    """Particle diameter for the Brindley correction, micrometre."""
    film_thickness_um: Positive | None = None
    """Thickness of a Kapton film over the sample, micrometre."""
    film_thickness_std_um: Positive | None = None
    """1 sigma of it from sample to sample, micrometre."""
    blank: DataFile | None = None
    """Pattern of film or holder alone."""
    instrument: InstrumentTable | None = None
    """The diffractometer."""
    internal_standard: StandardTable | None = None
    """A standard weighed into every sample."""
    joint: JointTable | None = None
    """Refine the series together (engine native), with what is shared."""
    external_standard: ExternalStandardTable | None = None
    """How scales become absolute amounts."""
    components: tuple[ComponentTable, ...] = Field(default=(), alias="component")
    """Measured patterns as columns of the refinement."""
    phases: Annotated[tuple[PhaseTable, ...], Field(min_length=1)] = Field(
        alias="phase"
    )
    """Crystalline phases, in table order."""


class SampleTable(Table):
    """``[[sample]]``: one powder and what was measured on it."""

    id: Annotated[Text, AfterValidator(refuse_odd_names)]
    """Name in every table and file."""
    milling_time: Hours | None = None
    """Milling time in hours; 0 where the role is ``unmilled``."""
    anneal_temperature: Celsius | None = None
    """Temperature it was annealed at, degree Celsius."""
    age: Hours | None = None
    """Time since it was made, hours."""
    pristine: Text | None = None
    """Id of the sample that it was before annealing or storage."""
    temperature: Celsius | None = None
    """Temperature it was measured at, degree Celsius."""
    mixture: Moles | None = None
    """Moles weighed in, by chemical formula or phase name."""
    composition: CompositionTable | None = None
    """Measured atom ratios."""
    role: Role | None = None
    """What the sample stands for in the series."""
    xrd: DataFile | None = None
    """Powder pattern."""
    raman: (
        Annotated[tuple[DataFile, ...], Field(min_length=1), BeforeValidator(as_list)]
        | None
    ) = None
    """Raman spectra, one for each spot."""
    eis: (
        Annotated[
            tuple[Annotated[EisFileTable, BeforeValidator(as_file)], ...],
            Field(min_length=1),
            BeforeValidator(as_list),
        ]
        | None
    ) = None
    """Impedance spectra."""
    dc: (
        Annotated[
            tuple[Annotated[DcFileTable, BeforeValidator(as_file)], ...],
            Field(min_length=1),
            BeforeValidator(as_list),
        ]
        | None
    ) = None
    """Polarization runs."""
    pellet: PelletTable | None = None
    """Its pellet, where it is not that of ``[eis]``."""
    nmr: DataFolder | None = None
    """NMR spectrum."""
    t1: Recoveries | None = None
    """Inversion or saturation recoveries."""
    spike: StandardTable | None = None
    """A standard weighed into this sample alone."""

    def position(self, axis: Axis) -> float | None:
        """Return where the sample stands on the series' axis; None where unknown."""
        if axis == "milling_time" and self.milling_time is None:
            return 0.0 if self.role == "unmilled" else None
        value: float | None = getattr(self, axis)
        return value


class SeriesFile(Table):
    """A whole series file, checked."""

    path: Path = Field(alias="__path__")
    """The file itself."""
    sha256: str = Field(alias="__sha256__")
    """Digest of its bytes."""
    series: SeriesTable
    """What the samples have in common."""
    xrd: XrdTable | None = None
    """How the powder patterns are refined; absent where there are none."""
    raman: RamanTable | None = None
    """How the Raman spectra are read and fitted; absent: the defaults."""
    eis: EisTable | None = None
    """Pellets, cell and circuit of the impedance spectra; absent: the defaults."""
    nmr: NmrTable | None = None
    """How NMR spectra and recoveries are read and fitted; absent: the defaults."""
    index: IndexTable | None = None
    """What joins the techniques to one index; absent: the defaults."""
    mill: MillTable | None = None
    """Balls, powder and frequency of the mill."""
    samples: Annotated[tuple[SampleTable, ...], Field(min_length=1)] = Field(
        alias="sample"
    )
    """The samples, in the order of the file."""

    def mixture_of(self, sample: SampleTable) -> dict[str, float] | None:
        """Return the moles weighed into a sample: its own, else the series'."""
        return sample.mixture or self.series.mixture

    def elements_of(
        self, sample: SampleTable, *, formulas: Mapping[str, str] | None = None
    ) -> dict[str, float] | None:
        """Return the moles of each element weighed into a sample.

        Parameters
        ----------
        sample : SampleTable
            One of ``samples``.
        formulas : mapping of str to str, optional
            Chemical formula of each phase that ``mixture`` names by its phase name.

        Returns
        -------
        dict of str to float, or None
            None where nothing was weighed.

        Raises
        ------
        StructureError
            When a name is neither in ``formulas`` nor a formula.
        """
        mixture = self.mixture_of(sample)
        if mixture is None:
            return None
        known = formulas or {}
        moles: dict[str, float] = {}
        for name, amount in mixture.items():
            formula = known.get(name, name)
            moles[formula] = moles.get(formula, 0.0) + amount
        return mixture_elements(moles)


def read_series(path: Path | str) -> SeriesFile:
    """Read and check a series file.

    Parameters
    ----------
    path : path
        The TOML file.

    Returns
    -------
    SeriesFile
        Frozen; every path in it is absolute, and there.

    Raises
    ------
    ReadError
        When the file is absent or cannot be read.
    SeriesFileError
        When it is no TOML (with the line), or has mistakes (all of them, one a line).
    """
    path = Path(path)
    content = read_bytes(path)
    data = parse_toml(content, path)
    mistakes: list[Mistake] = []
    series: SeriesFile | None = None
    digest = hashlib.sha256(content).hexdigest()
    try:
        series = SeriesFile.model_validate(
            {**data, "__path__": path.absolute(), "__sha256__": digest},
            context={"folder": path.absolute().parent},
        )
    except ValidationError as error:
        mistakes.extend(translate(error, SeriesFile))
    mistakes.extend(cross_check(data))
    if mistakes or series is None:
        raise SeriesFileError(_list_mistakes(mistakes, data, path))
    return series


def _list_mistakes(mistakes: list[Mistake], data: Mapping[str, Any], path: Path) -> str:
    """Return one message with every mistake."""
    samples = data.get("sample")
    tables = samples if isinstance(samples, list) else []
    ids = [t.get("id") if isinstance(t, Mapping) else None for t in tables]
    lines = gather(
        mistakes, list(data), [i if isinstance(i, str) else None for i in ids]
    )
    if len(lines) == 1:
        return f"{path}: {lines[0]}"
    return "\n  ".join([f"{path} has {len(lines)} mistakes:", *lines])


def load_series(
    series: SeriesFile,
) -> tuple[xr.DataTree, dict[str, StructkitError]]:
    """Read the powder patterns of a series.

    Parameters
    ----------
    series : SeriesFile
        From :func:`read_series`.

    Returns
    -------
    tree : xarray.DataTree
        ``/<sample>/xrd``: the patterns that could be read, each with the scalar
        coordinate ``milling_time`` in **h** where it is known. Attributes of
        ``/<sample>``: ``role``. Of the root: ``name``, ``axis``, ``source_file``,
        ``source_sha256``.
    failures : dict of str to StructkitError
        For each sample whose pattern could not be read, why. It stops no other.
    """
    nodes = {"/": _root(series)}
    failures: dict[str, StructkitError] = {}
    for sample in series.samples:
        if sample.xrd is None:
            continue
        try:
            pattern = read_pattern(sample.xrd)
        except StructkitError as error:
            failures[sample.id] = error
            continue
        nodes[f"/{sample.id}"] = xr.Dataset(attrs={"role": sample.role or ""})
        nodes[f"/{sample.id}/xrd"] = _with_time(pattern, sample)
    return xr.DataTree.from_dict(nodes), failures


def load_spectra(
    series: SeriesFile,
) -> tuple[xr.DataTree, dict[str, StructkitError]]:
    """Read the Raman spectra of a series.

    Parameters
    ----------
    series : SeriesFile
        From :func:`read_series`; its ``[raman]`` gives the laser of files that do not
        name it.

    Returns
    -------
    tree : xarray.DataTree
        ``/<sample>/raman/<n>``: the spectra of the n-th file of the sample, from 1,
        each with the scalar coordinate ``milling_time`` in **h** where it is known.
        Attributes of ``/<sample>`` and of the root as :func:`load_series` sets them.
    failures : dict of str to StructkitError
        For each sample with files that could not be read, which and why. They stop
        no other file, of this sample or another; ``n`` counts them too.
    """
    laser_nm = None if series.raman is None else series.raman.laser_nm
    nodes = {"/": _root(series)}
    failures: dict[str, StructkitError] = {}
    for sample in series.samples:
        told: list[str] = []
        for number, path in enumerate(sample.raman or (), start=1):
            try:
                spectra = read_spectra(path, laser_nm=laser_nm)
            except StructkitError as error:
                told.append(str(error))
                continue
            nodes[f"/{sample.id}"] = xr.Dataset(attrs={"role": sample.role or ""})
            nodes[f"/{sample.id}/raman/{number}"] = _with_time(spectra, sample)
        if told:
            failures[sample.id] = ReadError("; ".join(told))
    return xr.DataTree.from_dict(nodes), failures


def _root(series: SeriesFile) -> xr.Dataset:
    """Return what stands at the root of a tree of the series."""
    return xr.Dataset(
        attrs={
            "name": series.series.name,
            "axis": series.series.axis,
            "source_file": str(series.path),
            "source_sha256": series.sha256,
        }
    )


def _with_time(pattern: xr.Dataset, sample: SampleTable) -> xr.Dataset:
    """Return the measurement with the sample's milling time as a scalar coordinate."""
    hours = sample.position("milling_time")
    if hours is None:
        return pattern
    return pattern.assign_coords(
        {MILLING_TIME: label(xr.DataArray(hours), MILLING_TIME)}
    )
