"""Several engines on one series: files, who is left out and why, resuming."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import refinement.engines
from refinement.comparison import ENGINE_COLUMNS
from refinement.engines import EngineInfo
from refinement.engines.in_turn import refine_in_turn
from refinement.plan import RefinementPlan
from refinement.result import RefinementResult, phase_variable, scalar
from structkit.errors import EngineUnavailableError, FitError, PlanError
from structkit.pipeline.comparison import run_comparison
from structkit.schema import FitStatus
from structkit.store import read_dataset
from structkit.synthetic.xrd import write_series

TIMES = (0.0, 1.0, 2.0)


class MadeUpEngine:
    """An engine that says what it is told to, and counts what it refined."""

    in_threads = False

    def __init__(
        self,
        name: str,
        *,
        shift: float = 0.0,
        failing: Collection[int] = (),
        remedy: str = "",
        refusal: str = "",
        breaks: bool = False,
    ) -> None:
        self.name = name
        self.shift, self.failing = shift, failing
        self.remedy, self.refusal, self.breaks = remedy, refusal, breaks
        self.refined = 0

    def is_available(self) -> bool:
        return not self.remedy

    def describe(self) -> EngineInfo:
        return EngineInfo(
            name=self.name, available=not self.remedy, version="1", remedy=self.remedy
        )

    def check(self, plan: RefinementPlan) -> None:
        if self.refusal:
            raise PlanError(self.refusal)

    def refine(
        self,
        pattern: xr.Dataset,
        plan: RefinementPlan,
        *,
        start: RefinementResult | None = None,
        folder: Path | None = None,
    ) -> RefinementResult:
        number, self.refined = self.refined, self.refined + 1
        if self.breaks:
            raise EngineUnavailableError(f"{self.name} went away")
        if number in self.failing:
            raise FitError("the fit ran away")
        shares = np.full(len(plan.phases), 1.0 / len(plan.phases))
        shares[:2] += (self.shift, -self.shift)
        variables = {
            "weight_fraction_crystalline": shares,
            "weight_fraction_crystalline_std": np.full(shares.size, 0.003),
        }
        return RefinementResult(
            engine=f"{self.name} 1",
            status=FitStatus.CONVERGED,
            reason="",
            parameters=xr.Dataset(
                {n: phase_variable(n, column) for n, column in variables.items()}
                | {"r_wp": scalar("r_wp", 0.1), "seconds": scalar("seconds", 2.0)},
                coords={"phase": list(plan.phase_names)},
            ),
            curves=xr.Dataset(),
            reflections=xr.Dataset(),
            recipe={},
        )

    def refine_series(
        self,
        patterns: Sequence[xr.Dataset],
        plan: RefinementPlan,
        *,
        known: Mapping[int, RefinementResult] | None = None,
        on_result: Callable[[int, RefinementResult], None] | None = None,
        progress: Callable[[str, int], None] | None = None,
        folders: Sequence[Path] | None = None,
    ) -> list[RefinementResult]:
        return refine_in_turn(
            self,
            patterns,
            plan,
            known=known,
            on_result=on_result,
            progress=progress,
            folders=folders,
        )


@pytest.fixture(autouse=True)
def _plain_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for the figure, which takes a second and has tests of its own."""
    monkeypatch.setattr(
        "structkit.plot.engines.compose_engines", lambda table: Figure()
    )


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write three synthetic patterns and a series file without a standard."""
    path = write_series(tmp_path_factory.mktemp("series"), times_h=TIMES)
    text = path.read_text()
    text = text.replace('standard = "LaB6.xy"\nstandard_phase = "LaB6"\n', "")
    path.write_text(text.replace("[xrd]\n", "[xrd]\nrange = [25.0, 60.0]\n"))
    return path


def test_files_of_the_contract(series: Path, tmp_path: Path) -> None:
    engines = [MadeUpEngine("one"), MadeUpEngine("two", shift=0.05, failing=(1,))]
    table = run_comparison(series, tmp_path, engines=engines)
    files = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert files == {
        "compare.nc",
        "figures/engines.png",
        "tables/engines.csv",
        *(f"patterns/one/{time:g}h.nc" for time in TIMES),
        "patterns/two/0h.nc",
        "patterns/two/2h.nc",
    }
    with (tmp_path / "tables" / "engines.csv").open(newline="") as stream:
        reader = csv.DictReader(stream)
        rows = list(reader)
    assert tuple(reader.fieldnames or ()) == ENGINE_COLUMNS
    assert len(rows) == len(TIMES) * table.sizes["phase"] * 2
    failed = [row for row in rows if row["status"] == "failed"]
    assert {(row["sample"], row["engine"]) for row in failed} == {("1h", "two")}
    assert {row["weight_fraction_crystalline"] for row in failed} == {""}
    assert table["verdict"].values.tolist() == [
        ["reference"] * 3,
        ["differ", "unknown", "differ"],
    ]
    assert table["reason"].sel(engine="two", sample="1h").item() == "the fit ran away"


def test_what_is_stored_is_what_is_returned(series: Path, tmp_path: Path) -> None:
    table = run_comparison(
        series, tmp_path, engines=[MadeUpEngine("one"), MadeUpEngine("two", shift=0.1)]
    )
    stored = read_dataset(tmp_path / "compare.nc")
    xr.testing.assert_equal(stored, table)
    for key in ("name", "axis", "instrument", "software", "source_sha256", "reference"):
        assert stored.attrs[key]
    assert stored.attrs["engines_left_out"] == ""
    assert stored["milling_time"].values.tolist() == list(TIMES)
    assert stored["milling_time"].attrs["units"] == "h"
    assert "lower bound" in stored["size_nm"].attrs["remark"]


def test_a_second_run_resumes_each_engine(series: Path, tmp_path: Path) -> None:
    for resume, refined in ((True, 3), (True, 0), (False, 3)):
        engines = [MadeUpEngine("one"), MadeUpEngine("two")]
        run_comparison(series, tmp_path, engines=engines, resume=resume)
        assert [engine.refined for engine in engines] == [refined, refined]


@pytest.mark.parametrize(
    ("absent", "reason"),
    [
        (
            MadeUpEngine("gone", remedy="not here; install\n  it"),
            "not here; install it",
        ),
        (MadeUpEngine("gone", refusal="texture: not mine"), "texture: not mine"),
        (MadeUpEngine("gone", breaks=True), "gone went away"),
    ],
    ids=["unavailable", "refuses the plan", "breaks off"],
)
def test_an_engine_left_out_does_not_stop_two_others(
    absent: MadeUpEngine,
    reason: str,
    series: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    engines = [absent, MadeUpEngine("one"), MadeUpEngine("two")]
    table = run_comparison(series, tmp_path, engines=engines)
    assert table["engine"].values.tolist() == ["one", "two"]
    assert table.attrs["reference"] == "one"
    assert table.attrs["engines_left_out"] == f"gone: {reason}"
    (warning,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "gone" in warning.getMessage()
    assert "left out" in warning.getMessage()
    assert "gone" not in (tmp_path / "tables" / "engines.csv").read_text()


@pytest.mark.parametrize(
    "absent",
    [
        MadeUpEngine("gone", remedy="install it"),
        MadeUpEngine("gone", refusal="install it"),
    ],
    ids=["unavailable", "refuses the plan"],
)
def test_one_engine_is_no_comparison(
    absent: MadeUpEngine, series: Path, tmp_path: Path
) -> None:
    one = MadeUpEngine("one")
    with pytest.raises(EngineUnavailableError, match=r"only 'one' remains") as told:
        run_comparison(series, tmp_path / "out", engines=[one, absent])
    assert "gone: install it" in str(told.value)
    assert one.refined == 0
    assert not (tmp_path / "out").exists()


def test_names_that_are_absent_come_with_their_remedy(
    series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(name: str) -> MadeUpEngine:
        if name == "rietx":
            raise ImportError("No module named 'rietx'")
        return MadeUpEngine(name, remedy="" if name == "native" else "install GSAS-II")

    monkeypatch.setattr(refinement.engines, "_make_engine", make)
    with pytest.raises(EngineUnavailableError) as told:
        run_comparison(series, tmp_path, engines=["native", "gsas2", "rietx"])
    assert str(told.value).splitlines() == [
        "a comparison needs two engines, and only 'native' remains; left out:",
        "  gsas2: install GSAS-II",
        "  rietx: it cannot be imported: No module named 'rietx'",
    ]


def test_unknown_engine_is_refused_before_any_work(
    series: Path, tmp_path: Path
) -> None:
    with pytest.raises(EngineUnavailableError, match="did you mean 'gsas2'"):
        run_comparison(series, tmp_path, engines=["native", "gsas-2"])


@pytest.mark.parametrize(
    ("engines", "message"),
    [
        (["native", "native"], "'native' is named twice"),
        (["native"], "needs two or more, got native"),
        ([], "needs two or more, got none"),
    ],
)
def test_lists_that_are_no_comparison(
    engines: list[str], message: str, series: Path, tmp_path: Path
) -> None:
    with pytest.raises(PlanError, match=message):
        run_comparison(series, tmp_path, engines=engines)


def test_pattern_that_cannot_be_read_is_a_row_of_each_engine(
    series: Path, tmp_path: Path
) -> None:
    path = series.with_name("broken.toml")
    (series.parent / "broken.xy").write_text("")
    path.write_text(series.read_text().replace("1h.xy", "broken.xy"))
    engines = [MadeUpEngine("one"), MadeUpEngine("two")]
    table = run_comparison(path, tmp_path, engines=engines)
    at = table.sel(sample="1h")
    assert at["status"].values.tolist() == ["failed", "failed"]
    assert all("broken.xy" in reason for reason in at["reason"].values)
    assert table["sample"].values.tolist() == ["0h", "1h", "2h"]


def test_when_every_pattern_fails_the_first_reason_is_told(
    series: Path, tmp_path: Path
) -> None:
    everything = range(len(TIMES))
    engines = [MadeUpEngine(name, failing=everything) for name in ("one", "two")]
    with pytest.raises(FitError, match=r"no pattern could be refined.*ran away"):
        run_comparison(series, tmp_path, engines=engines)
    assert not (tmp_path / "compare.nc").exists()


def test_native_beside_another(series: Path, tmp_path: Path) -> None:
    table = run_comparison(series, tmp_path, engines=["native", MadeUpEngine("other")])
    name = "weight_fraction_crystalline"
    native = table.sel(engine="native")
    assert np.isfinite(native[name]).all()
    assert (native[f"{name}_systematic"] > 0.0).any()
    assert np.isfinite(native["cell_a_std"]).any()
    difference = table["weight_fraction_difference"].sel(engine="other")
    expected = table[name].sel(engine="other") - native[name]
    assert difference.values == pytest.approx(expected.values)
    again = run_comparison(
        series, tmp_path, engines=["native", MadeUpEngine("other", shift=0.2)]
    )
    np.testing.assert_array_equal(again[name][0], table[name][0])
