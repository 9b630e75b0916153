# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The amorphization index of a milling series
#
# How amorphous is a milled powder, if diffraction, Raman and 23Na NMR were asked? What
# each says, what they say together, and when they must not be joined. The series is
# **synthetic** (NaCl + TaCl5 + Na2O, milled), so the truth is known: of no sample here
# was anything measured. Your own data need one changed line: `series_file`.

# %%
# 1. What is needed.
# %matplotlib inline
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from IPython.display import display

from structkit.errors import PlanError
from structkit.index.combine import combine_metrics
from structkit.index.variants import refuse_circle
from structkit.io.manifest import read_series
from structkit.pipeline.index import gather_metrics, run_index
from structkit.pipeline.raman_spectra import prepare_series_spectra
from structkit.pipeline.run import run_series
from structkit.plot.index import compose_index
from structkit.plot.style import make_axes
from structkit.plot.weights import plot_weights
from structkit.raman.results import series_dataset
from structkit.raman.series import fit_series
from structkit.store import read_dataset, write_tree
from structkit.synthetic.whole import write_series

# %%
# 2. The series: files as instruments leave them, and one file that describes them.
folder = Path(mkdtemp(prefix="structkit-"))
series_file = write_series(folder / "measured", times_h=(1.0, 4.0))
truth_file = series_file.with_name("truth.nc")
truth = read_dataset(truth_file) if truth_file.exists() else None
series = read_series(series_file)
print(series.series.name, [f"{one.id}: {one.role}" for one in series.samples])

# %% [markdown]
# A series runs with `structkit run series.toml -o results`, or `run_series`. Here its
# stages are asked for one by one; Raman spectra are fitted without ranking what they
# can be read as (stage `raman`, notebook 03), which the index does not need.

# %%
# 3. Diffraction, impedance and NMR. What has no files is skipped, and says so.
output = folder / "results"
found = run_series(series_file, output, stages=("refine", "eis", "nmr"), jobs=1)
print("\n".join(f"{one.name}: {one.status.value} {one.reason}" for one in found.stages))

# %%
# 4. Raman: glass over crystal.
if any(sample.raman for sample in series.samples):
    work = prepare_series_spectra(series)
    with np.errstate(over="ignore", invalid="ignore"):
        fitted = fit_series(work.samples, replace(work.options, hypotheses=()))
    tree = series_dataset(fitted, rules=work.options.rules, remarks=(), attrs={})
    write_tree(tree, output / "raman.nc")

# %% [markdown]
# ## What each technique says
#
# A score is the share without long-range order as one technique alone sees it. Its
# uncertainty holds what that technique cannot know: diffraction its instrument
# constant, Raman the ratio of cross-sections (a factor of two), NMR where its two end
# samples lie. Scores may lie outside 0..1; they are not cut.

# %%
# 5. Scores, and the joint index with its band. Open symbols: not to be led with.
index = run_index(series_file, output)
root = index.to_dataset(inherit=False)
known = None if truth is None else truth["amorphous_fraction"]
scores = index["scores"].to_dataset()
display(scores["score"].to_pandas().round(2), scores["score_std"].to_pandas().round(2))
display(compose_index(index, truth=known))

# %% [markdown]
# ## What they say together
#
# `AI_lat` joins them with all that is common to the series. A sample has a number to
# lead with (`headline`) only where three techniques measured *that sample* and none
# conflicts; `reason` says why there is none.

# %%
# 6. The index, its 95 % limits, and the truth.
joint = root.sel(index="AI_lat", variant="struct").drop_vars(["index", "variant"])
table = joint[["value", "low", "high", "headline", "reason"]].to_dataframe()
if truth is not None:
    table["truth"] = known.sel(sample=root["sample"]).to_series()
display(table.round(3))
print(root.attrs["remarks"])

# %% [markdown]
# ## When one technique is wrong
#
# The NMR line of the milled samples is moved by 0.4 of the distance between its ends,
# as a wrong chemical-shift reference would. Nothing else changes.

# %%
# 7. The same series with one technique biased.
metrics = gather_metrics(series, output)
name = "line_shift" if "line_shift" in metrics else "amorphous_fraction"


def end_of(role):
    return float(metrics[name].where(metrics["role"] == role).mean())


span = end_of("glass_reference") - end_of("crystalline_reference")
moved = metrics[name] + 0.4 * span * (metrics["role"] == "milled")
biased = metrics.assign({name: moved.assign_attrs(metrics[name].attrs)})
spoilt = combine_metrics(biased)
display(spoilt["agreement"].to_dataset(inherit=False).to_dataframe().round(3))

# %% [markdown]
# No consensus is made of techniques that disagree: the headline is gone, and the
# conflict names who stands off. Who is right the numbers cannot say; that takes a third
# witness.

# %%
# 8. The conflict in words, and no headline.
wrong = spoilt.to_dataset(inherit=False)
conflicts = wrong["conflict"].to_series()
display(conflicts[conflicts != ""].to_dict())
print("to lead with:", int(root["headline"].sum()), "->", int(wrong["headline"].sum()))

# %% [markdown]
# ## Without each technique
#
# If leaving one out moves the index beyond its limits, the index rests on that one.

# %%
# 9. Variants: structure alone, with the properties, and without each technique.
milled = root["role"].isin(["milled", ""]).values
by_variant = root["value"].sel(index="AI_lat").isel(sample=milled)
display(by_variant.to_pandas().round(3))

# %% [markdown]
# ## Against the conductivity
#
# An index that was made from the conductivity must not be held against it: the
# correlation would be one with itself. The guard refuses; `struct` holds none.

# %%
# 10. The structural index against the conductivity.
members = {
    variant: set(" ".join(root["modalities"].sel(variant=variant).values.flat).split())
    for variant in ("struct", "all")
}
try:
    refuse_circle("all", sorted(members["all"]), against="eis")
except PlanError as refusal:
    print("refused:", refusal)
refuse_circle("struct", sorted(members["struct"]), against="eis")
ax = make_axes()
if "log_conductivity" in metrics:
    here, sigma = joint.isel(sample=milled), metrics["log_conductivity"][milled]
    reach = np.abs([here["value"] - here["low"], here["high"] - here["value"]])
    ax.errorbar(here["value"], 1e3 * np.exp(sigma), xerr=reach, fmt="o")
    ax.set(xlabel="index (struct)", ylabel="conductivity (mS/cm)", yscale="log")
display(ax.figure)

# %% [markdown]
# ## Own weights
#
# Weights are the analyst's opinion. They are shown with all that other opinions would
# give: each corner is one technique alone, the dashed line is where the share is the
# one of these weights.

# %%
# 11. Equal weights, and all others.
names = [str(one) for one in scores["modality"].values[scores["structural"].values > 0]]
weighted = combine_metrics(metrics, weights=dict.fromkeys(names, 1.0))
spoken = scores["score"].sel(modality=names).notnull().sum("modality")
most = str(spoken.idxmax("sample").item())
if int(spoken.max()) in (2, 3):
    display(plot_weights(weighted, sample=most).figure)

# %% [markdown]
# The end values, held against the truth.

# %%
if truth is not None:
    inside = (table["low"] <= table["truth"]) & (table["truth"] <= table["high"])
    assert inside[["1h", "4h"]].all(), "95 % limits miss the truth"
    assert table["headline"]["4h"] == 1, "three techniques agree on 4h"
    assert abs(table["value"]["4h"] - table["truth"]["4h"]) < 0.1
    assert "nmr" in str(wrong["conflict"].sel(sample="4h").item())
    assert int(wrong["headline"].sum()) == 0, "a conflict leaves no number to lead with"
    assert "eis" in members["all"]
    assert "eis" not in members["struct"]
    own = weighted["weighted"].to_dataset().sel(sample=most)
    assert float(own["least"]) < float(own["value"]) < float(own["most"])
