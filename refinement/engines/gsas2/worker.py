"""The half of engine ``gsas2`` that runs in GSAS-II's own Python.

Started as ``python worker.py [--gsasii-path FOLDER]``; reads one JSON object per line
from stdin (``{"id": 3, "op": "stage", ...}``) and answers one line on what was its
stdout: ``{"id": 3, "ok": true, "result": {...}}``, or ``"ok": false`` with ``error``
and ``kind``. Whatever GSAS-II prints goes to the log. Needs the standard library,
numpy and GSAS-II only, and nothing of structkit: it decides nothing, it carries out.

Operations: ``log``, ``probe``, ``line``; of a job ``open``, ``values``, ``stage``,
``keep``, ``revert``, ``finish``. A job lives in a folder of its own, as GSAS-II names
its files after the project.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pickle
import platform
import shutil
import sys
import traceback
from importlib import import_module
from typing import Any

import numpy as np

HISTOGRAM_SCALE = 1.0
"""Scale of the histogram: held, as the phase fractions carry the intensity."""
PROBE_CIF = """data_probe
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'F m -3 m'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
_atom_site_U_iso_or_equiv
Na1 Na 0 0 0 1 0.01
Cl1 Cl 0.5 0.5 0.5 1 0.01
"""
PROBE_INSTRUMENT = """#GSAS-II instrument parameter file
Type:PXC
Lam:1.5406
Zero:0.0
Polariz.:0.5
U:2.0
V:-2.0
W:5.0
X:0.0
Y:0.0
Z:0.0
SH/L:0.002
Azimuth:0.0
"""


class Gsas2:
    """The modules of GSAS-II, and what its last refinement returned."""

    def __init__(self, package_path: str | None) -> None:
        if package_path:
            sys.path.insert(0, package_path)
        try:
            self.scriptable: Any = import_module("GSASII.GSASIIscriptable")
            prefix = "GSASII."
        except ImportError:
            self.scriptable = import_module("GSASIIscriptable")
            prefix = ""
        self.main: Any = import_module(prefix + "GSASIIstrMain")
        self.lattice: Any = import_module(prefix + "GSASIIlattice")
        self.path: Any = import_module(prefix + "GSASIIpath")
        self._prefix = prefix
        self.returned: Any = None
        self._refine = self.main.Refine
        setattr(self.main, "Refine", self._keep_returned)  # noqa: B010 - not ours

    def draw_line(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return GSAS-II's own line shape at some angles (degree).

        ``variance`` in centidegrees squared, ``gamma`` in centidegrees, ``sh_l`` the
        sum S/L + H/L, as in an ``.instprm`` file.
        """
        powder: Any = import_module(self._prefix + "GSASIIpwd")
        angles = np.asarray(request["two_theta"], dtype=float)
        values = powder.getFCJVoigt3(
            request["position"],
            request["variance"],
            request["gamma"],
            request["sh_l"],
            angles,
        )[0]
        return {"intensity": np.asarray(values).tolist()}

    def _keep_returned(self, *arguments: Any, **options: Any) -> Any:
        """Call ``Refine`` and keep what it returns, which the script layer drops."""
        self.returned = self._refine(*arguments, **options)
        return self.returned

    def describe(self) -> dict[str, str]:
        """Return versions and place."""
        return {
            "gsas2": self._version(),
            "path": os.path.dirname(os.path.abspath(self.scriptable.__file__)),
            "python": platform.python_version(),
            "numpy": np.__version__,
        }

    def _version(self) -> str:
        """Return the version that GSAS-II states of itself."""
        found = []
        for name in ("GetVersionTag", "GetVersionNumber"):
            try:
                value = str(getattr(self.path, name)())
            except Exception:  # noqa: S112 - its own code, of any version
                continue
            if value.strip() and value not in found:
                found.append(value)
        return ", ".join(found) or "unknown"


class Job:
    """One pattern's project: histogram, phases, flags."""

    def __init__(self, gsas2: Gsas2, request: dict[str, Any]) -> None:
        self.gsas2 = gsas2
        self.folder: str = request["folder"]
        self.file = os.path.join(self.folder, request["name"] + ".gpx")
        self.good = os.path.join(self.folder, request["name"] + ".good")
        project = gsas2.scriptable.G2Project(newgpx=self.file)
        histogram = project.add_powder_histogram(
            request["pattern"], request["instrument"], fmthint="Topas xye"
        )
        self.blank: list[Any] | None = None
        if request.get("blank"):
            blank = project.add_powder_histogram(
                request["blank"], request["instrument"], fmthint="Topas xye"
            )
            self.blank = [blank.name, 0.0, False]
        self.project, self.histogram = project, histogram
        self.phases: dict[str, Any] = {}
        for row in request["phases"]:
            self.phases[row["name"]] = self._add_phase(row)
        self._prepare(request)
        project.save()
        shutil.copyfile(self.file, self.good)

    def _add_phase(self, row: dict[str, Any]) -> Any:
        phase = self.project.add_phase(
            row["cif"],
            phasename=row["name"],
            histograms=[self.histogram],
            fmthint="CIF",
        )
        texture = row.get("texture")
        if texture and texture["model"] == "march-dollase":
            phase.HAPvalue("PO", 1)
            self._hap(phase)["Pref.Ori."][3] = list(texture["axis"])
        elif texture:
            phase.HAPvalue("PO", int(texture["order"]))
        return phase

    def _prepare(self, request: dict[str, Any]) -> None:
        data = self.histogram.data
        sample = data["Sample Parameters"]
        sample["Type"] = request["geometry"]
        sample["Gonio. radius"] = request["radius_mm"]
        sample["Scale"] = [HISTOGRAM_SCALE, False]
        if request["geometry"] == "Bragg-Brentano":
            for key in ("Shift", "Transparency", "SurfRoughA", "SurfRoughB"):
                sample.setdefault(key, [0.0, False])
        data["Limits"][1] = list(request["limits"])
        data["Limits"][2:] = [list(pair) for pair in request["excluded"]]
        coefficients = list(request["background"])
        data["Background"][0] = [
            "chebyschev-1",
            True,
            len(coefficients),
            *coefficients,
        ]
        for center, area, variance in request["peaks"]:
            self.histogram.add_back_peak(center, area, variance, 0.0, [0, 1, 0, 0])
        if self.blank is not None:
            data["Background"][1]["background PWDR"] = self.blank
        controls = self.project.data["Controls"]["data"]
        controls["deriv type"] = "analytic Hessian"

    def _hap(self, phase: Any) -> Any:
        return phase.data["Histograms"][self.histogram.name]

    def describe(self) -> dict[str, Any]:
        """Return what GSAS-II understood of each phase, and the points in use."""
        angles = np.ma.getdata(self.histogram.data["data"][1][0])
        return {
            "phases": {
                name: self._describe_phase(phase) for name, phase in self.phases.items()
            },
            "points": int(angles.size),
        }

    def _describe_phase(self, phase: Any) -> dict[str, Any]:
        general = phase.data["General"]
        group = general["SGData"]
        operations = [
            [np.asarray(turn).tolist(), np.asarray(shift).tolist()]
            for turn, shift in group["SGOps"]
        ]
        return {
            "elements": {str(k): float(v) for k, v in general["NoAtoms"].items()},
            "operations": operations,
            "centring": np.asarray(group["SGCen"]).tolist(),
            "inversion": bool(group["SGInv"]),
            "space_group": str(group["SpGrp"]),
            "cell": [float(value) for value in general["Cell"][1:7]],
            "mass": float(general["Mass"]),
        }

    def set_values(self, request: dict[str, Any]) -> None:
        """Set values without refining: those named, in GSAS-II's units."""
        data = self.histogram.data
        if "background" in request:
            data["Background"][0][3:] = list(request["background"])
        for row, peak in zip(
            data["Background"][1].get("peaksList", []),
            request.get("peaks", []),
            strict=False,
        ):
            row[0:8:2] = [*peak, 0.0]
        for number, area in request.get("areas", {}).items():
            data["Background"][1]["peaksList"][int(number)][2] = area
        if "blank" in request and self.blank is not None:
            data["Background"][1]["background PWDR"][1] = request["blank"]
        if "shift" in request:
            data["Sample Parameters"]["Shift"][0] = request["shift"]
        for key, name in (("zero", "Zero"), ("w", "W")):
            if key in request:
                data["Instrument Parameters"][0][name][1] = request[key]
        for name, values in request.get("phases", {}).items():
            self._set_phase(self.phases[name], values)
        self.project.save()

    def _set_phase(self, phase: Any, values: dict[str, Any]) -> None:
        hap = self._hap(phase)
        if "scale" in values:
            hap["Scale"][0] = values["scale"]
        if "size" in values:
            hap["Size"][0], hap["Size"][1][0] = "isotropic", values["size"]
        if "strain" in values:
            hap["Mustrain"][0], hap["Mustrain"][1][0] = "isotropic", values["strain"]
        if "march" in values:  # a start: harmonics begin at none as well
            hap["Pref.Ori."][1] = values["march"]
            for key in hap["Pref.Ori."][5]:
                hap["Pref.Ori."][5][key] = 0.0
        for key, value in values.get("harmonics", {}).items():
            hap["Pref.Ori."][5][key] = value
        if "cell" in values:
            cell = phase.data["General"]["Cell"]
            cell[1:7] = list(values["cell"])
            tensor = self.gsas2.lattice.cell2A(cell[1:7])
            cell[7] = float(self.gsas2.lattice.calc_V(tensor))

    def refine(self, request: dict[str, Any]) -> dict[str, Any]:
        """Set the flags of a stage, refine, and say what came of it."""
        self._set_flags(request["free"])
        self.project.set_Controls("cycles", int(request["cycles"]))
        self.project.data["Controls"]["data"]["min dM/M"] = request["tolerance"]
        self.project.data["Covariance"]["data"] = {}
        self.gsas2.returned = None
        error = ""
        try:
            self.project.refine(makeBack=False)
        except Exception as raised:
            traceback.print_exc()
            error = f"{type(raised).__name__}: {raised}"
        sys.stdout.flush()
        return self._report(error)

    def _set_flags(self, free: dict[str, Any]) -> None:
        data = self.histogram.data
        data["Background"][0][1] = bool(free.get("background", True))
        for number, row in enumerate(data["Background"][1].get("peaksList", [])):
            row[3] = number in free.get("peaks", ())
        if self.blank is not None:
            data["Background"][1]["background PWDR"][2] = bool(free.get("blank", True))
        instrument = data["Instrument Parameters"][0]
        for key in ("U", "V", "W", "X", "Y", "Z", "SH/L", "Zero"):
            if key in instrument:
                instrument[key][2] = False
        instrument["W"][2] = bool(free.get("resolution"))
        instrument["Zero"][2] = free.get("shift") == "zero"
        sample = data["Sample Parameters"]
        if "Shift" in sample:
            sample["Shift"][1] = free.get("shift") == "displacement"
        for name, phase in self.phases.items():
            hap = self._hap(phase)
            hap["Scale"][1] = name in free.get("scale", ())
            hap["Size"][2][0] = name in free.get("size", ())
            hap["Mustrain"][2][0] = name in free.get("strain", ())
            hap["Pref.Ori."][2] = name in free.get("texture", ())
            phase.data["General"]["Cell"][0] = name in free.get("cell", ())
            self._set_atoms(phase, free.get("atoms", {}).get(name, ""))

    def _set_atoms(self, phase: Any, flags: str) -> None:
        for atom in phase.atoms():
            atom.refinement_flags = flags

    def _report(self, error: str) -> dict[str, Any]:
        found = self.project.data["Covariance"]["data"]
        rvals = found.get("Rvals", {})
        returned = self.gsas2.returned
        refused = isinstance(returned, tuple) and returned and returned[0] is False
        varied = [str(name) for name in found.get("varyList", [])]
        keys = ("Rwp", "GOF", "converged", "SVD0", "msg", "Nobs")
        last = dict(rvals.get("lastShifts") or {})
        controls = self.project.data["Controls"]["data"]
        return {
            "error": error,
            "returned_false": bool(refused),
            "returned_message": _message(returned) if refused else "",
            "rvals": {key: rvals.get(key) for key in (*keys, "chisq", "Aborted")},
            "varied": varied,
            "last_shifts": [_number(last.get(name)) for name in varied],
            "values": [float(v) for v in found.get("variables", [])],
            "esd": [_number(v) for v in found.get("sig", [])],
            "covariance": np.asarray(found.get("covMatrix", [])).tolist(),
            "frozen": [
                str(name)
                for name in controls.get("parmFrozen", {}).get("FrozenList", [])
            ],
            "state": self._state(),
        }

    def _state(self) -> dict[str, Any]:
        data = self.histogram.data
        sample, instrument = data["Sample Parameters"], data["Instrument Parameters"][0]
        peaks = data["Background"][1].get("peaksList", [])
        blank = data["Background"][1].get("background PWDR")
        return {
            "phases": {
                name: self._phase_state(phase) for name, phase in self.phases.items()
            },
            "background": [float(v) for v in data["Background"][0][3:]],
            "peaks": [[float(row[0]), float(row[2]), float(row[4])] for row in peaks],
            "blank": float(blank[1]) if self.blank is not None and blank else 0.0,
            "shift": float(sample.get("Shift", [0.0])[0]),
            "zero": float(instrument["Zero"][1]),
            "w": float(instrument["W"][1]),
        }

    def _phase_state(self, phase: Any) -> dict[str, Any]:
        hap = self._hap(phase)
        texture = hap["Pref.Ori."]
        try:
            cell_esd = [float(v) for v in list(phase.get_cell_and_esd()[1].values())]
        except Exception:
            cell_esd = []
        return {
            "scale": float(hap["Scale"][0]),
            "size": float(hap["Size"][1][0]),
            "strain": float(hap["Mustrain"][1][0]),
            "march": float(texture[1]) if texture[0] == "MD" else None,
            "harmonics": {str(k): float(v) for k, v in texture[5].items()},
            "cell": [float(value) for value in phase.data["General"]["Cell"][1:7]],
            "cell_esd": cell_esd[:6],
            "mass": float(phase.data["General"]["Mass"]),
            "number": int(phase.data["pId"]),
            "atoms": [_atom(atom) for atom in phase.atoms()],
        }

    def keep(self) -> None:
        """Make the project as it stands the one to which ``revert`` goes back."""
        shutil.copyfile(self.file, self.good)

    def revert(self) -> None:
        """Go back to the last project that was kept."""
        shutil.copyfile(self.good, self.file)
        self._reload()

    def _reload(self) -> None:
        name = self.histogram.name
        self.project = self.gsas2.scriptable.G2Project(gpxfile=self.file)
        self.histogram = self.project.histogram(name)
        self.phases = {found: self.project.phase(found) for found in self.phases}

    def finish(self) -> dict[str, Any]:
        """Return curves and reflections of the last kept project."""
        self.revert()
        components = self._components()
        columns = [np.ma.getdata(c) for c in self.histogram.data["data"][1]]
        angles, observed, weights, calculated, background = columns[:5]
        low, high = self.histogram.data["Limits"][1]
        inside = (angles >= low) & (angles <= high)
        for first, last in self.histogram.data["Limits"][2:]:
            inside &= (angles < first) | (angles > last)
        if os.path.exists(self.good):
            os.remove(self.good)
        return {
            "two_theta": angles[inside].tolist(),
            "observed": observed[inside].tolist(),
            "weight": weights[inside].tolist(),
            "calculated": calculated[inside].tolist(),
            "background": background[inside].tolist(),
            "components": {n: c[inside].tolist() for n, c in components.items()},
            "reflections": self._reflections(),
        }

    def _components(self) -> dict[str, Any]:
        """Return each phase's intensity from a calculation without cycles."""
        angles, calculated, background = (
            np.ma.getdata(self.histogram.data["data"][1][i]) for i in (0, 3, 4)
        )
        if len(self.phases) == 1:
            return dict.fromkeys(self.phases, calculated - background)
        copy = os.path.join(self.folder, "partials.gpx")
        partials = os.path.join(self.folder, "partials.bin")
        shutil.copyfile(self.file, copy)
        if os.path.exists(partials):  # a pickle that another left is never read
            os.remove(partials)
        self.gsas2.returned = None
        project = self.gsas2.scriptable.G2Project(gpxfile=copy)
        project.data["Controls"]["data"]["PhasePartials"] = partials
        project.set_Controls("cycles", 0)
        project.refine(makeBack=False)
        if not os.path.exists(partials):
            raise RuntimeError(
                f"GSAS-II gave no curves of the phases: {_message(self.gsas2.returned)}"
            )
        found = _read_partials(partials, len(self.phases))
        for path in (copy, partials, copy[:-4] + ".lst"):
            if os.path.exists(path):
                os.remove(path)
        result = {}
        for name in self.phases:
            curve = np.zeros_like(angles)
            x, y = found[name]
            first = int(np.searchsorted(angles, x[0] - 1e-9))
            curve[first : first + len(y)] = y
            result[name] = curve
        return result

    def _reflections(self) -> dict[str, Any]:
        lists = self.histogram.data["Reflection Lists"]
        found = {}
        for name in self.phases:
            rows = np.asarray(lists.get(name, {}).get("RefList", np.empty((0, 15))))
            found[name] = {
                "hkl": rows[:, :3].round().astype(int).tolist(),
                "two_theta": rows[:, 5].tolist(),
            }
        return found


def _atom(atom: Any) -> dict[str, Any]:
    return {
        "label": str(atom.label),
        "type": str(atom.type),
        "position": [float(value) for value in atom.coordinates],
        "u_iso": _number(atom.uiso) if atom.adp_flag == "I" else None,
    }


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _message(returned: Any) -> str:
    last = returned[-1] if isinstance(returned, tuple) and returned else returned
    return str(last.get("msg", last)) if isinstance(last, dict) else str(last)


def _read_partials(path: str, n_phases: int) -> dict[str, Any]:
    """Read what GSAS-II pickled of each phase in the project made a moment ago."""
    found: dict[str, Any] = {}
    with open(path, "rb") as stream:
        while True:
            try:
                pickle.load(stream)  # noqa: S301 - written by this process
            except EOFError:
                return found
            pickle.load(stream)  # noqa: S301
            angles = np.ma.getdata(pickle.load(stream))  # noqa: S301
            pickle.load(stream)  # noqa: S301
            for _ in range(n_phases):
                name = pickle.load(stream)  # noqa: S301
                curve = np.ma.getdata(pickle.load(stream))  # noqa: S301
                found[str(name)] = (angles, curve)


def _probe(gsas2: Gsas2, request: dict[str, Any]) -> dict[str, Any]:
    """Simulate a pattern: an import alone does not show that the binaries work."""
    folder = request["folder"]
    cif, instrument = (os.path.join(folder, n) for n in ("probe.cif", "probe.instprm"))
    for path, text in ((cif, PROBE_CIF), (instrument, PROBE_INSTRUMENT)):
        with open(path, "w", encoding="ascii") as stream:
            stream.write(text)
    project = gsas2.scriptable.G2Project(newgpx=os.path.join(folder, "probe.gpx"))
    histogram = project.add_simulated_powder_histogram(
        "probe", instrument, 20.0, 60.0, Tstep=0.05
    )
    project.add_phase(cif, phasename="NaCl", histograms=[histogram], fmthint="CIF")
    project.set_Controls("cycles", 0)
    project.refine(makeBack=False)
    calculated = np.ma.getdata(project.histograms()[0].data["data"][1][3])
    return {
        **gsas2.describe(),
        "reflections": len(
            project.histograms()[0].data["Reflection Lists"]["NaCl"]["RefList"]
        ),
        "largest": float(calculated.max()),
    }


def _clean(item: Any) -> Any:
    """Return what JSON can hold: numbers that are none become null."""
    if isinstance(item, dict):
        return {str(key): _clean(value) for key, value in item.items()}
    if isinstance(item, (list, tuple)):
        return [_clean(value) for value in item]
    if isinstance(item, np.ndarray):
        return _clean(item.tolist())
    if isinstance(item, (bool, np.bool_)):
        return bool(item)
    if isinstance(item, (int, np.integer)):
        return int(item)
    if isinstance(item, (float, np.floating)):
        return float(item) if math.isfinite(item) else None
    return item if item is None or isinstance(item, str) else str(item)


class Server:
    """Reads requests, carries them out, answers."""

    def __init__(self, package_path: str | None) -> None:
        self._answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._package_path = package_path
        self._gsas2: Gsas2 | None = None
        self._job: Job | None = None

    def _log_to(self, path: str) -> None:
        """Send what is printed, also by compiled code, to ``path``."""
        sys.stdout.flush()
        sys.stderr.flush()
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)

    def run(self) -> None:
        """Answer requests until stdin ends."""
        self._answer(0, self._start)
        for line in sys.stdin:
            if line.strip():
                request = json.loads(line)
                self._answer(request["id"], lambda r=request: self._carry_out(r))

    def _start(self) -> dict[str, Any]:
        self._gsas2 = Gsas2(self._package_path)
        self._gsas2.scriptable.SetPrintLevel("warn")
        return self._gsas2.describe()

    def _answer(self, number: int, work: Any) -> None:
        try:
            answer = {"id": number, "ok": True, "result": _clean(work())}
        except Exception as error:
            traceback.print_exc()
            kind, message = type(error).__name__, str(error)
            answer = {"id": number, "ok": False, "error": message, "kind": kind}
        sys.stdout.flush()
        self._answers.write(json.dumps(answer, allow_nan=False) + "\n")
        self._answers.flush()

    def _carry_out(self, request: dict[str, Any]) -> Any:
        operation = request["op"]
        if self._gsas2 is None:
            raise RuntimeError("GSAS-II could not be imported")
        if operation == "log":
            self._log_to(request["path"])
            return {}
        if operation == "probe":
            return _probe(self._gsas2, request)
        if operation == "line":
            return self._gsas2.draw_line(request)
        if operation == "open":
            self._job = Job(self._gsas2, request)
            return self._job.describe()
        if self._job is None:
            raise RuntimeError(f"{operation} before open")
        if operation == "stage":
            return self._job.refine(request)
        if operation == "finish":
            return self._job.finish()
        steps = {"keep": self._job.keep, "revert": self._job.revert}
        if operation == "values":
            self._job.set_values(request)
        elif operation in steps:
            steps[operation]()
        else:
            raise ValueError(f"unknown operation {operation!r}")
        return {}


def main() -> None:
    """Serve requests."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gsasii-path")
    options = parser.parse_args()
    Server(options.gsasii_path).run()


if __name__ == "__main__":
    main()
