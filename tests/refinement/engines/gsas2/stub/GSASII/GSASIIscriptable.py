"""The script layer: projects, histograms, phases. What must not be used, raises."""

import os
import pickle

import numpy as np

from . import GSASIIstrMain

MISREAD = {"Na+": "N", "Cl-": "C"}
"""Trap 3: atom types without a digit become other elements."""
MASSES = {"Na": 22.99, "Cl": 35.45, "N": 14.007, "C": 12.011, "O": 15.999}


def SetPrintLevel(level):
    print("level of printing is", level)  # noqa: T201 - it prints all the same


class G2Project:
    def __init__(self, gpxfile=None, newgpx=None):
        if newgpx:
            self.filename = os.path.abspath(newgpx)
            self.data = {
                "Controls": {"data": {"cycles": 3, "parmFrozen": {}}},
                "Covariance": {"data": {}},
                "phases": {},
                "histograms": [],
            }
        else:
            self.filename = os.path.abspath(gpxfile)
            self._load()

    def _load(self):
        with open(self.filename, "rb") as stream:
            self.data = pickle.load(stream)  # noqa: S301 - its own

    def save(self):
        with open(self.filename, "wb") as stream:
            pickle.dump(self.data, stream)

    def set_Controls(self, name, value):
        if name != "cycles":
            raise KeyError(name)
        self.data["Controls"]["data"]["cycles"] = value

    def refine(self, makeBack=False):
        self.save()
        GSASIIstrMain.Refine(self.filename, makeBack=makeBack)  # and drops the answer
        self._load()
        self.relink()

    def relink(self):
        """Take new data for histograms and phases that were handed out before."""
        for number, found in enumerate(getattr(self, "_lent_histograms", [])):
            found.data = self.data["histograms"][number]["data"]
        for found in getattr(self, "_lent_phases", []):
            found.data = self.data["phases"][found.name]

    def histogram(self, name):
        for row in self.data["histograms"]:
            if row["name"] == name:
                return self._lend(row)
        raise KeyError(name)

    def histograms(self):
        return [self._lend(row) for row in self.data["histograms"]]

    def _lend(self, row):
        found = G2PwdrData(row)
        self._lent_histograms = [*getattr(self, "_lent_histograms", []), found]
        return found

    def phase(self, name):
        found = G2Phase(name, self.data["phases"][name])
        self._lent_phases = [*getattr(self, "_lent_phases", []), found]
        return found

    def add_powder_histogram(self, datafile, iparams, fmthint=None):
        columns = np.loadtxt(datafile).T
        if fmthint != "Topas xye" or len(columns) != 3:
            raise ValueError(f"{datafile}: unknown format {fmthint}")
        x, y, sigma = columns
        return self._add_histogram(os.path.basename(datafile), iparams, x, y, sigma)

    def add_simulated_powder_histogram(self, name, iparams, low, high, Tstep):
        x = np.arange(low, high, Tstep)
        return self._add_histogram(name, iparams, x, np.ones_like(x), np.ones_like(x))

    def _add_histogram(self, name, iparams, x, y, sigma):
        instrument = {"SH/L": [0.002, 0.002, False]}
        with open(iparams) as stream:
            for line in stream:
                key, _, value = line.partition(":")
                if key in ("U", "V", "W", "X", "Y", "Z", "Zero"):
                    instrument[key] = [float(value), float(value), True]
        empty = np.zeros_like(x)
        arrays = [np.ma.array(c) for c in (x, y, 1.0 / sigma**2)]
        row = {
            "name": f"PWDR {name}",
            "data": {
                "data": [{}, [*arrays, empty, empty, empty]],
                "Limits": [(x[0], x[-1]), [x[0], x[-1]]],
                "Background": [["chebyschev-1", True, 3, 1.0, 0.0, 0.0], {}],
                "Instrument Parameters": [instrument, {}],
                "Sample Parameters": {"Type": "", "Scale": [1.0, True]},
                "Reflection Lists": {},
            },
        }
        self.data["histograms"].append(row)
        return self._lend(row)

    def add_phase(self, phasefile, phasename=None, histograms=(), fmthint=None):
        if fmthint != "CIF":
            raise ValueError(fmthint)
        number = len(self.data["phases"])
        atoms = _read_atoms(phasefile)
        counts = {}
        for _, kind, *_ in atoms:
            counts[kind] = counts.get(kind, 0.0) + 4.0
        self.data["phases"][phasename] = {
            "pId": number,
            "General": {
                "Name": phasename,
                "Cell": [False, 5.0, 5.0, 5.0, 90.0, 90.0, 90.0, 125.0],
                "NoAtoms": counts,
                "Mass": sum(MASSES.get(k, 1.0) * n for k, n in counts.items()),
                "SGData": {
                    "SGOps": [(np.eye(3), np.zeros(3))],
                    "SGCen": np.zeros((1, 3)),
                    "SGInv": True,
                    "SpGrp": "P -1",
                },
            },
            "Atoms": atoms,
            "Histograms": {
                histogram.name: {
                    "Scale": [1.0, True],
                    "Size": ["isotropic", [1.0, 1.0, 1.0], [False, False, False]],
                    "Mustrain": ["isotropic", [1e3, 1e3, 1.0], [False, False, False]],
                    "Pref.Ori.": ["MD", 1.0, False, [0, 0, 1], 0, {}, [""], 0.1],
                }
                for histogram in histograms
            },
        }
        return self.phase(phasename)

    def get_Variable(self, *_):
        raise RuntimeError("trap 4: only in sequential refinements")

    get_ParmList = get_Covariance = get_Variable


def _read_atoms(path):
    """Return ``[label, type, flags, position, U]`` of the last nine-column loop."""
    atoms = []
    with open(path) as stream:
        for line in stream:
            fields = line.split()
            if len(fields) >= 7 and fields[-1][0].isdigit() and "_" not in line:
                kind = MISREAD.get(fields[1], fields[1])
                place = [float(v) for v in fields[-5:-2]]
                atoms.append([fields[0], kind, "", place, float(fields[-1])])
    return atoms


class G2PwdrData:
    def __init__(self, row):
        self.name = row["name"]
        self.data = row["data"]

    def add_back_peak(self, pos, int, sig, gam, refflags=()):
        row = [pos, False, int, False, sig, False, gam, False]
        for number in range(4):
            row[2 * number + 1] = bool(refflags[number]) if refflags else False
        self.data["Background"][1].setdefault("peaksList", []).append(row)

    def ComputeMassFracs(self):
        raise RuntimeError("trap 5: not to be trusted")

    def get_wR(self):
        raise RuntimeError("the last figure that there was, also of a failed stage")


class G2Atom:
    def __init__(self, row):
        self._row = row

    label = property(lambda self: self._row[0])
    type = property(lambda self: self._row[1])
    coordinates = property(lambda self: self._row[3])
    adp_flag = "I"
    uiso = property(lambda self: self._row[4])

    def _set_flags(self, text):
        self._row[2] = text

    refinement_flags = property(lambda self: self._row[2], _set_flags)


class G2Phase:
    def __init__(self, name, data):
        self.name = name
        self.data = data

    def atoms(self):
        return [G2Atom(row) for row in self.data["Atoms"]]

    def HAPvalue(self, name, value):
        if name != "PO":
            raise KeyError(name)
        for hap in self.data["Histograms"].values():
            if value == 1:
                hap["Pref.Ori."][0] = "MD"
            else:
                hap["Pref.Ori."][0] = "SH"
                hap["Pref.Ori."][4] = value
                hap["Pref.Ori."][5] = {"C(4,1)": 0.0}

    def get_cell_and_esd(self):
        keys = ("length_a", "length_b", "length_c", "alpha", "beta", "gamma", "volume")
        values = self.data["General"]["Cell"][1:]
        return dict(zip(keys, values, strict=True)), dict.fromkeys(keys, 0.001)
