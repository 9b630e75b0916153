"""The controls as ipywidgets, and what they show; what they compute is in state.py."""

from __future__ import annotations

import html
import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import ipywidgets as widgets
import xarray as xr

from structkit.explore.state import (
    BandChoice,
    Exploration,
    ExplorerState,
    fit_state,
    start_state,
)
from structkit.plot.style import subscript_words
from structkit.raman.assign import add_spots
from structkit.raman.library import BandLibrary, load_bands
from structkit.raman.model import BandModel
from structkit.raman.sample import MetricRules
from structkit.schema import RAMAN_SHIFT

_DPI = 100
_REACH = 3.0
_STEP = 0.5
_STIFFNESS = (-4.0, 8.0)
_NARROW = widgets.Layout(width="auto")
_LEFT = widgets.Layout(max_height="760px", overflow="auto", min_width="540px")
_WIDE = widgets.Layout(width="250px")


@dataclass(frozen=True, slots=True, kw_only=True)
class BandRow:
    """The controls of one band."""

    on: Any
    """Checkbox: the model holds it."""
    centre: Any
    """Slider: where it is expected, **cm-1**."""
    held: Any
    """Checkbox: the centre stays there."""


class BandPanel:
    """Controls on the left, spectrum, residual and numbers on the right.

    Parameters are those of :func:`structkit.explore.bands.explore_bands`.
    """

    def __init__(
        self,
        spectra: xr.Dataset,
        *,
        species: Sequence[str],
        rivals: Sequence[str] = (),
        library: BandLibrary | None = None,
        model: BandModel | None = None,
        rules: MetricRules | None = None,
    ) -> None:
        known = library or load_bands()
        self._spectrum = add_spots(spectra)
        self._base = model or BandModel(bands=known.bands[:1])
        self._rules = rules or MetricRules(rivals=tuple(rivals))
        shift = self._spectrum[RAMAN_SHIFT].to_numpy()
        within = (float(shift[0]), float(shift[-1]))
        self._start = start_state(species, library=known, within=within, off=rivals)
        self._muted = False
        self._against: Exploration | None = None
        self.exploration: Exploration = self._fit(self._start)
        self._against = self.exploration
        self._make_controls()
        self._show()

    def _fit(self, state: ExplorerState) -> Exploration:
        """Return what the data say to a state, against the start."""
        against = None if self._against is None else self._against.fit
        return fit_state(
            self._spectrum, state, base=self._base, rules=self._rules, against=against
        )

    def _make_controls(self) -> None:
        """Make all widgets and watch them."""
        choices = self._start.choices
        self.rows = {one.band.name: _make_row(one) for one in choices}
        ordered = sorted(choices, key=lambda one: not one.on)
        self._kinds = list(dict.fromkeys(one.band.species for one in ordered))
        self.tied = {
            name: widgets.Checkbox(
                value=False,
                description=subscript_words(name),
                indent=False,
                layout=_NARROW,
            )
            for name in self._kinds
            if sum(one.band.species == name for one in choices) > 1
        }
        self.automatic = widgets.Checkbox(
            value=True, description="most probable", indent=False, layout=_NARROW
        )
        low, high = _STIFFNESS
        fit = self.exploration.fit
        self.stiffness = widgets.FloatSlider(
            value=0.0 if fit is None else round(math.log10(fit.smoothness), 1),
            min=low,
            max=high,
            step=0.1,
            description="log₁₀ stiffness",
            continuous_update=False,
            disabled=True,
            style={"description_width": "initial"},
        )
        self.reset = widgets.Button(description="Back to the start", icon="undo")
        self.image = widgets.Image(format="png")
        self.numbers = widgets.HTML()
        for control in self._controls():
            control.observe(self._on_change, names="value")
        self.reset.on_click(self._on_reset)
        self.widget = widgets.HBox(
            [self._left(), widgets.VBox([self.image, self.numbers])],
            layout=widgets.Layout(flex_flow="row wrap"),
        )

    def _left(self) -> Any:
        """Return the column of controls, one box for each species."""
        boxes = []
        for name in self._kinds:
            rows = [
                widgets.HBox([row.on, row.centre, row.held])
                for band, row in self.rows.items()
                if self._start.choice(band).band.species == name
            ]
            boxes += [widgets.HTML(f"<b>{_escape(subscript_words(name))}</b>"), *rows]
        ties = [widgets.HTML("<b>One width for all bands of</b>")]
        ties += [widgets.HBox(list(self.tied.values()))] if self.tied else []
        baseline = [widgets.HTML("<b>Baseline</b>"), self.automatic, self.stiffness]
        return widgets.VBox([*boxes, *ties, *baseline, self.reset], layout=_LEFT)

    def _controls(self) -> list[Any]:
        """Return everything that changes the state."""
        rows = [w for row in self.rows.values() for w in (row.on, row.centre, row.held)]
        return [*rows, *self.tied.values(), self.automatic, self.stiffness]

    def read_state(self) -> ExplorerState:
        """Return what the controls say now."""
        choices = tuple(
            replace(
                one,
                on=bool(self.rows[one.band.name].on.value),
                centre=float(self.rows[one.band.name].centre.value),
                held=bool(self.rows[one.band.name].held.value),
            )
            for one in self._start.choices
        )
        tied = frozenset(name for name, box in self.tied.items() if box.value)
        stiff = None if self.automatic.value else 10.0 ** float(self.stiffness.value)
        return ExplorerState(choices=choices, tied=tied, smoothness=stiff)

    def _on_change(self, _change: object) -> None:
        """Fit again and show."""
        self.stiffness.disabled = bool(self.automatic.value)
        if self._muted:
            return
        self.exploration = self._fit(self.read_state())
        self._show()

    def _on_reset(self, _button: object) -> None:
        """Put all controls back, fit once."""
        with self._mute():
            for one in self._start.choices:
                row = self.rows[one.band.name]
                row.on.value, row.centre.value = one.on, one.centre
                row.held.value = one.held
            for box in self.tied.values():
                box.value = False
            self.automatic.value = True
        self._on_change(None)

    @contextmanager
    def _mute(self) -> Iterator[None]:
        """Let controls change without a fit for each."""
        self._muted = True
        try:
            yield
        finally:
            self._muted = False

    def _show(self) -> None:
        """Draw the figure and write the numbers."""
        self.numbers.value = describe(self.exploration)
        if self.exploration.curves is None:
            return
        buffer = io.BytesIO()
        self.exploration.compose_figure().savefig(buffer, format="png", dpi=_DPI)
        self.image.value = buffer.getvalue()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Display the widget in a notebook."""
        return self.widget._repr_mimebundle_(**options)


def _make_row(one: BandChoice) -> BandRow:
    """Return the controls of one band."""
    reach = _REACH * one.band.wavenumber_std
    return BandRow(
        on=widgets.Checkbox(
            value=one.on,
            description=subscript_words(one.band.name),
            indent=False,
            layout=widgets.Layout(width="190px"),
        ),
        centre=widgets.FloatSlider(
            value=one.centre,
            min=one.centre - reach,
            max=one.centre + reach,
            step=_STEP,
            readout_format=".1f",
            continuous_update=False,
            layout=_WIDE,
        ),
        held=widgets.Checkbox(
            value=one.held, description="hold", indent=False, layout=_NARROW
        ),
    )


def describe(exploration: Exploration) -> str:
    """Return the numbers of an exploration as HTML.

    Parameters
    ----------
    exploration : Exploration
        From :func:`structkit.explore.state.fit_state`.

    Returns
    -------
    str
        The difference of the BIC, chi-square, a table of the metrics, and the
        statements of the study that the bands found concern.
    """
    if exploration.measured is None:
        return f"<b>No fit:</b> {_escape(exploration.reason)}"
    delta = exploration.delta_bic
    against = "" if math.isnan(delta) else f"BIC − start = <b>{delta:+.1f}</b>; "
    lines = [
        f"<p>{against}χ² = {exploration.chi_square:.2f}; "
        f"{exploration.n_parameters} parameters</p>",
        "<table><tr><th>metric</th><th>value</th><th>95 %</th><th></th></tr>",
    ]
    for metric in exploration.measured.metrics:
        known = "" if metric.resolved else "not resolved"
        color = "inherit" if metric.resolved else "#7F7F7F"
        lines.append(
            f'<tr style="color:{color}"><td>{_escape(metric.name)}</td>'
            f"<td>{metric.value:.3f} ± {metric.std:.3f}</td>"
            f"<td>{metric.low:.3g} to {metric.high:.3g}</td>"
            f'<td title="{_escape(metric.remark)}">{known}</td></tr>'
        )
    lines.append("</table>")
    if exploration.statements:
        points = "".join(f"<li>{_escape(one)}</li>" for one in exploration.statements)
        lines.append(
            f"<details><summary>{len(exploration.statements)} statements of the study "
            f"concern these bands</summary><ul>{points}</ul></details>"
        )
    return "".join(lines)


def _escape(text: str) -> str:
    """Return a text that HTML does not take for markup."""
    return html.escape(text, quote=True)
