"""A milling series: references teach, samples are measured, failures are rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from structkit.errors import SchemaError
from structkit.raman.bands import Band
from structkit.raman.hypotheses import Hypothesis
from structkit.raman.library import BandLibrary, Species
from structkit.raman.model import BandModel, Template
from structkit.raman.search import UNASSIGNED
from structkit.raman.series import (
    ReferenceRole,
    SeriesOptions,
    SeriesResult,
    SeriesSample,
    fit_series,
)
from structkit.schema import INTENSITY

Simulate = Callable[..., xr.Dataset]
MakeLine = Callable[..., Any]

SALT = {298.0: 5000.0, 378.0: 15_000.0}
AXIAL, OXIDE, RIVAL = 405.0, 760.0, (490.0, 620.0)
SPOTS = (1.0, 0.8, 1.2)


def band(species: str, wavenumber: float, **changes: Any) -> Band:
    own = Band(
        name=f"{species} {wavenumber:.0f}",
        species=species,
        wavenumber=wavenumber,
        wavenumber_std=6.0,
        fwhm=12.0,
    )
    return replace(own, **changes)


@pytest.fixture(scope="module")
def options() -> SeriesOptions:
    """Return a library of four species: quick, and known by heart."""
    bands = (
        *(band("salt", c, strength=a / 15_000.0) for c, a in SALT.items()),
        band("axial", AXIAL),
        band("oxide", OXIDE, fwhm=40.0, wavenumber_std=20.0),
        *(band("rival", c) for c in RIVAL),
    )
    names = ("salt", "axial", "oxide", "rival")
    library = BandLibrary(bands=bands, species=tuple(Species(name=n) for n in names))
    return SeriesOptions(
        library=library,
        hypotheses=(
            Hypothesis(name="salt", species=("salt", "axial"), statement="a"),
            Hypothesis(
                name="+ oxide", species=("salt", "axial", "oxide"), statement="b"
            ),
        ),
        species=("salt", "axial", "oxide"),
        rivals=("rival",),
        references={
            "crystalline_reference": ReferenceRole(species="salt", apart=("axial",))
        },
        max_extra=1,
        ensemble=False,
    )


@pytest.fixture(scope="module")
def make_sample(simulate: Simulate, make_line: MakeLine) -> Callable[..., SeriesSample]:
    def build(
        name: str,
        *,
        seed: int,
        axial: float = 9000.0,
        oxide: float = 0.0,
        rival: float = 0.0,
        time: float | None = None,
        role: str = "milled",
    ) -> SeriesSample:
        lines = [make_line(centre=c, area=a) for c, a in SALT.items()]
        lines.append(make_line(centre=AXIAL, area=axial))
        lines.append(make_line(centre=OXIDE, area=oxide, sigma=12.0, gamma=6.0))
        lines += [make_line(centre=c, area=rival) for c in RIVAL]
        spectra = simulate(lines, seed=seed, scales=SPOTS)
        return SeriesSample(name=name, spectra=(spectra,), milling_time=time, role=role)

    return build


@pytest.fixture(scope="module")
def samples(make_sample: Callable[..., SeriesSample]) -> tuple[SeriesSample, ...]:
    return (
        make_sample("NTC", seed=131, role="crystalline_reference"),
        make_sample("2 h", seed=132, axial=6000.0, oxide=5000.0, time=2.0),
        make_sample("6 h", seed=133, axial=3000.0, oxide=12_000.0, time=6.0),
    )


@pytest.fixture(scope="module")
def result(samples: tuple[SeriesSample, ...], options: SeriesOptions) -> SeriesResult:
    return fit_series(samples, options)


def true_share(axial: float) -> float:
    """Return r_ax: the axial line over itself and what stands at 280 to 400."""
    return axial / (axial + sum(SALT.values()))


def test_every_sample_is_measured_in_its_order(
    result: SeriesResult, samples: tuple[SeriesSample, ...]
) -> None:
    assert [one.sample.name for one in result.samples] == ["NTC", "2 h", "6 h"]
    assert result.remarks == ()
    for one, axial in zip(result.samples, (9000.0, 6000.0, 3000.0), strict=True):
        assert one.reason == ""
        assert one.measured is not None
        metric = one.measured.metric("r_ax")
        true = true_share(axial)
        assert metric.resolved, metric
        assert metric.low - 0.03 * true < true < metric.high + 0.03 * true, metric
    assert result.sample("2 h").members == (0, 1, 2)
    assert result.sample("6 h").members == (3, 4, 5)


def test_loss_is_against_the_reference(result: SeriesResult) -> None:
    assert result.sample("NTC").loss is None
    for name, axial in (("2 h", 6000.0), ("6 h", 3000.0)):
        loss = result.sample(name).loss
        assert loss is not None
        true = 1.0 - true_share(axial) / true_share(9000.0)
        assert loss.resolved
        assert loss.low - 0.03 < true < loss.high + 0.03


def test_the_reference_teaches_its_bands(result: SeriesResult) -> None:
    learned = result.learned["salt"]
    assert learned.source == "NTC"
    assert learned.tie.name == "salt"
    shares = np.asarray(learned.tie.shares)
    assert shares[1] / shares[0] == pytest.approx(3.0, rel=0.1)
    measured = result.sample("6 h").measured
    assert measured is not None
    # Salt as one column, the axial line as another.
    assert set(measured.fit.model.names) >= {"salt", "axial 405 (NTC)", "oxide 760"}


def test_readings_are_ranked_for_every_sample(result: SeriesResult) -> None:
    best = {
        one.sample.name: one.assignment.best.hypothesis.name
        for one in result.samples
        if one.assignment is not None
    }
    assert best == {"NTC": "salt", "2 h": "+ oxide", "6 h": "+ oxide"}


def test_a_rival_is_taken_in_where_it_is_there(
    make_sample: Callable[..., SeriesSample], options: SeriesOptions
) -> None:
    """And counts in no metric; where it is not there it is left out."""
    quick = replace(options, hypotheses=())
    clean = make_sample("clean", seed=134, oxide=4000.0)
    dirty = make_sample("dirty", seed=135, oxide=4000.0, rival=6000.0)
    for sample, rivals in ((clean, ()), (dirty, ("rival",))):
        found = fit_series([sample], quick).samples[0]
        assert found.rivals == rivals
        assert found.assignment is None
        assert found.loss is None
        assert found.measured is not None
        assert ("rival" in found.measured.fit.model.species) == bool(rivals)
        metric = found.measured.metric("r_ax")
        assert metric.value == pytest.approx(true_share(9000.0), rel=0.06)


def test_samples_may_be_fitted_one_by_one(
    samples: tuple[SeriesSample, ...], options: SeriesOptions, result: SeriesResult
) -> None:
    alone = fit_series(samples, replace(options, together="replicates", hypotheses=()))
    for name in ("2 h", "6 h"):
        own, other = alone.sample(name), result.sample(name)
        assert own.measured is not None
        assert other.measured is not None
        assert own.members == (0, 1, 2)
        one, two = own.measured.metric("r_O"), other.measured.metric("r_O")
        assert one.value == pytest.approx(two.value, abs=3.0 * two.std)


def test_a_band_nobody_assigned_is_found_and_named(
    simulate: Simulate, make_line: MakeLine, options: SeriesOptions
) -> None:
    lines = [make_line(centre=c, area=a) for c, a in SALT.items()]
    lines.append(make_line(centre=550.0, area=6000.0))
    sample = SeriesSample(
        name="odd", spectra=(simulate(lines, seed=136, scales=SPOTS),)
    )
    found = fit_series([sample], replace(options, hypotheses=())).samples[0]
    assert found.measured is not None
    extra = [b for b in found.measured.fit.model.bands if b.species == UNASSIGNED]
    assert [round(b.wavenumber / 10.0) for b in extra] == [55]


def test_a_sample_that_cannot_be_fitted_is_a_row_with_its_reason(
    samples: tuple[SeriesSample, ...], options: SeriesOptions
) -> None:
    dark = samples[1].spectra[0].copy(deep=True)
    dark[INTENSITY][1] = 0.0
    broken = replace(samples[1], name="dark", spectra=(dark,))
    quick = replace(options, hypotheses=())
    result = fit_series([samples[0], broken, samples[2]], quick)
    found = result.sample("dark")
    assert found.measured is None
    assert "all zero" in found.reason
    assert found.members == ()
    assert result.sample("6 h").measured is not None
    assert any("one by one" in remark for remark in result.remarks)


def test_a_reference_that_shows_nothing_teaches_nothing(
    simulate: Simulate, options: SeriesOptions, samples: tuple[SeriesSample, ...]
) -> None:
    empty = SeriesSample(
        name="empty",
        spectra=(simulate([], seed=137),),
        role="crystalline_reference",
    )
    result = fit_series([empty, samples[1]], replace(options, hypotheses=()))
    assert result.learned == {}
    assert any("empty: no band of salt stands out" in r for r in result.remarks)
    # It is measured as any other sample.
    assert result.sample("empty").measured is not None


def test_a_template_stands_for_its_species(
    samples: tuple[SeriesSample, ...],
    options: SeriesOptions,
    make_line: MakeLine,
) -> None:
    shift = np.arange(90.0, 910.0, 1.0)
    shape = sum(
        area * np.exp(-0.5 * ((shift - centre) / 5.0) ** 2)
        for centre, area in SALT.items()
    )
    template = Template(
        name="salt measured",
        species="salt",
        raman_shift=shift,
        values=np.asarray(shape),
    )
    given = replace(
        options,
        templates={"salt": template},
        blank=replace(
            template,
            name="cell",
            species="glass",
            values=np.exp(-(((shift - 480.0) / 60.0) ** 2)),
            background=True,
        ),
        hypotheses=(),
    )
    result = fit_series(samples[1:2], given)
    measured = result.samples[0].measured
    assert measured is not None
    assert set(measured.fit.model.names) >= {"salt measured", "cell"}
    assert "salt 378" not in measured.fit.model.names
    assert result.learned == {}


def test_drift_goes_by_the_root_of_the_time(
    samples: tuple[SeriesSample, ...],
    make_sample: Callable[..., SeriesSample],
    options: SeriesOptions,
) -> None:
    base = BandModel(bands=options.library.bands[:1], drift=True)
    given = replace(options, model=base, hypotheses=(), rivals=())
    milled = (
        make_sample("0 h", seed=138, oxide=5000.0, time=0.0),
        *samples[1:],
    )
    measured = fit_series(milled, given).sample("6 h").measured
    assert measured is not None
    places = [s.along for s in measured.fit.spectra[:: len(SPOTS)]]
    roots = np.sqrt([0.0, 2.0, 6.0])
    assert places == pytest.approx(list((roots - roots[2] / 2) / roots[2]))


def test_bad_series_are_refused(
    samples: tuple[SeriesSample, ...], options: SeriesOptions
) -> None:
    with pytest.raises(SchemaError, match="each with a name of its own"):
        fit_series([], options)
    with pytest.raises(SchemaError, match="each with a name of its own"):
        fit_series([samples[0], samples[0]], options)
    with pytest.raises(SchemaError, match="unobtainium"):
        fit_series(samples, replace(options, species=("unobtainium",)))
