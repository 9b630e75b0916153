"""Measure what the project promises about speed, and print it beside the promise."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import cases, startup
from benchmarks.cases import Case
from benchmarks.eis_speed import measure_eis
from benchmarks.nmr_speed import measure_nmr
from benchmarks.raman_speed import measure_raman
from benchmarks.table import Row, to_markdown, to_text
from benchmarks.timing import Timing, measure
from refinement.engines.native.engine import NativeEngine
from refinement.result import RefinementResult
from structkit.errors import StructkitError
from structkit.schema import FitStatus

Floats = NDArray[np.float64]

AGREEMENT = 0.1
"""Largest difference of a weight fraction between native engine and rietx, wt%."""
GSAS2_AGREEMENT = 0.5
"""The same to GSAS-II; 0.05 (shared pattern) and 0.11 (synthetic) were seen."""


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks; 1 where two programs disagree, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, help="also write this .md file")
    parser.add_argument("-n", "--repeats", type=int, default=15)
    parser.add_argument(
        "--no-peers", action="store_true", help="leave rietx and gsas2 out"
    )
    options = parser.parse_args(arguments)
    rows = list(measure_all(options.repeats, with_peers=not options.no_peers))
    heading = _heading()
    print(f"{heading}\n\n{to_text(rows)}")
    if options.output is not None:
        text = f"{heading}\n\n{to_markdown(rows)}"
        options.output.write_text(text, encoding="utf-8")
    return int(any(row.unit == "wt%" and not row.is_met for row in rows))


def measure_all(repeats: int, *, with_peers: bool) -> Iterator[Row]:
    """Yield every row of the table."""
    yield from measure_bench3(repeats, with_peers=with_peers)
    halo = cases.with_halo(cases.bench3())
    yield from measure_native(halo, repeats, cold=60.0, warm=35.0)
    yield from measure_native(cases.milling(), repeats, warm=80.0)
    yield from measure_raman(repeats)
    yield from measure_eis(repeats)
    yield from measure_nmr(repeats)
    yield from measure_startup(repeats)


def measure_bench3(repeats: int, *, with_peers: bool) -> Iterator[Row]:
    """Time bench3, against rietx and GSAS-II where they are installed."""
    case = cases.bench3()
    native = list(measure_native(case, repeats, cold=60.0, warm=35.0))
    yield from native
    if not with_peers:
        return
    own = 1e-3 * native[1].value
    if find_spec("rietx") is not None:
        yield from measure_rietx(case, repeats, own=own)
    yield from measure_gsas2(case, repeats, own=own)


def measure_rietx(case: Case, repeats: int, *, own: float) -> Iterator[Row]:
    """Time rietx by itself; ``own`` is what the native engine takes warm, s."""
    from benchmarks.peers import Rietx, peer_weights

    peer = Rietx(case)
    few = max(repeats // 5, 1)
    cold, theirs = measure(peer.refine_cold, repeats=few)
    started = iter([peer.prepare_warm() for _ in range(few)])
    warm, _ = measure(lambda: peer.refine_warm(next(started)), repeats=few, warmups=0)
    yield _time_row(f"{peer.name}, cold (3 stages and closing)", cold, unit="s")
    yield _time_row(f"{peer.name}, warm (1 stage)", warm, unit="s")
    yield Row(
        what="native warm against rietx cold",
        value=cold.median / own,
        unit="x",
        target=100.0,
    )
    yield Row(what="native warm against rietx warm", value=warm.median / own, unit="x")
    found = weights_of(NativeEngine().refine(case.pattern, case.plan))
    yield _gap_row(
        "native and rietx, same model", found, peer_weights(theirs), target=AGREEMENT
    )


def measure_gsas2(case: Case, repeats: int, *, own: float) -> Iterator[Row]:
    """Time engine ``gsas2``; ``own`` is what the native engine takes warm, s.

    Nothing where there is no GSAS-II, or where it fails; stderr then says why. The
    neighbour's fit, from which the warm start comes, is not timed: it starts GSAS-II.
    """
    from refinement.engines.gsas2.engine import Gsas2Engine

    engine = Gsas2Engine(workers=1)
    about = engine.describe()
    if not about.available:
        print(f"gsas2 is left out: {about.remedy}", file=sys.stderr)
        return
    few = max(repeats // 5, 1)
    try:
        start = _usable(engine.refine(case.neighbour(), case.plan))
        cold, alone = measure(
            lambda: _usable(engine.refine(case.pattern, case.plan)),
            repeats=few,
            warmups=0,
        )
        warm, chained = measure(
            lambda: _usable(engine.refine(case.pattern, case.plan, start=start)),
            repeats=few,
            warmups=0,
        )
    except (AssertionError, StructkitError) as error:
        print(f"gsas2 is left out: {error}", file=sys.stderr)
        return
    finally:
        engine.close()
    name = f"gsas2 {about.version}"
    yield _time_row(f"{name}, cold (all stages until stable)", cold)
    yield _time_row(f"{name}, warm (scales, positions, last stage)", warm)
    yield Row(what="native warm against gsas2 cold", value=cold.median / own, unit="x")
    yield Row(what="native warm against gsas2 warm", value=warm.median / own, unit="x")
    yield _gap_row("gsas2, warm and cold", weights_of(chained), weights_of(alone))
    found = weights_of(NativeEngine().refine(case.pattern, case.plan))
    yield _gap_row(
        "native and gsas2, same model",
        found,
        weights_of(alone),
        target=GSAS2_AGREEMENT,
    )


def measure_native(
    case: Case, repeats: int, *, warm: float, cold: float | None = None
) -> Iterator[Row]:
    """Time the native engine, cold (a new engine each time) and warm in a series.

    Parameters
    ----------
    case : Case
        What to refine.
    repeats : int
        Calls of each kind.
    warm, cold : float
        Targets, ms.
    """
    first, alone = measure(
        lambda: _usable(NativeEngine().refine(case.pattern, case.plan)),
        repeats=repeats,
    )
    engine = NativeEngine()
    start = _usable(engine.refine(case.neighbour(), case.plan))
    later, chained = measure(
        lambda: _usable(engine.refine(case.pattern, case.plan, start=start)),
        repeats=repeats,
    )
    yield _time_row(f"native cold: {case.name}", first, unit="ms", target=cold)
    yield _time_row(f"native warm: {case.name}", later, unit="ms", target=warm)
    yield _gap_row("native, warm and cold", weights_of(chained), weights_of(alone))
    if case.truth is not None:
        yield _gap_row("native cold and truth", weights_of(alone), case.truth)


def measure_startup(repeats: int) -> Iterator[Row]:
    """Time what a user waits for in fresh processes."""
    few = max(repeats // 3, 1)
    yield _time_row("import structkit", startup.time_import(few), target=0.3)
    yield _time_row("structkit --help", startup.time_help(few), target=0.3)
    first = startup.time_first_fit(max(repeats // 5, 1))
    yield _time_row("first fit in a fresh process, bench3", first, target=4.0)
    yield _time_row(
        "the same, nothing compiled yet (once ever)", startup.time_first_fit_ever()
    )


def weights_of(result: RefinementResult) -> Floats:
    """Return the weight fractions of a result."""
    return np.asarray(result.parameters["weight_fraction_crystalline"].to_numpy())


def _usable(result: RefinementResult) -> RefinementResult:
    """Return the result; a fit that did not converge has no time worth telling."""
    assert result.status in (FitStatus.CONVERGED, FitStatus.DOUBTFUL), result.reason
    return result


def _time_row(
    what: str, timing: Timing, *, unit: str = "s", target: float | None = None
) -> Row:
    factor = {"s": 1.0, "ms": 1e3}[unit]
    return Row(
        what=what,
        value=factor * timing.median,
        unit=unit,
        fastest=factor * timing.fastest,
        repeats=len(timing.seconds),
        target=target,
    )


def _gap_row(
    what: str, one: Floats, other: Floats, *, target: float | None = None
) -> Row:
    gap = 100.0 * float(np.abs(one - other).max())
    name = f"largest difference of a weight fraction, {what}"
    return Row(what=name, value=gap, unit="wt%", target=target)


def _heading() -> str:
    """Return what the figures were measured with."""
    names = ("numpy", "scipy", "numba", "xarray")
    programs = ", ".join(f"{name} {version(name)}" for name in names)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return (
        f"Benchmarks: one thread, {platform.machine()}, Python "
        f"{platform.python_version()}, {programs}; load of the machine {load:.1f}"
    )
