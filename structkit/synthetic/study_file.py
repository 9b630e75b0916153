"""The series file of a synthetic study: what the analyst is told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from structkit.synthetic.mixture import LABEL
from structkit.synthetic.raman_files import raman_key, raman_table
from structkit.synthetic.study_samples import STANDARD, StudySample
from structkit.synthetic.study_truth import PHASES, Adversary
from structkit.synthetic.study_xrd import WRONG_CATIONS, WRONG_CIF, Source
from structkit.synthetic.tacl5 import FILE_NAME

Table = Literal["external_standard", "composition", "mill"]

ICP_STD = 0.01
"""1 sigma of a measured composition, relative."""
_MIXTURES = {
    "crystalline_reference": "{ NaCl = 1, TaCl5 = 1 }",
    "glass_reference": "{ Na2O = 1, TaCl5 = 1 }",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyLayout:
    """What the series file says."""

    samples: Sequence[StudySample]
    """In its order."""
    patterns: Collection[str]
    """Samples with a powder pattern."""
    transfer_std: float
    """1 sigma of a pattern's scale against the reference's, relative."""
    film_std_um: float
    """1 sigma of the film from sample to sample, **um**."""
    adversary: Adversary | None = None
    """The study's: which files are there."""
    source: Source = "unmilled"
    """External standard."""
    tables: tuple[Table, ...] = ("external_standard", "composition", "mill")
    """Tables beyond samples and phases."""
    analysed: str = ""
    """Sample of ``composition``."""
    composition: Mapping[str, float] = field(default_factory=dict)
    """Element -> atoms per tantalum weighed in, as analysed."""
    raman: Mapping[str, list[str]] = field(default_factory=dict)
    """Sample -> files of its Raman spectra."""
    through_glass: bool = False
    """The Raman spectra were measured through a cover glass."""
    title: str = "NaCl + TaCl5 + Na2O, milled (synthetic)"
    """Name of the series."""
    blocks: tuple[str, ...] = ()
    """Further tables, as text."""
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Sample -> further lines of its table."""


def compose_series_file(layout: StudyLayout) -> str:
    """Return the text of ``series.toml``."""
    blocks = [
        f"# {LABEL}\n[series]\n"
        f'name = "{layout.title}"\n'
        'axis = "milling_time"\n'
        "mixture = { NaCl = 1, TaCl5 = 1, Na2O = 1 }"
    ]
    if layout.patterns:
        blocks += _xrd_blocks(layout)
    if "mill" in layout.tables:
        blocks.append(
            "[mill]\nball_count = 2\nball_mass_g = 3.17\npowder_mass_g = 1.0\n"
            "frequency_hz = 17.7"
        )
    if layout.raman:
        blocks.append(raman_table(model="series", through_glass=layout.through_glass))
    blocks += layout.blocks
    blocks += [_sample_block(sample, layout) for sample in layout.samples]
    return "\n\n".join(blocks) + "\n"


def _xrd_blocks(layout: StudyLayout) -> list[str]:
    """Return the tables of the patterns."""
    blank = 'blank = "film_blank.xy"\n' if layout.adversary != "blank_missing" else ""
    spread = ""
    if layout.film_std_um > 0.0:
        spread = f"\nfilm_thickness_std_um = {layout.film_std_um:g}"
    blocks = [
        f"[xrd]\n{blank}film_thickness_um = 25.0{spread}",
        '[xrd.instrument]\nstandard = "LaB6.xy"\nstandard_phase = "LaB6"\n'
        'tube = "CuKa"',
        *_phase_blocks(layout),
    ]
    if "external_standard" in layout.tables:
        blocks.append(_external_standard(layout))
    return blocks


def _phase_blocks(layout: StudyLayout) -> list[str]:
    """Return the tables of the phases."""
    cifs = {"TaCl5": FILE_NAME}
    if layout.adversary in WRONG_CATIONS:
        cifs["NaTaCl6"] = WRONG_CIF
    names = list(PHASES)
    if any(sample.spike > 0.0 for sample in layout.samples):
        names.append(STANDARD)
    blocks = []
    for name in names:
        cif = f'\ncif = "{cifs[name]}"' if name in cifs else ""
        uncertain = "\ncell_uncertain = true" if name == "NaTaCl6" else ""
        blocks.append(f'[[xrd.phase]]\nname = "{name}"{cif}{uncertain}')
    return blocks


def _external_standard(layout: StudyLayout) -> str:
    """Return the table of the external standard."""
    text = (
        f'[xrd.external_standard]\nsource = "{layout.source}"\n'
        f"transfer_std = {layout.transfer_std:g}\nparticle_size_um = [1.0, 5.0]"
    )
    if layout.source == "monitor":
        text += '\npattern = "monitor.xy"\nphase = "corundum"\nfilm = false'
    if layout.source == "spiked":
        twin = next(sample.name for sample in layout.samples if sample.spike > 0.0)
        text += f'\nsample = "{twin}"'
    return text


def _composition(atoms: Mapping[str, float]) -> str:
    """Return the key of a measured composition."""
    values = ", ".join(f"{e} = {n:.4f}" for e, n in atoms.items())
    errors = ", ".join(f"{e} = {ICP_STD * n:.4f}" for e, n in atoms.items())
    return (
        f'composition = {{ method = "ICP", atoms = {{ {values} }}, '
        f"std = {{ {errors} }} }}"
    )


def _sample_block(sample: StudySample, layout: StudyLayout) -> str:
    """Return the table of a sample."""
    lines = [f'[[sample]]\nid = "{sample.name}"', f'role = "{sample.role}"']
    lines.append(f'milling_time = "{sample.time_h:g} h"')
    if sample.role in _MIXTURES:
        lines.append(f"mixture = {_MIXTURES[sample.role]}")
    if sample.age_h > 0.0:
        lines.append(f'age = "{sample.age_h:g} h"')
    elif sample.role == "annealed":
        lines.append('anneal_temperature = "150 C"')
    if sample.spike > 0.0:
        lines.append(
            f'spike = {{ phase = "{STANDARD}", weight_fraction = {sample.spike:g} }}'
        )
    measured = "composition" in layout.tables and layout.adversary == "evaporated"
    if measured and sample.name == layout.analysed:
        lines.append(_composition(layout.composition))
    if sample.name in layout.patterns:
        lines.append(f'xrd = "{sample.name}.xy"')
    if sample.name in layout.raman:
        lines.append(raman_key(layout.raman[sample.name]))
    lines += layout.keys.get(sample.name, ())
    return "\n".join(lines)
