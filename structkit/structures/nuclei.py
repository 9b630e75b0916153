"""Nuclei of NMR: spin and frequency against that of 1H in the same field.

The frequency ratio is the Xi of IUPAC: the frequency of a nucleus in its reference
compound, in per cent of that of 1H in tetramethylsilane in the same field.

References
----------
Harris, Becker, Cabral de Menezes, Goodfellow & Granger, Pure Appl. Chem. 73 (2001)
1795, doi:10.1351/pac200173111795.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType

from structkit.errors import SchemaError

_NAME = re.compile(r"\W*(?:(\d{1,3})\W*([A-Za-z]{1,2})|([A-Za-z]{1,2})\W*(\d{1,3}))\W*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nucleus:
    """One nucleus."""

    symbol: str
    """Mass number and element, such as ``23Na``."""
    spin: float
    """Spin quantum number."""
    frequency_ratio: float
    """Xi, per cent of the frequency of 1H."""

    def larmor_frequency(self, proton_frequency: float) -> float:
        """Return the Larmor frequency, MHz, where that of 1H is given, MHz."""
        return proton_frequency * self.frequency_ratio / 100.0

    def proton_frequency(self, frequency: float) -> float:
        """Return the 1H frequency, MHz, of the field that gives ``frequency``, MHz."""
        return 100.0 * frequency / self.frequency_ratio


_ROWS = (
    Nucleus(symbol="1H", spin=0.5, frequency_ratio=100.0),
    Nucleus(symbol="19F", spin=0.5, frequency_ratio=94.094011),
    Nucleus(symbol="7Li", spin=1.5, frequency_ratio=38.863797),
    Nucleus(symbol="6Li", spin=1.0, frequency_ratio=14.716086),
    Nucleus(symbol="23Na", spin=1.5, frequency_ratio=26.4519),
    Nucleus(symbol="13C", spin=0.5, frequency_ratio=25.14502),
    Nucleus(symbol="31P", spin=0.5, frequency_ratio=40.480742),
    Nucleus(symbol="27Al", spin=2.5, frequency_ratio=26.056859),
    Nucleus(symbol="29Si", spin=0.5, frequency_ratio=19.867187),
    Nucleus(symbol="11B", spin=1.5, frequency_ratio=32.083974),
    Nucleus(symbol="17O", spin=2.5, frequency_ratio=13.556457),
    Nucleus(symbol="15N", spin=0.5, frequency_ratio=10.136767),
    Nucleus(symbol="2H", spin=1.0, frequency_ratio=15.350609),
    Nucleus(symbol="35Cl", spin=1.5, frequency_ratio=9.797909),
    Nucleus(symbol="37Cl", spin=1.5, frequency_ratio=8.155725),
    Nucleus(symbol="51V", spin=3.5, frequency_ratio=26.302948),
    Nucleus(symbol="181Ta", spin=3.5, frequency_ratio=11.9896),
    Nucleus(symbol="93Nb", spin=4.5, frequency_ratio=24.47617),
    Nucleus(symbol="9Be", spin=1.5, frequency_ratio=14.051813),
    Nucleus(symbol="10B", spin=3.0, frequency_ratio=10.743658),
    Nucleus(symbol="14N", spin=1.0, frequency_ratio=7.226317),
    Nucleus(symbol="25Mg", spin=2.5, frequency_ratio=6.121635),
    Nucleus(symbol="33S", spin=1.5, frequency_ratio=7.676),
    Nucleus(symbol="39K", spin=1.5, frequency_ratio=4.666373),
    Nucleus(symbol="43Ca", spin=3.5, frequency_ratio=6.730029),
    Nucleus(symbol="45Sc", spin=3.5, frequency_ratio=24.291747),
    Nucleus(symbol="47Ti", spin=2.5, frequency_ratio=5.637534),
    Nucleus(symbol="49Ti", spin=3.5, frequency_ratio=5.639037),
    Nucleus(symbol="55Mn", spin=2.5, frequency_ratio=24.789218),
    Nucleus(symbol="59Co", spin=3.5, frequency_ratio=23.727074),
    Nucleus(symbol="63Cu", spin=1.5, frequency_ratio=26.515473),
    Nucleus(symbol="65Cu", spin=1.5, frequency_ratio=28.403693),
    Nucleus(symbol="67Zn", spin=2.5, frequency_ratio=6.256803),
    Nucleus(symbol="69Ga", spin=1.5, frequency_ratio=24.001354),
    Nucleus(symbol="71Ga", spin=1.5, frequency_ratio=30.496704),
    Nucleus(symbol="75As", spin=1.5, frequency_ratio=17.122614),
    Nucleus(symbol="77Se", spin=0.5, frequency_ratio=19.071513),
    Nucleus(symbol="79Br", spin=1.5, frequency_ratio=25.05398),
    Nucleus(symbol="81Br", spin=1.5, frequency_ratio=27.006518),
    Nucleus(symbol="85Rb", spin=2.5, frequency_ratio=9.654943),
    Nucleus(symbol="87Rb", spin=1.5, frequency_ratio=32.720454),
    Nucleus(symbol="89Y", spin=0.5, frequency_ratio=4.900198),
    Nucleus(symbol="91Zr", spin=2.5, frequency_ratio=9.296298),
    Nucleus(symbol="95Mo", spin=2.5, frequency_ratio=6.516926),
    Nucleus(symbol="109Ag", spin=0.5, frequency_ratio=4.653533),
    Nucleus(symbol="113Cd", spin=0.5, frequency_ratio=22.193175),
    Nucleus(symbol="115In", spin=4.5, frequency_ratio=21.912629),
    Nucleus(symbol="119Sn", spin=0.5, frequency_ratio=37.290632),
    Nucleus(symbol="121Sb", spin=2.5, frequency_ratio=23.930577),
    Nucleus(symbol="125Te", spin=0.5, frequency_ratio=31.549769),
    Nucleus(symbol="127I", spin=2.5, frequency_ratio=20.007486),
    Nucleus(symbol="129Xe", spin=0.5, frequency_ratio=27.810186),
    Nucleus(symbol="133Cs", spin=3.5, frequency_ratio=13.116142),
    Nucleus(symbol="139La", spin=3.5, frequency_ratio=14.125641),
    Nucleus(symbol="183W", spin=0.5, frequency_ratio=4.166387),
    Nucleus(symbol="195Pt", spin=0.5, frequency_ratio=21.496784),
    Nucleus(symbol="199Hg", spin=0.5, frequency_ratio=17.910822),
    Nucleus(symbol="205Tl", spin=0.5, frequency_ratio=57.683838),
    Nucleus(symbol="207Pb", spin=0.5, frequency_ratio=20.920599),
    Nucleus(symbol="209Bi", spin=4.5, frequency_ratio=16.069288),
)

NUCLEI = MappingProxyType({nucleus.symbol: nucleus for nucleus in _ROWS})
"""Nuclei by symbol, those measured most often first."""


def find_nucleus(name: str) -> Nucleus:
    """Return the nucleus of a name, in any of the usual spellings.

    Parameters
    ----------
    name : str
        Such as ``23Na``, ``Na23``, ``Na-23``, ``^23Na``.

    Raises
    ------
    SchemaError
        The name is no nucleus, or not one of :data:`NUCLEI`.

    Examples
    --------
    >>> find_nucleus("^23NA").symbol
    '23Na'
    >>> round(find_nucleus("23Na").larmor_frequency(300.13), 2)
    79.39
    """
    match = _NAME.fullmatch(name)
    if match is not None:
        mass, element = (match[1], match[2]) if match[1] else (match[4], match[3])
        symbol = f"{int(mass)}{element.capitalize()}"
        if symbol in NUCLEI:
            return NUCLEI[symbol]
    raise SchemaError(f"{name!r} is no nucleus known here; write it such as 23Na")
