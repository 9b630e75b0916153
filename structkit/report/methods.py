"""A paragraph on methods, with versions and citations, from what the files say."""

from __future__ import annotations

from structkit.report.stored import Stored

_RIETVELD = "Rietveld (1969), J. Appl. Cryst. 2, 65, doi:10.1107/S0021889869006558"
_PROFILE = (
    "Thompson, Cox & Hastings (1987), J. Appl. Cryst. 20, 79, "
    "doi:10.1107/S0021889887087090"
)
_MICRO = "Brindley (1945), Phil. Mag. 36, 347, doi:10.1080/14786444508520918"
_LIMITS = "Currie (1968), Anal. Chem. 40, 586, doi:10.1021/ac60259a007"
_METHODS = {
    "internal_standard": (
        "an internal standard",
        "Madsen et al. (2001), J. Appl. Cryst. 34, 409, doi:10.1107/S0021889801007476",
    ),
    "external_standard": (
        "an external standard",
        "O'Connor & Raven (1988), Powder Diffr. 3, 2, doi:10.1017/S0885715600013026",
    ),
    "direct_derivation": (
        "direct derivation",
        "Toraya & Omote (2019), J. Appl. Cryst. 52, 13, doi:10.1107/S1600576718016394",
    ),
    "ponkcs": (
        "a calibrated halo (PONKCS)",
        "Scarlett & Madsen (2006), Powder Diffr. 21, 278, doi:10.1154/1.2362855",
    ),
    "measured_component": ("a measured pattern of the glass", ""),
    "closure_bound": ("the balance of atoms", ""),
}
_KRONIG = "Boukamp (1995), J. Electrochem. Soc. 142, 1885, doi:10.1149/1.2044210"
_BIC = "Schwarz (1978), Ann. Stat. 6, 461, doi:10.1214/aos/1176344136"
_BPP = (
    "Bloembergen, Purcell & Pound (1948), Phys. Rev. 73, 679, "
    "doi:10.1103/PhysRev.73.679"
)
_AICC = "Hurvich & Tsai (1989), Biometrika 76, 297, doi:10.1093/biomet/76.2.297"
_POOL = (
    "DerSimonian & Laird (1986), Control. Clin. Trials 7, 177, "
    "doi:10.1016/0197-2456(86)90046-2"
)


def write_methods(stored: Stored) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return paragraphs and the list that their numbers in brackets point to.

    Parameters
    ----------
    stored : Stored
        Software, engine, instrument and methods are taken from its attributes.
    """
    citations: list[str] = []

    def cite(*texts: str) -> str:
        """Return ``[1, 2]`` and keep the texts."""
        numbers = []
        for text in texts:
            if not text:
                continue
            if text not in citations:
                citations.append(text)
            numbers.append(str(citations.index(text) + 1))
        return f" [{', '.join(numbers)}]" if numbers else ""

    paragraphs = [_software(stored)]
    if "refine" in stored.trees or "crystallinity" in stored.trees:
        paragraphs.append(_diffraction(stored, cite))
    if "raman" in stored.trees:
        reduction = str(stored.trees["raman"].attrs.get("reduction", "none"))
        words = "not reduced" if reduction == "none" else f"reduced ({reduction})"
        paragraphs.append(
            "Raman spectra were corrected for their axis, freed of cosmic rays, and "
            "fitted with baseline and bands together, all spots of a sample sharing "
            f"shapes; intensities were {words}. Readings are ranked by BIC{cite(_BIC)}."
        )
    if "eis" in stored.trees:
        paragraphs.append(
            "Impedance spectra were tested by the linear Kramers-Kronig relation"
            f"{cite(_KRONIG)} and fitted with the simplest of nested circuits that "
            f"suffices by BIC{cite(_BIC)}; uncertainties hold fit, leads and geometry. "
            "Activation energies are those of ln(σT)."
        )
    if "nmr" in stored.trees:
        nucleus = str(stored.trees["nmr"].attrs.get("nucleus", "23Na"))
        paragraphs.append(
            f"{nucleus} NMR lines were fitted with areas free of sign; compositions "
            "are less a blank where one was measured. T1 follows from recoveries of "
            f"all lines together{cite(_BPP)}, the law chosen by AICc{cite(_AICC)}."
        )
    if "index" in stored.trees:
        calibration = str(stored.trees["index"].attrs.get("calibration", ""))
        paragraphs.append(
            "The amorphization index combines the scores of the structural techniques "
            f"with random effects between techniques{cite(_POOL)}; no conductivity "
            "enters the structural variant. "
            f"It is {calibration or 'of unstated calibration'}."
        )
    return tuple(paragraphs), tuple(citations)


def _software(stored: Stored) -> str:
    """Return what was run on which file."""
    attrs = next(iter(stored.trees.values())).attrs
    software = str(
        stored.provenance.get("software", attrs.get("software", "structkit"))
    )
    text = f"Data were analysed with {software}"
    packages = stored.provenance.get("versions", stored.provenance.get("packages"))
    if isinstance(packages, dict):
        text += " (" + ", ".join(f"{k} {v}" for k, v in packages.items()) + ")"
    digest = str(attrs.get("source_sha256", ""))
    source = str(attrs.get("source_file", "")).replace("\\", "/").rpartition("/")[2]
    if digest:
        text += f"; series file {source or 'given'}, SHA-256 {digest[:16]}…"
    if stored.is_synthetic:
        text += ". All measurements are simulated; nothing was measured"
    return f"{text}."


def _diffraction(stored: Stored, cite: object) -> str:
    """Return how patterns were refined and amorphous contents found."""
    if not callable(cite):
        raise TypeError("cite is no function")
    tree = stored.trees.get("refine", stored.trees.get("crystallinity"))
    attrs = {} if tree is None else tree.attrs
    engine, instrument = (str(attrs.get(key, "")) for key in ("engine", "instrument"))
    text = f"Powder patterns were refined by the Rietveld method{cite(_RIETVELD)}"
    text += f" with the engine {engine}" if engine else ""
    text += f", profiles after Thompson, Cox and Hastings{cite(_PROFILE)}"
    text += f" (instrument {instrument})" if instrument else ""
    text += f", microabsorption after Brindley{cite(_MICRO)}. "
    root = stored.root("crystallinity")
    if root is not None and "amorphous_fraction_method" in root:
        used = [
            one
            for one in dict.fromkeys(
                root["amorphous_fraction_method"].to_numpy().astype(str)
            )
            if one
        ]
        words = [_METHODS.get(one, (one.replace("_", " "), "")) for one in used]
        if words:
            told = " and ".join(word for word, _ in words)
            text += f"Amorphous contents rest on {told}"
            text += f"{cite(*(source for _, source in words))}. "
    return f"{text}Detection limits follow Currie{cite(_LIMITS)}."
