"""The refinement, which fits nothing: it moves what is flagged by a known amount.

The parameter number n of ``varyList`` gets the value ``before + 0.25`` (cells: times
1.001), an esd of ``0.01 (n + 1)``, and a covariance matrix to match.
"""

import json
import os
import pickle

import numpy as np

LINES = {"AlphaSalt": 25.0, "BetaSalt": 32.0}
"""Where each phase has its one line, degree."""


def Refine(GPXfile, dlg=None, makeBack=True, refPlotUpdate=None):
    action = _next_action(os.path.dirname(GPXfile))
    how = action["how"]
    print("a line of Python")  # noqa: T201
    os.write(1, b"a line of compiled code\n")
    if how == "refuse":
        # Returned, not raised; nothing is written: the last figures stay.
        return False, {"msg": "**** ERROR - singular matrix\nVaried: 0:0:Scale ****"}
    if how == "raise":
        raise ValueError("shapes (3,) (4,) not aligned")
    if how == "exit":
        os._exit(3)
    with open(GPXfile, "rb") as stream:
        data = pickle.load(stream)  # noqa: S301 - its own
    histogram = data["histograms"][0]
    if how == "no reflections":
        raise G2Exception("no reflections in range for AlphaSalt")
    varied = []
    if data["Controls"]["data"]["cycles"]:
        varied = _flagged(data, histogram)
    values = [_move(*place) for _, place in varied]
    _draw(data, histogram)
    sig = [0.01 * (number + 1) for number in range(len(varied))]
    values = [float(value) for value in values]
    if how == "nan":
        sig[0] = float("nan")
        values[-1] = float("inf")
    names = [name for name, _ in varied]
    data["Covariance"]["data"] = {
        "varyList": names,
        "variables": np.array(values),
        "sig": sig,
        "covMatrix": np.diag(np.square(sig)),
        "Rvals": {
            "Rwp": action.get("Rwp", 10.0 - len(names)),
            "GOF": np.float64(1.25),
            "converged": np.bool_(True),
            "SVD0": np.int64(action.get("SVD0", 0)),
            "msg": action.get("msg", ""),
            "Nobs": len(histogram["data"]["data"][1][0]),
            "chisq": 123.0,
            "lastShifts": dict.fromkeys(names, 0.001),
            "Aborted": action.get("aborted", False),
        },
    }
    _write_partials(data, histogram)
    with open(GPXfile, "wb") as stream:
        pickle.dump(data, stream)
    if makeBack:
        raise AssertionError("a copy of every stage fills the disk")
    with open(GPXfile[:-4] + ".lst", "a") as stream:
        stream.write("listing of " + os.path.basename(GPXfile) + "\n")
    return True, data["Covariance"]["data"]["Rvals"]


class G2Exception(Exception):
    pass


def _next_action(folder):
    path = os.path.join(folder, "stub.json")
    if not os.path.exists(path):
        return {"how": "fit"}
    with open(path) as stream:
        actions = json.load(stream)
    action = actions.pop(0) if actions else "fit"
    with open(path, "w") as stream:
        json.dump(actions, stream)
    return {"how": action} if isinstance(action, str) else {"how": "fit", **action}


def _flagged(data, histogram):
    """Return names and places (list, index) of what is flagged."""
    found = []
    background, others = histogram["data"]["Background"]
    if background[1]:
        found += [(f":0:Back;{n}", (background, 3 + n)) for n in range(background[2])]
    for n, row in enumerate(others.get("peaksList", [])):
        if row[3]:
            found.append((f":0:BkPkint;{n}", (row, 2)))
    fixed = others.get("background PWDR", ["", 0.0, False])
    if fixed[2]:
        found.append((":0:BF mult", (fixed, 1)))
    instrument = histogram["data"]["Instrument Parameters"][0]
    for name in ("W", "Zero"):
        if instrument[name][2]:
            found.append((f":0:{name}", (instrument[name], 1)))
    shift = histogram["data"]["Sample Parameters"]["Shift"]
    if shift[1]:
        found.append((":0:Shift", (shift, 0)))
    for phase in data["phases"].values():
        number = phase["pId"]
        hap = phase["Histograms"][histogram["name"]]
        if phase["General"]["Cell"][0]:
            found.append((f"{number}::A0", (phase["General"]["Cell"], 1, 1.001)))
        for key, flag, place in (
            ("Scale", hap["Scale"][1], (hap["Scale"], 0)),
            ("Size;i", hap["Size"][2][0], (hap["Size"][1], 0)),
            ("Mustrain;i", hap["Mustrain"][2][0], (hap["Mustrain"][1], 0)),
            ("MD", hap["Pref.Ori."][2], (hap["Pref.Ori."], 1)),
        ):
            if flag:
                found.append((f"{number}:0:{key}", place))
        for n, atom in enumerate(phase["Atoms"]):
            if "X" in atom[2]:
                found.append((f"{number}::dAx:{n}", (atom[3], 0)))
            if "U" in atom[2]:
                found.append((f"{number}::AUiso:{n}", (atom, 4)))
    return found


def _move(row, index, factor=None):
    row[index] = row[index] + 0.25 if factor is None else row[index] * factor
    return row[index]


def _component(phase, histogram):
    """Return a triangle as high as the phase's scale, one degree to each side."""
    angles = np.ma.getdata(histogram["data"]["data"][1][0])
    scale = phase["Histograms"][histogram["name"]]["Scale"][0]
    distance = np.abs(angles - LINES.get(phase["General"]["Name"], 28.0))
    return scale * np.maximum(0.0, 1.0 - distance)


def _draw(data, histogram):
    columns = histogram["data"]["data"][1]
    columns[4] = np.full_like(columns[0], 5.0)
    columns[3] = columns[4] + sum(
        _component(phase, histogram) for phase in data["phases"].values()
    )
    columns[5] = columns[1] - columns[3]
    for name in data["phases"]:
        row = [1, 0, 0, 6, 3.5, LINES.get(name, 28.0)] + [1.0] * 9
        histogram["data"]["Reflection Lists"][name] = {"RefList": np.array([row])}


def _write_partials(data, histogram):
    """Write what a calculation without cycles leaves for the interface's plots."""
    path = data["Controls"]["data"].get("PhasePartials")
    if not path:
        return
    angles = histogram["data"]["data"][1][0]
    low, high = histogram["data"]["Limits"][1]
    used = (np.ma.getdata(angles) >= low) & (np.ma.getdata(angles) <= high)
    with open(path, "wb") as stream:
        for item in ("histogram", 0, angles[used], None):
            pickle.dump(item, stream)
        for name, phase in data["phases"].items():
            pickle.dump(name, stream)
            pickle.dump(_component(phase, histogram)[used], stream)
