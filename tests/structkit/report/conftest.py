"""Small results of all stages, made up: what a report reads, without any fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from structkit.store import write_dataset, write_text, write_tree

SCRIPT = "<script>alert(1)</script>"
"""Only a root may hold it: a node's name has no slash."""
IMAGE = "<img src=x onerror=alert(1)>"
"""Runs where it is taken for HTML, and is a node's name."""
SAMPLES = ("unmilled", IMAGE, "4h")
TIMES = (0.0, 1.0, 4.0)
CONTENT = (0.0, 0.33, 0.81)
PHASES = ("NaTaCl6", "NaCl")
ANGLE = np.linspace(10.0, 80.0, 701)
SIGMA = 4.41e-3


def peak(x: np.ndarray, place: float, width: float) -> np.ndarray:
    return np.exp(-0.5 * ((x - place) / width) ** 2)


def make_refinement(samples: Sequence[str] = SAMPLES) -> xr.DataTree:
    count = len(samples)
    fractions = np.column_stack([np.linspace(0.2, 0.9, count)] * 2)
    fractions[:, 1] = 1.0 - fractions[:, 0]
    over = ("sample", "phase")
    root = xr.Dataset(
        {
            "weight_fraction_crystalline": (over, fractions),
            "weight_fraction_crystalline_std": (over, np.full((count, 2), 0.012)),
            "detection_limit": (over, np.full((count, 2), 0.02)),
            "upper_limit": (over, np.full((count, 2), 0.015)),
            "size_nm": (over, np.full((count, 2), 30.461)),
            "size_nm_std": (over, np.full((count, 2), 0.745)),
            "r_wp_percent": ("sample", np.full(count, 5.3)),
            "status": ("sample", ["converged"] * (count - 1) + ["doubtful"]),
            "reason": ("sample", [""] * (count - 1) + ["two cells trade"]),
        },
        {
            "sample": list(samples),
            "phase": list(PHASES),
            "milling_time": ("sample", list(TIMES[:count])),
        },
        {
            "name": "made up (synthetic)",
            "software": "structkit 0.0",
            "engine": "native 0.0",
            "source_file": "series.toml",
            "source_sha256": "ab" * 32,
        },
    )
    nodes = {"/": root}
    for name in samples:
        background = 200.0 - ANGLE
        halo = 150.0 * peak(ANGLE, 16.0, 5.0)
        calculated = background + halo + 900.0 * peak(ANGLE, 32.0, 0.3)
        observed = np.round(calculated + 5.0 * np.sin(7.0 * ANGLE))
        nodes[f"/{name}/curves"] = xr.Dataset(
            {
                "observed": ("two_theta", observed),
                "calculated": ("two_theta", calculated),
                "background": ("two_theta", background),
                "halo": ("two_theta", halo),
            },
            {"two_theta": ANGLE},
        )
        nodes[f"/{name}/reflections"] = xr.Dataset(
            {
                "two_theta_hkl": ("reflection", [15.0, 32.0, 45.0]),
                "phase_index": ("reflection", [0, 1, 1]),
            }
        )
    return xr.DataTree.from_dict(nodes)


def make_contents(samples: Sequence[str] = SAMPLES) -> xr.DataTree:
    count = len(samples)
    content = np.array(CONTENT[:count])
    over, by = ("sample", "phase"), ("sample", "amorphous_method")
    part = np.column_stack([0.6 * (1.0 - content), 0.4 * (1.0 - content)])
    hidden = np.zeros((count, 2))
    hidden[-1, 1] = 1.0
    root = xr.Dataset(
        {
            "amorphous_fraction": ("sample", content),
            "amorphous_fraction_low": ("sample", np.maximum(content - 0.06, 0.0)),
            "amorphous_fraction_high": ("sample", content + 0.06),
            "amorphous_fraction_method": ("sample", ["external_standard"] * count),
            "method_value": (by, np.column_stack([content, content + 0.01])),
            "method_applicable": (by, np.ones((count, 2), dtype=int)),
            "weight_fraction_sample": (over, part),
            "weight_fraction_sample_std": (over, np.full((count, 2), 0.02)),
            "weight_fraction_sample_censored": (over, hidden),
            "upper_limit_sample": (over, np.full((count, 2), 0.0123)),
            "present": (over, 1.0 - hidden),
            "verdict": ("sample", [f"{n}: so much is amorphous." for n in samples]),
            "contradiction": ("sample", [""] * (count - 1) + ["atoms do not add up"]),
        },
        {
            "sample": list(samples),
            "phase": list(PHASES),
            "amorphous_method": ["external_standard", "direct_derivation"],
            "milling_time": ("sample", list(TIMES[:count])),
        },
        {"name": "made up (synthetic)", "software": "structkit 0.0"},
    )
    return xr.DataTree(root)


def make_raman(samples: Sequence[str] = SAMPLES) -> xr.DataTree:
    count, shift = len(samples), np.linspace(100.0, 900.0, 201)
    over = ("sample", "metric")
    root = xr.Dataset(
        {
            "metric_value": (over, np.full((count, 1), 0.5)),
            "metric_low": (over, np.full((count, 1), 0.3)),
            "metric_high": (over, np.full((count, 1), 0.7)),
            "metric_resolved": (over, np.ones((count, 1), dtype=np.int8)),
            "delta_bic": (
                ("sample", "hypothesis"),
                np.tile([0.0, 4.0, 90.0], (count, 1)),
            ),
            "status": ("sample", ["converged"] * count),
            "reason": ("sample", [""] * count),
        },
        {
            "sample": list(samples),
            "metric": ["amorphous_share"],
            "hypothesis": ["NTC", "NTC + glass", "oxide"],
            "milling_time": ("sample", list(TIMES[:count])),
            "role": ("sample", ["milled"] * count),
        },
        {"name": "made up (synthetic)", "software": "structkit 0.0"},
    )
    nodes = {"/": root}
    for name in samples:
        bands = np.array([peak(shift, 380.0, 6.0), peak(shift, 420.0, 25.0)])
        light = 50.0 + 800.0 * bands.sum(axis=0)
        nodes[f"/{name}/bands"] = xr.Dataset(
            {
                "member_of": ("band", ["A", "B"]),
                "kind": ("band", ["band", "band"]),
                "species": ("band", ["NaTaCl6", IMAGE]),
                "status": ("band", ["determined", "determined"]),
                "centre": ("band", [380.0, 420.0]),
                "chi_square": ("spot", [1.0]),
                "axis_shift": ("spot", [0.0]),
            },
            {"band": ["A", "B"], "spot": [1]},
        )
        nodes[f"/{name}/spectra/1"] = xr.Dataset(
            {
                "intensity": (("spot", "raman_shift"), light[None]),
                "intensity_std": (("spot", "raman_shift"), np.sqrt(light)[None]),
                "baseline": (("spot", "raman_shift"), np.full((1, 201), 50.0)),
                "component": (("spot", "column", "raman_shift"), 800.0 * bands[None]),
                "residual": (("spot", "raman_shift"), np.zeros((1, 201))),
            },
            {"raman_shift": shift, "spot": [1], "column": ["A", "B"]},
        )
    return xr.DataTree.from_dict(nodes)


def make_impedance(samples: Sequence[str] = SAMPLES[1:]) -> xr.DataTree:
    kelvin = np.array([298.15, 318.15])
    hertz = np.geomspace(1e6, 0.1, 40)
    arc = 40.0 / (1.0 + 1j * hertz / 1e5) - 1j * 1e4 / hertz
    nodes = {
        "/": xr.Dataset(
            {"sample_name": ("sample", list(samples))},
            attrs={"name": "made up (synthetic)", "software": "structkit 0.0"},
        )
    }
    parts = ["bulk", "grain_boundary", "total"]
    for name in samples:
        sigma = np.full((2, 3), np.nan)
        sigma[:, 2] = [SIGMA, 2.0 * SIGMA]
        over = ("measurement", "contribution")
        nodes[f"/samples/{name}/conductivity"] = xr.Dataset(
            {
                "conductivity": (over, sigma),
                "conductivity_std": (over, 0.0272 * sigma),
                "in_band": (over, np.ones((2, 3), dtype=np.int8)),
                "remark": (over, np.array([["no bulk", "no boundary", ""]] * 2)),
                "file": ("measurement", ["a.DTA", "b.DTA"]),
                "status": ("measurement", ["converged", "converged"]),
                "reason": ("measurement", ["", ""]),
            },
            {"temperature": ("measurement", kelvin), "contribution": parts},
        )
        fit = (1, 1, 1)
        nodes[f"/samples/{name}/arrhenius/1"] = xr.Dataset(
            {
                key: (("contribution", "convention", "points"), np.full(fit, value))
                for key, value in {
                    "activation_energy": 0.3398,
                    "activation_energy_std": 0.0121,
                    "ln_prefactor": 13.5,
                }.items()
            },
            {
                "contribution": ["total"],
                "convention": ["ln_sigma_T"],
                "points": ["all"],
            },
        )
        for number, at in enumerate(kelvin, start=1):
            nodes[f"/samples/{name}/spectra/{number}"] = xr.Dataset(
                {
                    "impedance": ("frequency", arc * 1.01),
                    "impedance_fit": ("frequency", arc),
                    "used": ("frequency", np.ones(40, dtype=np.int8)),
                },
                {"frequency": hertz, "temperature": at, "history": ""},
            )
    return xr.DataTree.from_dict(nodes)


def make_nmr(samples: Sequence[str] = SAMPLES[2:]) -> xr.DataTree:
    count, shift = len(samples), np.linspace(-30.0, 30.0, 121)
    sites = ["NTOC", "NaCl"]
    root = xr.Dataset(
        {
            "status": ("sample", ["converged"] * count),
            "reason": ("sample", [""] * count),
            "t1": (("sample", "site"), np.full((count, 2), 1.346e-3)),
            "t1_std": (("sample", "site"), np.full((count, 2), 5.0e-5)),
            "composition_value": (("sample", "quantity"), np.full((count, 1), 0.0092)),
            "composition_low": (("sample", "quantity"), np.full((count, 1), -0.06)),
            "composition_high": (("sample", "quantity"), np.full((count, 1), 0.085)),
            "composition_remark": (
                ("sample", "quantity"),
                np.full((count, 1), "not above zero: x < 0.069 (95 %)"),
            ),
        },
        {
            "sample": list(samples),
            "site": sites,
            "quantity": ["x"],
            "milling_time": ("sample", list(TIMES[2 : 2 + count])),
            "role": ("sample", ["milled"] * count),
        },
        {"name": "made up (synthetic)", "nucleus": "23Na"},
    )
    nodes = {"/": root}
    for name in samples:
        line = np.array([peak(shift, -11.0, 2.0), 0.1 * peak(shift, 7.0, 1.0)])
        nodes[f"/{name}/lines"] = xr.Dataset(
            {
                "intensity": ("chemical_shift", line.sum(axis=0)),
                "baseline": ("chemical_shift", np.zeros(121)),
                "residual": ("chemical_shift", np.zeros(121)),
                "line": (("own_site", "chemical_shift"), line),
            },
            {"chemical_shift": shift, "own_site": sites},
        )
        delay = np.geomspace(1e-4, 10.0, 12)
        grown = 1.0 - 2.0 * np.exp(-delay / 1e-2)
        nodes[f"/{name}/t1/1"] = xr.Dataset(
            {
                "area": (("own_site", "delay"), np.array([grown, 0.1 * grown])),
                "area_std": ("own_site", [0.01, 0.01]),
                "curve": (("own_site", "curve_delay"), np.array([grown, 0.1 * grown])),
                "temperature": ((), 298.0),
            },
            {"delay": delay, "curve_delay": delay, "own_site": sites},
        )
    return xr.DataTree.from_dict(nodes)


def make_index(samples: Sequence[str] = SAMPLES) -> xr.DataTree:
    """Two techniques on the first sample, three with a lead on the next, a conflict."""
    count = len(samples)
    indices, variants = ["AI_X", "AI_pool", "AI_lat"], ["struct", "all", "without_xrd"]
    cell, shape = ("sample", "index", "variant"), (count, 3, 3)
    value = np.broadcast_to(np.array(CONTENT[:count])[:, None, None], shape).copy()
    value[0] = np.nan
    headline = np.zeros(shape, dtype=np.int8)
    headline[1:, 2, 0] = 1
    held = np.full(shape, "xrd raman nmr")
    held[:, :, 1] = "xrd raman nmr eis"
    reason = np.full(shape, "", dtype="U60")
    reason[0] = "two techniques: both values, no consensus"
    root = xr.Dataset(
        {
            "value": (cell, value),
            "low": (cell, np.clip(value - 0.05, 0.0, 1.0)),
            "high": (cell, np.clip(value + 0.05, 0.0, 1.0)),
            "modalities": (cell, held),
            "headline": (cell, headline),
            "reason": (cell, reason),
            "conflict": (
                "sample",
                [""] * (count - 1) + ["Raman is 0.3 above the rest"],
            ),
            "overlap": ("sample", np.full(count, 0.2)),
            "heterogeneity_p": ("sample", np.full(count, 0.4)),
        },
        {
            "sample": list(samples),
            "index": indices,
            "variant": variants,
            "milling_time": ("sample", list(TIMES[:count])),
            "role": ("sample", ["milled"] * count),
        },
        {"calibration": "uncalibrated", "remarks": "first remark\nsecond remark"},
    )
    known = ["xrd", "raman", "nmr", "t1", "eis"]
    score = np.column_stack([np.array(CONTENT[:count]) + 0.02 * k for k in range(5)])
    score[0, 2:] = np.nan
    scores = xr.Dataset(
        {
            "score": (("sample", "modality"), score),
            "score_std": (("sample", "modality"), np.full((count, 5), 0.03)),
            "score_low": (("sample", "modality"), np.full((count, 5), np.nan)),
            "score_high": (("sample", "modality"), np.full((count, 5), np.nan)),
            "remark": (("sample", "modality"), np.full((count, 5), "")),
            "structural": ("modality", np.array([1, 1, 1, 0, 0], dtype=np.int8)),
        },
        {"sample": list(samples), "modality": known},
    )
    agreement = xr.Dataset(
        {
            "difference": ("modality", [0.01, 0.2, -0.02, np.nan, np.nan]),
            "difference_std": ("modality", [0.02, 0.05, 0.03, np.nan, np.nan]),
            "p_value": ("modality", [0.6, 0.001, 0.5, np.nan, np.nan]),
        },
        {"modality": known},
    )
    return xr.DataTree.from_dict(
        {"/": root, "/scores": scores, "/agreement": agreement}
    )


def write_results(folder: Path) -> Path:
    """Write results of all stages, tables and truth; return the folder."""
    for stage, tree in {
        "refine": make_refinement(),
        "crystallinity": make_contents(),
        "raman": make_raman(),
        "eis": make_impedance(),
        "nmr": make_nmr(),
        "index": make_index(),
    }.items():
        write_tree(tree, folder / f"{stage}.nc")
    tables = folder / "tables"
    rows = "\n".join(
        f'"{name}",{time},{value},{std}'
        for name, time, value, std in (
            (SCRIPT, 10.0, 0.5, 0.012),
            ("b", 9.0, -2.4e-9, 1.29e-10),
            ("a", 100.0, 0.81, 0.03),
        )
    )
    write_text(f"sample,milling_time_h,value,std\n{rows}\n", tables / "amorphous.csv")
    write_text(
        "claim,verdict,arithmetic,source\nx = 0.06,contradicted,0.01 < 0.06,study\n",
        tables / "audit.csv",
    )
    write_text(
        f'code,sample,text\nprecursor_left,{SCRIPT},"NaCl is still there"\n',
        tables / "flags.csv",
    )
    write_text(
        "topic,sentence\nconduction,Electrons were not excluded.\n",
        tables / "limits.csv",
    )
    truth = xr.Dataset(
        {"amorphous_fraction": ("sample", list(CONTENT))},
        {"sample": list(SAMPLES), "milling_time": ("sample", list(TIMES))},
        {"label": "synthetic: simulated by structkit.synthetic, not measured"},
    )
    write_dataset(truth, folder / "truth.nc")
    return folder


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of results of all stages."""
    return write_results(tmp_path_factory.mktemp("results"))
