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
# # Refine a milling series
#
# From the files of a diffractometer to the amorphous content of each sample, in ten
# cells. The series is synthetic (NaCl + TaCl5 + Na2O, milled under a Kapton film), so
# the truth is known; for your own, change `series_file` in cell 2.

# %%
# 1. What is needed.
# %matplotlib inline
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd
from IPython.display import Image, display

import structkit
from structkit.plot.amorphous import plot_amorphous
from structkit.store import read_dataset, read_tree
from structkit.synthetic.study import write_study

# %%
# 2. The series: patterns, a standard's, the film alone, and one file about them.
folder = Path(mkdtemp())
series_file = write_study(folder / "measured", times_h=(1.0, 2.0, 4.0), spiked="2h")
truth_file = series_file.with_name("truth.nc")
truth = read_dataset(truth_file) if truth_file.exists() else None
print(series_file.read_text())

# %% [markdown]
# One sample has a twin with 15 wt% rutile: enough to make the whole series absolute.
# The series file names the unmilled mixture as the source all the same, so that the
# twin remains a check.

# %%
# 3. Refine everything. A pattern that fails would be a row with its reason.
results = structkit.run_refinement(series_file, folder / "results")
print(results[["r_wp_percent", "gof"]].to_dataframe().round(2))

# %%
# 4. Look at a fit before believing anything: here that in the middle of the series.
names = [str(name) for name in results["sample"].values]
shown = "2h" if "2h" in names else names[len(names) // 2]
display(Image(folder / "results" / "figures" / "fits" / f"{shown}.png"))

# %% [markdown]
# The shares of the crystalline part say nothing about how much of the sample is
# crystalline: they add up to 1 in every sample. The contents do not.

# %%
# 5. Shares of the crystals, and contents of the sample.
shares = results["weight_fraction_crystalline"].to_pandas()
contents = results["weight_fraction_sample"].to_pandas()
display(shares.round(3), contents.round(3))

# %%
# 6. How amorphous, by which method, checked by which, and in words.
stored = read_tree(folder / "results" / "crystallinity.nc")
found = stored.to_dataset(inherit=False)
plot_amorphous(found, truth=truth)
print("\n".join(found["verdict"].to_numpy()))

# %%
# 7. Every method, applicable or why not.
table = pd.read_csv(folder / "results" / "tables" / "amorphous.csv")
display(table[table["sample"] == shown].drop(columns=["sample", "milling_time_h"]))

# %% [markdown]
# The instrument's constant comes from three phases of the unmilled mixture, whose
# spread is its uncertainty; the twin gives it once more. Nothing else is needed to turn
# scales into contents, since a closed jar keeps its mass attenuation.

# %%
# 8. The constant, its spread, attenuation; and what should be told.
display(pd.read_csv(folder / "results" / "tables" / "series.csv"))
display(pd.read_csv(folder / "results" / "tables" / "flags.csv"))

# %%
# 9. What could have been seen: detection limits at the line width assumed.
limits = 100.0 * found["detection_limit_sample"].to_pandas()
display(limits.round(2), found["assumed_size_nm"].to_pandas().round(0))

# %%
# 10. Kinetics. Three times resolve a rate, never an exponent.
kinetics = pd.read_csv(folder / "results" / "tables" / "kinetics.csv")
display(kinetics.round(3))

# %% [markdown]
# The end values, held against the truth.

# %%
if truth is not None:
    known = truth["amorphous_fraction"].sel(sample=found["sample"])
    low, high = (found[f"amorphous_fraction_{end}"] for end in ("low", "high"))
    inside = (low <= known + 1e-6) & (high >= known - 1e-6)
    assert int(inside.sum()) >= inside.size - 1, "95 % limits miss more than one sample"
    assert np.all(found["absolute"] == 1.0)
