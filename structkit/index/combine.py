"""Evidence of a series -> the stored index: all definitions, variants, conflicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from structkit.index.agreement import (
    SAMPLE_LEVEL,
    Difference,
    compare_with_rest,
    overlap_of,
    scatter_of,
    standing_off,
)
from structkit.index.evidence import Evidence
from structkit.index.latent import LatentShares, drop_copies, infer
from structkit.index.modalities import IndexOptions, make_evidence
from structkit.index.pool import ENOUGH, pool_scores
from structkit.index.scores import Score, score_all
from structkit.index.variants import STRUCT, list_variants
from structkit.index.weights import WeightedShares, weigh_scores
from structkit.schema import MILLING_TIME, SAMPLE
from structkit.schema.index_results import (
    AGREEMENT_NODE,
    INDEX,
    INDICES,
    MIX,
    MODALITY,
    OTHER_SAMPLE,
    SCORES_NODE,
    VARIANT,
    WEIGHTED_NODE,
)

Floats = NDArray[np.float64]

AI_X, AI_POOL, AI_LAT = INDICES
ANCHOR = "xrd"
"""The technique that is absolute, and so an index by itself."""


def combine_metrics(
    metrics: xr.Dataset,
    options: IndexOptions | None = None,
    *,
    weights: Mapping[str, float] | None = None,
) -> xr.DataTree:
    """Return the amorphization index of a series.

    Parameters
    ----------
    metrics : xarray.Dataset
        As :func:`structkit.index.modalities.make_evidence` takes it.
    options : IndexOptions, optional
        What else is known.
    weights : mapping of str to float, optional
        The user's own weights (:mod:`structkit.index.weights`).

    Returns
    -------
    xarray.DataTree
        :mod:`structkit.schema.index_results`, without the attrs of files.

    Raises
    ------
    PlanError
        Weights that cannot be used.
    """
    options = options or IndexOptions()
    given = make_evidence(metrics, options)
    return combine(given, metrics, calibrated=options.calibrated, weights=weights)


def combine(
    evidence: Sequence[Evidence],
    samples: xr.Dataset,
    *,
    calibrated: bool = False,
    weights: Mapping[str, float] | None = None,
) -> xr.DataTree:
    """Return the index of evidence at hand; see :func:`combine_metrics`.

    Parameters
    ----------
    evidence : sequence of Evidence
        Of the series' techniques.
    samples : xarray.Dataset
        Coordinates ``sample`` and ``milling_time``, variable ``role``.
    calibrated : bool
        Whether cross-sections were measured on mixtures of known content.
    weights : mapping of str to float, optional
        The user's own.
    """
    kept = drop_copies(evidence)
    n_samples = int(samples.sizes[SAMPLE])
    scores = score_all(kept)
    structural = tuple(one for one in kept if one.structural)
    differences = _differences(kept, n_samples)
    conflicts = _conflicts(structural, differences, scores, n_samples)
    variants = list_variants(kept)
    spread = {}
    cells = _Cells(n_samples, tuple(variants))
    for number, members in enumerate(variants.values()):
        spread[number] = cells.fill(number, members, scores)
    cells.lead(tuple(variants).index(STRUCT), structural, conflicts)
    root = cells.to_dataset(samples)
    shown = [one for one in scores if one.name in {e.name for e in structural}]
    rows = range(n_samples)
    chance = [scatter_of(shown, row)[0] for row in rows]
    root = root.assign(
        conflict=_text(SAMPLE, conflicts, "what disagrees"),
        overlap=_share(SAMPLE, [overlap_of(shown, k) for k in rows], "divergence"),
        heterogeneity_p=_share(SAMPLE, chance, "p of the scatter of the scores"),
    )
    remarks = _remarks(evidence, kept, calibrated=calibrated)
    root.attrs.update(
        calibration="calibrated" if calibrated else "uncalibrated",
        remarks="\n".join(remarks),
        spread=float(spread[tuple(variants).index(STRUCT)]),
    )
    nodes = {
        "/": root,
        SCORES_NODE: _scores(kept, scores, samples),
        AGREEMENT_NODE: _agreement(differences),
    }
    if weights:
        nodes[WEIGHTED_NODE] = _weighted(weigh_scores(scores, weights), samples)
    return xr.DataTree.from_dict(nodes)


class _Cells:
    """The cube of index, variant and sample while it is filled."""

    def __init__(self, n_samples: int, variants: tuple[str, ...]) -> None:
        shape = (n_samples, len(INDICES), len(variants))
        self.variants = variants
        self.numbers = {n: np.full(shape, math.nan) for n in ("value", "low", "high")}
        self.texts = {n: np.full(shape, "", object) for n in ("modalities", "reason")}
        self.headline = np.zeros(shape, dtype=np.int8)

    def fill(
        self, number: int, members: Sequence[Evidence], scores: Sequence[Score]
    ) -> float:
        """Fill one variant and return the factor of its disagreement."""
        n_samples = self.headline.shape[0]
        speaking = [[e.name for e in members if e.speaks[k]] for k in range(n_samples)]
        for place in range(len(INDICES)):
            for row, names in enumerate(speaking):
                self.texts["modalities"][row, place, number] = " ".join(names)
        self._anchor(number, members)
        self._pool(number, [s for s in scores if s.name in {e.name for e in members}])
        return self._latent(number, members, speaking)

    def _anchor(self, number: int, members: Sequence[Evidence]) -> None:
        """Fill ``AI_X``: diffraction alone."""
        alone = [one for one in members if one.name == ANCHOR]
        place = INDICES.index(AI_X)
        if not alone:
            self.texts["reason"][:, place, number] = "no diffraction in this variant"
            return
        self._put(place, number, infer(alone, n_samples=self.headline.shape[0]))
        for row, speaks in enumerate(alone[0].speaks):
            self.texts["modalities"][row, place, number] = ANCHOR if speaks else ""
            if not speaks:
                self.texts["reason"][row, place, number] = "no amorphous content known"
            elif not alone[0].measured[row]:
                self.numbers["value"][row, place, number] = math.nan
                self.texts["reason"][row, place, number] = "bounds only"

    def _pool(self, number: int, scores: Sequence[Score]) -> None:
        """Fill ``AI_pool``."""
        place = INDICES.index(AI_POOL)
        for row in range(self.headline.shape[0]):
            values = np.array([one.value[row] for one in scores])
            stds = np.array([one.std[row] for one in scores])
            count = int((np.isfinite(values) & np.isfinite(stds)).sum())
            if count < ENOUGH:
                self.texts["reason"][row, place, number] = _too_few(count)
                continue
            found = pool_scores(values, stds)
            for name in self.numbers:
                self.numbers[name][row, place, number] = getattr(found, name)

    def _latent(
        self, number: int, members: Sequence[Evidence], speaking: list[list[str]]
    ) -> float:
        """Fill ``AI_lat``."""
        place = INDICES.index(AI_LAT)
        if len(members) < ENOUGH:
            why = f"in the whole series: {_too_few(len(members))}"
            self.texts["reason"][:, place, number] = why
            return 1.0
        found = infer(members, n_samples=len(speaking))
        self._put(place, number, found)
        for row, names in enumerate(speaking):
            self.texts["reason"][row, place, number] = _rests_on(names)
        return found.spread

    def _put(self, place: int, number: int, shares: LatentShares) -> None:
        """Store shares and limits."""
        for name in self.numbers:
            self.numbers[name][:, place, number] = getattr(shares, name)

    def lead(
        self, number: int, members: Sequence[Evidence], conflicts: Sequence[str]
    ) -> None:
        """Mark the numbers to lead with: three techniques, no conflict."""
        place = INDICES.index(AI_LAT)
        for row, conflict in enumerate(conflicts):
            count = sum(bool(one.speaks[row]) for one in members)
            known = math.isfinite(self.numbers["value"][row, place, number])
            if conflict and known:
                reason = "the techniques disagree: see each alone"
                self.texts["reason"][row, place, number] = reason
            self.headline[row, place, number] = (
                known and count >= ENOUGH and not conflict
            )

    def to_dataset(self, samples: xr.Dataset) -> xr.Dataset:
        """Return the cube with its labels."""
        dims = (SAMPLE, INDEX, VARIANT)
        long = {
            "value": "share without long-range order",
            "low": "lower 95 % limit of the share",
            "high": "upper 95 % limit of the share",
            "modalities": "techniques in it",
            "reason": "why there is none, or what it rests on",
        }
        one = {"units": "1"}
        variables = {
            name: (dims, values, {"long_name": long[name], **one})
            for name, values in self.numbers.items()
        }
        texts = {
            name: (dims, values.astype(str), {"long_name": long[name]})
            for name, values in self.texts.items()
        }
        lead = (dims, self.headline, {"long_name": "1: the number to lead with", **one})
        roles = samples["role"] if "role" in samples.variables else None
        names = [""] * samples.sizes[SAMPLE] if roles is None else roles.to_numpy()
        return xr.Dataset(
            {**variables, **texts, "headline": lead},
            coords={
                SAMPLE: samples[SAMPLE].to_numpy(),
                MILLING_TIME: samples[MILLING_TIME].variable,
                INDEX: list(INDICES),
                VARIANT: list(self.variants),
            },
        ).assign(role=_text(SAMPLE, [str(one) for one in names], "role in the series"))


def _too_few(count: int) -> str:
    """Return why there is no consensus number."""
    words = {0: "no technique", 1: "one technique", 2: "two techniques"}[count]
    return f"{words}: no consensus number" + ("; see both values" if count == 2 else "")


def _rests_on(names: Sequence[str]) -> str:
    """Return what a joint number of a sample rests on, where it is not the usual."""
    if len(names) >= ENOUGH:
        return ""
    if not names:
        return "nothing was measured on this sample"
    return (
        f"{' and '.join(names)} alone on this sample; other samples only tell of "
        "errors in common"
    )


def _differences(
    evidence: Sequence[Evidence], n_samples: int
) -> tuple[Difference, ...]:
    """Return each technique against the structural ones (itself apart)."""
    structural = [one for one in evidence if one.structural]
    found = list(compare_with_rest(structural, n_samples=n_samples))
    for one in evidence:
        if not one.structural:
            with_it = compare_with_rest([*structural, one], n_samples=n_samples)
            found.append(with_it[-1])
    return tuple(found)


def _conflicts(
    structural: Sequence[Evidence],
    differences: Sequence[Difference],
    scores: Sequence[Score],
    n_samples: int,
) -> list[str]:
    """Return what disagrees on each sample, in words."""
    names = {one.name for one in structural}
    off = standing_off([one for one in differences if one.name in names])
    own = [one for one in scores if one.name in names]
    found = []
    for row in range(n_samples):
        said = [
            f"{one.name} stands {one.value:+.2f} ± {one.std:.2f} off the others along "
            f"the series (p = {one.p_value:.1g})"
            for one in off[:1]
            if next(e for e in structural if e.name == one.name).speaks[row]
        ]
        chance, count = scatter_of(own, row)
        if count >= 2 and chance < SAMPLE_LEVEL / n_samples:
            each = ", ".join(
                f"{one.name} {one.value[row]:.2f} ± {one.std[row]:.2f}"
                for one in own
                if math.isfinite(one.value[row])
            )
            said.append(f"{each} scatter beyond their errors (p = {chance:.1g})")
        found.append("; ".join(said))
    return found


def _remarks(
    given: Sequence[Evidence], kept: Sequence[Evidence], *, calibrated: bool
) -> list[str]:
    """Return what to know of the index as a whole."""
    names = {one.name for one in kept}
    found = [
        f"{one.name} repeats the numbers of another technique and counts once"
        for one in given
        if one.name not in names
    ]
    if "raman" in names and not calibrated:
        found.append(
            "Raman cross-sections are not calibrated: measure mixtures of glass and "
            "crystal and give [index] kappa and kappa_std"
        )
    if not any(one.structural for one in kept):
        found.append("no technique that sees structure: no structural index")
    return found


def _scores(
    evidence: Sequence[Evidence], scores: Sequence[Score], samples: xr.Dataset
) -> xr.Dataset:
    """Return the scores with their labels."""
    n = int(samples.sizes[SAMPLE])
    dims = (SAMPLE, MODALITY)
    empty = np.full((n, 0), math.nan)

    def table(values: Sequence[Floats]) -> Floats:
        return np.stack(list(values), axis=1) if values else empty

    def bounds(name: str) -> list[Floats]:
        return [
            np.where(one.bounded, getattr(one, name), math.nan)
            if one.low.size
            else np.full(n, math.nan)
            for one in evidence
        ]

    remarks = np.array(
        [[*(one.remarks or ("",) * n)] for one in evidence], dtype=object
    ).reshape(len(evidence), n)
    covariance = (
        np.stack([one.covariance for one in scores])
        if scores
        else np.full((0, n, n), math.nan)
    )
    one = {"units": "1"}
    return xr.Dataset(
        {
            "score": (
                dims,
                table([s.value for s in scores]),
                {"long_name": "share by one technique alone", **one},
            ),
            "score_std": (
                dims,
                table([s.std for s in scores]),
                {"long_name": "its 1 sigma", **one},
            ),
            "score_covariance": (
                (MODALITY, SAMPLE, OTHER_SAMPLE),
                covariance,
                {"long_name": "its covariance along the series", **one},
            ),
            "score_low": (
                dims,
                table(bounds("low")),
                {"long_name": "lower bound in place of a value", **one},
            ),
            "score_high": (
                dims,
                table(bounds("high")),
                {"long_name": "upper bound in place of a value", **one},
            ),
            "remark": (dims, remarks.T.astype(str), {"long_name": "what to know"}),
            "structural": (
                MODALITY,
                np.array([e.structural for e in evidence], dtype=np.int8),
                {"long_name": "1: sees structure", **one},
            ),
        },
        coords={
            SAMPLE: samples[SAMPLE].to_numpy(),
            MODALITY: [one.name for one in evidence],
        },
    )


def _agreement(differences: Sequence[Difference]) -> xr.Dataset:
    """Return each technique against the others, with labels."""
    return xr.Dataset(
        {
            "difference": _share(
                MODALITY,
                [one.value for one in differences],
                "constant by which its share stands off the others",
            ),
            "difference_std": _share(
                MODALITY, [one.std for one in differences], "its 1 sigma"
            ),
            "p_value": _share(
                MODALITY, [one.p_value for one in differences], "its chance"
            ),
        },
        coords={MODALITY: [one.name for one in differences]},
    )


def _weighted(found: WeightedShares, samples: xr.Dataset) -> xr.Dataset:
    """Return the user's weights and all others, with labels."""
    one = {"units": "1"}
    return xr.Dataset(
        {
            "value": _share(SAMPLE, found.value, "share by the user's weights"),
            "low": _share(SAMPLE, found.low, "lower 95 % limit"),
            "high": _share(SAMPLE, found.high, "upper 95 % limit"),
            "least": _share(SAMPLE, found.least, "least share of any weights"),
            "most": _share(SAMPLE, found.most, "largest share of any weights"),
            "weight": (
                (MIX, MODALITY),
                found.mixes,
                {"long_name": "weights tried", **one},
            ),
            "share": (
                (SAMPLE, MIX),
                found.shares,
                {"long_name": "share by these weights", **one},
            ),
        },
        coords={SAMPLE: samples[SAMPLE].to_numpy(), MODALITY: list(found.names)},
    )


def _share(
    dim: str, values: Sequence[float] | Floats, name: str
) -> tuple[str, Floats, dict[str, str]]:
    """Return a variable without unit."""
    return dim, np.asarray(values, dtype=float), {"long_name": name, "units": "1"}


def _text(
    dim: str, values: Sequence[str], name: str
) -> tuple[str, NDArray[np.str_], dict[str, str]]:
    """Return a variable of text."""
    return dim, np.asarray(values, dtype=str), {"long_name": name}
