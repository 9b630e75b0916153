"""``structkit simulate``: a powder pattern of library phases or CIFs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from structkit.cli.options import ListOptionCommand, UsageMistakeError, is_number
from structkit.errors import OutputError, PlanError, StructureError

if TYPE_CHECKING:
    import xarray as xr

    from structkit.structures.crystal import CrystalStructure
    from structkit.xrd.instrument import Instrument
    from structkit.xrd.simulate import SimulatedPhase, Surroundings

_PATH = click.Path(path_type=Path)


@click.command("simulate", cls=ListOptionCommand)
@click.argument("phases", nargs=-1, required=True, metavar="PHASE...")
@click.option(
    "--weights",
    multiple=True,
    type=float,
    help="Weight fraction of each phase (any scale); default: equal.",
)
@click.option(
    "--sizes",
    multiple=True,
    type=float,
    help="Crystallite sizes in nm, one or one each; default: not broadened.",
)
@click.option(
    "--microstrains",
    multiple=True,
    type=float,
    help="Microstrains, dimensionless, one or one each.",
)
@click.option(
    "--texture",
    "textures",
    type=(str, int, int, int, float),
    multiple=True,
    metavar="PHASE H K L R",
    help="March-Dollase axis and r (below 1: platelets lie flat); may be repeated.",
)
@click.option(
    "--radiation",
    default="CuKa",
    show_default=True,
    help="Tube (CuKa, CuKa5, CuKa1, CoKa, MoKa ...) or a wavelength in angstrom.",
)
@click.option(
    "--monochromator", type=float, help="2theta of the monochromator, degree."
)
@click.option(
    "--range",
    "limits",
    nargs=3,
    type=float,
    metavar="FIRST LAST STEP",
    default=(10.0, 80.0, 0.03),
    show_default=True,
    help="Angles, degree.",
)
@click.option(
    "--film", type=float, default=0.0, help="Thickness of a Kapton film, micrometre."
)
@click.option(
    "--hump",
    nargs=3,
    type=float,
    metavar="CENTER FWHM HEIGHT",
    help="Scattering of the film: degree, degree, counts.",
)
@click.option(
    "--halo",
    "halos",
    nargs=3,
    type=float,
    multiple=True,
    metavar="CENTER FWHM HEIGHT",
    help="Amorphous scattering; may be repeated.",
)
@click.option(
    "--background", type=float, default=100.0, show_default=True, help="Counts."
)
@click.option(
    "--displacement", type=float, default=0.0, help="Line shift over cos(theta), degree"
)
@click.option(
    "--counts",
    type=float,
    default=5000.0,
    show_default=True,
    help="Height of the strongest Bragg maximum.",
)
@click.option("--seed", type=int, help="Draw Poisson counts with this seed.")
@click.option(
    "--cif-folder",
    "folders",
    multiple=True,
    type=_PATH,
    help="Folder with CIFs of your own, searched first; may be repeated.",
)
@click.option(
    "-o",
    "--output",
    type=_PATH,
    help="File: .xye, .xy, or .nc with all components; default: .xye to stdout.",
)
@click.option("--plot", is_flag=True, help="Also draw the pattern to OUTPUT.png.")
def command(
    phases: tuple[str, ...],
    *,
    weights: tuple[float, ...],
    sizes: tuple[float, ...],
    microstrains: tuple[float, ...],
    textures: tuple[tuple[str, int, int, int, float], ...],
    radiation: str,
    monochromator: float | None,
    limits: tuple[float, float, float],
    film: float,
    hump: tuple[float, float, float] | None,
    halos: tuple[tuple[float, float, float], ...],
    background: float,
    displacement: float,
    counts: float,
    seed: int | None,
    folders: tuple[Path, ...],
    output: Path | None,
    plot: bool,
) -> None:
    """Simulate the powder pattern of a mixture of PHASEs.

    A PHASE is a name, formula or mineral of the library (see `structkit phases`), or
    the path of a CIF.
    """
    from structkit.xrd.simulate import simulate_pattern

    _check_output(output, plot=plot)
    try:
        chosen = choose_phases(
            phases,
            weights=weights,
            sizes_nm=sizes,
            microstrains=microstrains,
            folders=folders,
        )
        pattern = simulate_pattern(
            add_textures(chosen, phases, textures),
            instrument=choose_instrument(radiation, monochromator),
            two_theta=_grid(*limits),
            surroundings=choose_surroundings(
                film_um=film, hump=hump, halos=halos, background=background
            ),
            displacement=displacement,
            peak_counts=counts,
            seed=seed,
        )
    except PlanError as error:
        raise UsageMistakeError(str(error)) from error
    write_pattern(pattern, output)
    if plot and output is not None:
        _draw(pattern, output.with_suffix(".png"))


def load_phase(name: str, folders: Sequence[Path]) -> CrystalStructure:
    """Load a phase; one that cannot be had ends the program with code 2."""
    from structkit.structures.library import load

    try:
        return load(name, folders=folders)
    except StructureError as error:
        raise UsageMistakeError(str(error)) from error


def choose_phases(
    names: Sequence[str],
    *,
    weights: Sequence[float],
    sizes_nm: Sequence[float],
    microstrains: Sequence[float],
    folders: Sequence[Path],
) -> list[SimulatedPhase]:
    """Return the phases with their weights (equal by default), sizes and strains."""
    from structkit.xrd.simulate import SimulatedPhase

    number = len(names)
    sizes = [10.0 * size for size in _one_each("--sizes", sizes_nm, number)]
    strains = _one_each("--microstrains", microstrains, number) or [0.0] * number
    shares = _one_each("--weights", weights, number) or [1.0] * number
    return [
        SimulatedPhase(
            structure=load_phase(name, folders),
            weight_fraction=shares[index],
            size=sizes[index] if sizes else None,
            microstrain=strains[index],
        )
        for index, name in enumerate(names)
    ]


def add_textures(
    chosen: Sequence[SimulatedPhase],
    names: Sequence[str],
    textures: Sequence[tuple[str, int, int, int, float]],
) -> list[SimulatedPhase]:
    """Return the phases with preferred orientation where it is asked for."""
    from dataclasses import replace

    wanted = {name: ((h, k, m), r) for name, h, k, m, r in textures}
    strangers = [name for name in wanted if name not in names]
    if strangers:
        raise UsageMistakeError(
            f"--texture: {strangers[0]!r} is no phase given; use {', '.join(names)}"
        )
    return [
        replace(phase, texture=wanted[name][0], march_r=wanted[name][1])
        if name in wanted
        else phase
        for name, phase in zip(names, chosen, strict=True)
    ]


def _one_each(option: str, values: Sequence[float], number: int) -> list[float]:
    """Return one value for each phase; one given value counts for all."""
    if len(values) in (0, number):
        return list(values)
    if len(values) == 1 and option != "--weights":
        return list(values) * number
    raise UsageMistakeError(
        f"{option}: {len(values)} values for {number} phases; give one for each"
    )


def choose_instrument(radiation: str, monochromator: float | None) -> Instrument:
    """Return the laboratory instrument with this tube or wavelength (angstrom)."""
    from dataclasses import replace

    from structkit.xrd.radiation import monochromatic, tube
    from structkit.xrd.simulate import LABORATORY

    lines = monochromatic(float(radiation)) if is_number(radiation) else None
    return replace(
        LABORATORY,
        radiation=lines or tube(radiation),
        monochromator_two_theta=monochromator,
    )


def choose_surroundings(
    *,
    film_um: float,
    hump: tuple[float, float, float] | None,
    halos: Sequence[tuple[float, float, float]],
    background: float,
) -> Surroundings:
    """Return film, halos and background from numbers."""
    from structkit.xrd.background import Film, Halo
    from structkit.xrd.simulate import Surroundings

    drawn = [
        Halo(center=center, fwhm=fwhm, height=height) for center, fwhm, height in halos
    ]
    own = Halo(center=hump[0], fwhm=hump[1], height=hump[2]) if hump else None
    return Surroundings(
        film=Film(thickness=film_um, hump=own),
        halos=tuple(drawn),
        background=(background,),
    )


def _grid(first: float, last: float, step: float) -> list[float]:
    """Return the angles from first to last, degree."""
    if not 0.0 < step < last - first:
        raise UsageMistakeError("--range: give FIRST below LAST and a positive STEP")
    number = int((last - first) / step + 1e-6) + 1
    return [round(first + step * index, 6) for index in range(number)]


def _check_output(output: Path | None, *, plot: bool) -> None:
    """Refuse, before any work, what cannot be written."""
    if output is None:
        if plot:
            raise UsageMistakeError("--plot needs -o: the figure goes beside the file")
        return
    if output.suffix.lower() not in (".xye", ".xy", ".nc"):
        raise UsageMistakeError(f"-o {output}: the name must end in .xye, .xy or .nc")
    if output.is_dir():
        raise OutputError(f"cannot write {output}: it is a folder; give a file name")


def format_pattern(pattern: xr.Dataset, *, with_std: bool = True) -> str:
    """Return a pattern as text: 2theta, intensity and its sigma in columns."""
    names = ["two_theta", "intensity", *(["intensity_std"] if with_std else [])]
    columns = [pattern[name].to_numpy() for name in names]
    phases = ", ".join(
        f"{name} {share:.4g}"
        for name, share in zip(
            pattern["phase"].to_numpy(), pattern["weight_fraction"].data, strict=True
        )
    )
    lines = [
        f"# simulated by structkit: {phases} (weight fractions)",
        f"# wavelength {float(pattern['wavelength']):.6g} angstrom, "
        f"{pattern.attrs['radiation']}, noise: {pattern.attrs['noise']}",
        f"# {' '.join(names)}",
    ]
    lines += [
        " ".join([f"{angle:.5f}", *(f"{value:.4f}" for value in rest)])
        for angle, *rest in zip(*columns, strict=True)
    ]
    return "\n".join(lines) + "\n"


def write_pattern(pattern: xr.Dataset, output: Path | None) -> None:
    """Write a pattern to a file of the kind its name says, or to stdout."""
    from structkit.store import write_dataset, write_text

    if output is None:
        click.echo(format_pattern(pattern), nl=False)
    elif output.suffix.lower() == ".nc":
        write_dataset(pattern, output)
    else:
        with_std = output.suffix.lower() == ".xye"
        write_text(format_pattern(pattern, with_std=with_std), output)


def _draw(pattern: xr.Dataset, path: Path) -> None:
    """Write the figure of a pattern."""
    from structkit.plot.simulation import plot_simulation
    from structkit.plot.style import DOUBLE_COLUMN, make_axes, write_figure

    axes = plot_simulation(pattern, ax=make_axes(DOUBLE_COLUMN, 3.2))
    figure = axes.get_figure(root=True)
    if figure is not None:
        write_figure(figure, path)
