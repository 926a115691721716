"""Reads a run file with h5py and checks it against the layout, and has the NeXus standard's own
base classes check it (nxcheck of nexusformat); prints what is wrong."""

import pathlib
import re
import subprocess
import sys

import h5py
import numpy as np

wrong = []


def check(condition, what):
    if not condition:
        wrong.append(what)


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def check_group(group):
    """NeXus: each group has its class; each NXdata leads a viewer to its signal and axes."""
    kind = text(group.attrs.get("NX_class", ""))
    check(kind.startswith("NX"), f"{group.name}: no NX_class")
    if kind == "NXdata":
        signal = text(group.attrs.get("signal", ""))
        check(signal in group, f"{group.name}: signal '{signal}' is not there")
        axes = [text(axis) for axis in np.atleast_1d(group.attrs.get("axes", []))]
        check(axes, f"{group.name}: no axes")
        for axis in axes:
            check(axis in group, f"{group.name}: axis '{axis}' is not there")
            if signal in group and axis in group:
                check(len(group[axis]) == group[signal].shape[0], f"{group.name}: axis length")
        for other in np.atleast_1d(group.attrs.get("auxiliary_signals", [])):
            check(text(other) in group, f"{group.name}: auxiliary signal '{text(other)}'")
            if text(other) in group and signal in group:
                same = group[text(other)].shape == group[signal].shape
                check(same, f"{group.name}: auxiliary signal '{text(other)}' has another shape")
    for name, child in group.items():
        if isinstance(child, h5py.Group):
            check_group(child)
        else:
            for attribute in ("units", "long_name"):
                check(attribute in child.attrs, f"{child.name}: no {attribute}")


def check_default(file):
    """The default chain leads from the root to a plottable NXdata."""
    at, steps = file, 0
    while "default" in at.attrs and steps < 5:
        at, steps = at[text(at.attrs["default"])], steps + 1
    check(text(at.attrs.get("NX_class", "")) == "NXdata", "the default chain ends in no NXdata")
    return at


def check_standard(path):
    """No field or group breaks a NeXus base class; additional fields of ours are allowed."""
    nxcheck = pathlib.Path(sys.executable).with_name("nxcheck")
    told = subprocess.run([nxcheck, "-e", path], capture_output=True, text=True, check=False)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", told.stdout + told.stderr)
    check("Total number of errors: 0" in plain, f"nxcheck says:\n{plain}")


def main(path):
    with h5py.File(path) as file:
        check(text(file.attrs["NX_class"]) == "NXroot", "the root is no NXroot")
        for name in ("creator", "creator_version", "HDF5_Version", "file_time", "default"):
            check(name in file.attrs, f"root attribute {name}")
        entry = file["entry"]
        for name in (
            "title", "start_time", "end_time", "definition", "program_name", "configuration",
            "frames/sequence", "frames/time", "frames/unix_time", "frames/fate", "frames/reason",
            "drift/x", "drift/y", "drift/x_errors", "drift/y_errors", "drift/quality",
            "drift/locked", "drift/keyframe", "cell/test_time_second", "cell/unix_time_second",
            "cell/voltage_volt", "cell/current_ampere", "cell/clock",
            "cell_at_frames/voltage_volt", "cell_at_frames/current_ampere",
            "alarms/time", "alarms/name", "alarms/state", "alarms/frame", "alarms/message",
            "alarms/decision_latency_s", "alarms/action", "alarms/action_latency_s",
            "latency/queue", "latency/register", "latency/anode", "latency/c1", "latency/track",
            "latency/total", "instrument/detector/x_pixel_size", "instrument/detector/y_pixel_size",
            "process/program", "process/version", "process/commit", "process/host",
            "process/threads", "anode/contour", "anode/contour_errors", "anode/lines",
            "c1/width", "c1/width_errors", "c1/path", "anode/quality", "c1/quality",
        ):
            check(name in entry, f"/entry/{name} is missing")
        for gauge, fields in (
            ("anode", "position tip gap velocity roughness area eta"),
            ("c1", "width_mean width_max length tip_x tip_y"),
        ):
            for field in fields.split():
                for name in (field, f"{field}_errors"):
                    found = entry[gauge].get(name)
                    check(found is not None, f"/entry/{gauge}/{name} is missing")
                    if found is not None:
                        check(found.dtype == np.float64, f"{found.name} is {found.dtype}")
                        check(np.isnan(found.fillvalue), f"{found.name}: fill value")
            for name in ("kind", "region"):
                check(name in entry[gauge].attrs, f"/entry/{gauge}: no attribute {name}")
        n = len(entry["frames/time"])
        for dataset in ("drift/x", "anode/position", "anode/contour", "c1/width",
                        "cell_at_frames/voltage_volt", "latency/total", "anode/time"):
            check(len(entry[dataset]) == n, f"{dataset} has {len(entry[dataset])} rows of {n}")
        types = {"frames/sequence": "u8", "frames/fate": "u1", "frames/reason": "u2",
                 "drift/locked": "u1", "drift/keyframe": "u4", "drift/quality": "f4",
                 "anode/contour": "f4", "c1/width": "f4", "latency/total": "u8"}
        for name, kind in types.items():
            check(entry[name].dtype == np.dtype(kind), f"{name} is {entry[name].dtype}")
        fates = h5py.check_enum_dtype(entry["frames/fate"].dtype)
        check(fates == {"measured": 0, "degraded": 1, "dropped": 2, "corrupt": 3, "missing": 4},
              f"fate enumeration {fates}")
        ledger = entry["frames"].attrs
        parts = sum(int(ledger[k]) for k in ("measured", "degraded", "dropped", "corrupt", "missing"))
        check(int(ledger["received"]) == parts == n, "the ledger does not balance")
        check(entry["drift/x"][0] == 0 and entry["drift/y"][0] == 0, "the first drift is not 0, 0")
        check(entry["c1/path"].shape == (entry["c1/width"].shape[1], 2), "path shape")
        check("near-short" in [text(v) for v in entry["alarms/name"][:]], "no alarm in the file")
        check_group(file)
        check_default(file)
    check_standard(path)
    for line in wrong:
        print("wrong:", line)
    print(f"{n} rows checked")
    sys.exit(1 if wrong else 0)


main(sys.argv[1])
