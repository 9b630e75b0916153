"""A refinement result made by hand, with any numbers that a test wants."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from refinement.engines.native.engine import NativeEngine
from refinement.engines.native.options import NativeOptions
from refinement.plan import Phase, RefinementPlan
from refinement.result import RefinementResult, phase_variable, scalar
from structkit.schema import PHASE, TWO_THETA, FitStatus
from structkit.structures import library
from structkit.synthetic.mixture import SyntheticPhase, simulate_mixture
from structkit.synthetic.study import StudyTruth, simulate_study, simulate_study_blank
from structkit.xrd.instrument import Instrument
from structkit.xrd.radiation import tube

ANGLES = np.linspace(10.0, 80.0, 701)


def build_result(
    scales: Sequence[float] = (2.0, 1.0),
    *,
    names: Sequence[str] = ("NaTaCl6", "NaCl"),
    scale_std: float = 0.01,
    halo: float = 300.0,
    variants: Sequence[float] | None = (0.5, 0.45, 0.53),
    status: FitStatus = FitStatus.CONVERGED,
    reason: str = "",
    extra: dict[str, xr.Variable] | None = None,
) -> RefinementResult:
    """Return a result of the schema that every engine fills."""
    amounts = np.asarray(scales, dtype=float)
    n = amounts.size
    share = amounts / max(float(amounts.sum()), 1e-300)
    columns = {
        "scale": amounts,
        "scale_std": np.full(n, scale_std),
        "weight_fraction_crystalline": share,
        "weight_fraction_crystalline_std": np.full(n, 0.004),
        "weight_fraction_crystalline_systematic": np.full(n, 0.01),
        "detection_limit": np.full(n, 0.02),
        "size_nm": np.full(n, 30.0),
        "size_nm_std": np.full(n, 2.0),
        "cell_a": np.full(n, 5.64),
        "cell_a_std": np.full(n, 1e-4),
    }
    variables = {name: phase_variable(name, data) for name, data in columns.items()}
    variables["scale_covariance"] = xr.Variable(
        (PHASE, "phase_"), scale_std**2 * np.eye(n)
    )
    variables |= {"r_wp": scalar("r_wp", 0.071), "gof": scalar("gof", 1.3)}
    if variants is not None:
        variables["area_fraction_variants"] = xr.Variable(
            ("background_variant",), np.asarray(variants, dtype=float)
        )
    peaks = [
        amount * 400.0 * np.exp(-0.5 * ((ANGLES - 20.0 - 7.0 * k) / 0.2) ** 2)
        for k, amount in enumerate(amounts)
    ]
    curves = xr.Dataset(
        {
            "component": ((PHASE, TWO_THETA), np.array(peaks)),
            "halo": (TWO_THETA, halo * np.exp(-0.5 * ((ANGLES - 25.0) / 4.0) ** 2)),
            "background": (TWO_THETA, np.full(ANGLES.size, 50.0)),
        },
        coords={TWO_THETA: ANGLES, PHASE: list(names)},
    )
    return RefinementResult(
        engine="by hand",
        status=status,
        reason=reason,
        parameters=xr.Dataset(variables | (extra or {}), coords={PHASE: list(names)}),
        curves=curves,
        reflections=xr.Dataset(),
        recipe={"amorphous_area": "bank"},
    )


@pytest.fixture(scope="session")
def make_result() -> Callable[..., Any]:
    """Return :func:`build_result`."""
    return build_result


def build_study(
    *,
    times_h: Sequence[float] = (1.0, 2.0, 4.0, 6.0),
    spiked: str | None = None,
    adversary: str | None = None,
    relative_esd: float = 0.01,
    seed: int = 3,
    truth: StudyTruth | None = None,
) -> tuple[dict[str, RefinementResult], xr.Dataset, xr.Dataset]:
    """Return perfect results of a synthetic study, its truth and its blank.

    Scales are the true ones, their esds small; curves are those of the generator. What
    a test finds amiss is then the method's, not an engine's.
    """
    truth = truth or StudyTruth(film_std_um=0.0, drift=0.0)
    rng = np.random.default_rng(seed)
    _, known = simulate_study(
        truth,
        rng=rng,
        times_h=times_h,
        spiked=spiked,
        adversary=adversary,  # type: ignore[arg-type]
    )
    blank = simulate_study_blank(truth, rng=rng)
    results = {
        str(name): _perfect(known.sel(sample=name), relative_esd)
        for name in known["sample"].to_numpy()
    }
    return results, known, blank


def _perfect(known: xr.Dataset, relative_esd: float) -> RefinementResult:
    """Return a result that is the truth."""
    names = [str(name) for name in known[PHASE].to_numpy()]
    there = [
        n for n in names if np.isfinite(float(known["weight_fraction"].sel(phase=n)))
    ]
    lines = known["component"].sel(phase=there).fillna(0.0)
    # A line of scale S has the area S m|F|^2 LP/(M V) in degrees.
    unit = 16.0 * np.pi / 1.5418**3 * np.pi / 180.0
    spike = float(known.get("spike_fraction", 0.0))
    amounts = known["weight_fraction"].sel(phase=there).to_numpy() * (1.0 - spike)
    if "rutile" in there:
        amounts[there.index("rutile")] = spike
    scales = float(known["instrument_scale"] / known["mass_attenuation"]) / unit
    values = scales * amounts
    esd = relative_esd * np.maximum(values, 0.02 * values.sum() + 1e-3)
    result = build_result(values, names=there)
    angles = known[TWO_THETA].to_numpy()
    smooth = known["background"] + known["film"]
    curves = xr.Dataset(
        {
            "component": ((PHASE, TWO_THETA), lines.to_numpy()),
            "halo": (TWO_THETA, known["halo"].to_numpy()),
            "background": (TWO_THETA, smooth.to_numpy()),
            "observed": (TWO_THETA, known["expected"].to_numpy()),
            "calculated": (TWO_THETA, known["expected"].to_numpy()),
            "observed_std": (TWO_THETA, np.sqrt(known["expected"].to_numpy())),
        },
        coords={TWO_THETA: angles, PHASE: there},
    )
    parameters = result.parameters.assign(
        scale_std=phase_variable("scale_std", esd),
        scale_covariance=((PHASE, "phase_"), np.diag(esd**2)),
        weight_fraction_crystalline=phase_variable(
            "weight_fraction_crystalline", values / max(values.sum(), 1e-300)
        ),
        detection_limit=phase_variable("detection_limit", np.full(len(there), 1e-3)),
    )
    return replace(result, parameters=parameters, curves=curves)


@pytest.fixture(scope="session")
def make_study() -> Callable[..., Any]:
    """Return :func:`build_study`."""
    return build_study


HOSTS = {"NaCl": 80.0, "corundum": 60.0}
"""Sizes of the phases of :func:`simulated_fit`, nm; rutile beside them has 40."""
LABORATORY = Instrument(
    radiation=tube("CuKa"),
    u=0.004,
    v=-0.003,
    w=0.004,
    axial_divergence=0.012,
    calibrated=True,
)
"""That of ``structkit.synthetic``, its emission widths left out."""


def simulated_fit(
    *,
    rutile: float = 0.0,
    planned: Sequence[str] = ("NaCl", "corundum", "rutile"),
    seed: int = 1,
    sizes: dict[str, float] | None = None,
    microstrain: float = 0.0,
    instrument: Instrument = LABORATORY,
) -> tuple[RefinementResult, RefinementPlan]:
    """Return a synthetic pattern of equal hosts and some rutile, refined."""
    size = HOSTS | {"rutile": 40.0} | (sizes or {})
    shares = {name: (1.0 - rutile) / len(HOSTS) for name in HOSTS} | {"rutile": rutile}
    pattern, _ = simulate_mixture(
        [
            SyntheticPhase(
                structure=library.load(name),
                weight_fraction=share,
                size_nm=size[name],
                microstrain=microstrain,
            )
            for name, share in shares.items()
            if share > 0.0
        ],
        displacement_mm=0.05,
        rng=np.random.default_rng(seed),
    )
    plan = RefinementPlan(
        phases=tuple(Phase(structure=library.load(name)) for name in planned),
        instrument=instrument,
    )
    engine = NativeEngine(options=NativeOptions(systematics=False))
    return engine.refine(pattern, plan), plan


@pytest.fixture(scope="session")
def fit_mixture() -> Callable[..., Any]:
    """Return :func:`simulated_fit`."""
    return simulated_fit


@pytest.fixture(scope="session")
def without_rutile() -> tuple[RefinementResult, RefinementPlan]:
    """Return a fit that looks for rutile where there is none."""
    return simulated_fit()


@pytest.fixture(scope="session")
def with_rutile() -> tuple[RefinementResult, RefinementPlan]:
    """Return a fit that looks for rutile where there are 3 wt%."""
    return simulated_fit(rutile=0.03)
