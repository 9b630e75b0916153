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
# # Impedance and 23Na NMR of a milled electrolyte
#
# From a folder of instrument files to conductivities, an activation energy, the oxygen
# content x and relaxation times, and to the question whether all of these can be true
# together. The files are synthetic (Gamry, text, Bruker), so the truth is known. Your
# own data need one changed line: `series_file`.

# %%
# %matplotlib inline
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd
from IPython.display import Markdown, display

from structkit.checks.eis_nmr import Motion, check_motion
from structkit.pipeline.eis import run_eis
from structkit.pipeline.nmr import run_nmr
from structkit.plot.arrhenius import plot_arrhenius
from structkit.plot.impedance import compose_impedance
from structkit.plot.nmr_spectrum import compose_nmr_spectrum
from structkit.plot.polarization import plot_polarization
from structkit.plot.recovery import compose_recoveries
from structkit.store import write_text
from structkit.synthetic.eis_files import write_eis
from structkit.synthetic.nmr_files import write_nmr

# %% [markdown]
# ## The files, and the one file that describes them

# %%
folder = Path(mkdtemp(prefix="structkit-"))
eis_known = write_eis(folder).truth
nmr_known = write_nmr(folder).truth
pellet = eis_known.sel(sample="4h")
sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*"))

# %%
celsius = sorted(int(path.stem[3:-1]) for path in (folder / "eis").glob("4h_*C.csv"))
warm = "\n".join(
    f'  {{ file = "eis/4h_{each}C.csv", temperature = {each} }},' for each in celsius
)
lead_ohm = float(pellet["measured_lead"])
leakage = "leakage_a = 2e-11, leakage_std_a = 1e-11"
dc_file = f'{{ file = "eis/4h_dc.DTA", voltage = 0.1, {leakage} }}'
text = f"""
[series]
name = "Na2O + NaCl + TaCl5, milled (synthetic)"
mixture = {{ Na2O = 1, NaCl = 1, TaCl5 = 1 }}

[eis]
diameter_mm = {float(pellet["measured_diameter"])}
diameter_std_mm = 0.02
thickness_mm = {float(pellet["measured_thickness"]):.4f}
thickness_std_mm = 0.04
short_cell = {{ resistance_ohm = {lead_ohm:.3f}, resistance_std_ohm = 0.1 }}

[nmr]
blank = "NTC-4h"
recycle_delay_s = 10.0

[[sample]]
id = "NTC-4h"
role = "crystalline_reference"
nmr = "nmr/2"

[[sample]]
id = "4h"
milling_time = 4
role = "milled"
nmr = "nmr/1"
t1 = "nmr/3"
dc = {dc_file}
eis = [
{warm}
]
"""
series_file = write_text(text, folder / "series.toml")

# %%
output = folder / "out"
is_synthetic = series_file.with_name("eis_truth.nc").exists()
print("synthetic" if is_synthetic else "measured")

# %% [markdown]
# ## Impedance
#
# Every spectrum is tested (Kramers-Kronig), given the simplest circuit that suffices,
# and turned into a conductivity with the uncertainty of fit, leads and pellet.

# %%
eis = run_eis(series_file, output, figures=False)
conductivity = pd.read_csv(output / "tables/conductivity.csv")
conductivity.drop(columns=["history"]).head(12)

# %%
lines = pd.read_csv(output / "tables/arrhenius.csv")
display(lines)

# %% [markdown]
# The first sample with an Arrhenius line, and its first spectrum (here the coldest).

# %%
sample = str(lines["sample"].iloc[0])
spectrum = eis[f"samples/{sample}/spectra/1"].to_dataset()
figure = compose_impedance(spectrum, title=sample)

# %%
node = eis[f"samples/{sample}"]
fits = [line.to_dataset() for line in node["arrhenius"].children.values()]
axes = plot_arrhenius(node["conductivity"].to_dataset(), fits)
display(Markdown(str(fits[0].attrs["convention_remark"])))

# %%
total = lines[(lines.contribution == "total") & (lines.convention == "ln_sigma_T")]
energy = total[total.points == "all"].iloc[0]
found, std = energy.activation_energy_eV, energy["std"]
print(f"Ea {found:.3f}({std:.3f}) eV")
if is_synthetic:
    true_energy = float(eis_known["activation_energy"])
    print(f"true {true_energy:.3f} eV")

# %% [markdown]
# A steady current under a constant voltage is electronic. Its conductivity is a bound
# until the run is long enough.

# %%
if "polarization" in node.children:
    axes = plot_polarization(node["polarization/1"].to_dataset())
pd.read_csv(output / "tables/polarization.csv")

# %% [markdown]
# ## 23Na NMR
#
# Three lines: the product, NaCl and Na2O. x comes from NaCl over product, less what the
# control without oxide shows; its interval may hold nought.

# %%
nmr = run_nmr(series_file, output, figures=False)
sites = pd.read_csv(output / "tables/nmr_sites.csv")
display(sites)

# %%
seen = [str(name) for name in sites["sample"]]
probed = sample if sample in seen else seen[-1]
figure = compose_nmr_spectrum(nmr[f"{probed}/lines"].to_dataset(), title=probed)

# %%
composition = pd.read_csv(output / "tables/nmr_composition.csv")
composition[composition["sample"] == probed]

# %%
x = composition.set_index(["sample", "quantity"]).loc[(probed, "x")]
print(f"x {x.value:.3f}, {x.low:.3f} to {x.high:.3f}")
if is_synthetic:
    print(f"true {float(nmr_known['x']):.3f}")

# %% [markdown]
# Each line relaxes by its own law, all in one fit of the overlapped spectra.

# %%
figure = compose_recoveries(nmr[f"{probed}/t1/1"].to_dataset(), title=probed)

# %%
t1 = pd.read_csv(output / "tables/t1.csv")
display(t1)

# %% [markdown]
# ## Can both be true?
#
# Nernst-Einstein turns the conductivity into a hopping time, and that into a T1 for a
# quadrupole coupling. What coupling, what Haven ratio would make them agree?

# %%
own = t1[t1["sample"] == probed]
product = own[own.site == own.site.iloc[0]].iloc[0]
rooms = conductivity[conductivity["sample"] == sample]
rooms = rooms[rooms.contribution == "total"]
room = rooms.iloc[(rooms.temperature_K - 298.15).abs().argmin()]
motion = Motion(
    conductivity=room.sigma_S_per_cm,
    conductivity_relative_std=room["std"] / room.sigma_S_per_cm,
    temperature=room.temperature_K,
    larmor_hz=132.294e6,  # of 23Na at 11.7 T
    carriers_per_m3=4.63e27,  # of sodium in NaTaCl6
    t1=product.t1_s,
    t1_relative_std=product["std"] / product.t1_s,
)
check = check_motion(motion)
display(Markdown(f"**{check.verdict.value}**: {check.text}"))

# %% [markdown]
# What the study says, held against its own numbers in the same way, is
# `structkit audit`.

# %%
if is_synthetic:
    assert abs(found - true_energy) < 4 * std
    assert x.low < float(nmr_known["x"]) < x.high
    true_sigma = float(eis_known["series_conductivity"][celsius.index(25)])
    print(f"sigma {room.sigma_S_per_cm:.2e}, true {true_sigma:.2e} S/cm")
    assert abs(room.sigma_S_per_cm - true_sigma) < 4 * room["std"]
