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


def check_shedding(group, rows):
    """Changes are in order, and have one entry in each dataset."""
    lengths = {name: len(group[name]) for name in ("frame", "time", "level", "message")}
    check(len(set(lengths.values())) == 1, f"shedding: lengths {lengths}")
    frames = group["frame"][:]
    check(np.all(np.diff(frames.astype(int)) >= 0), "shedding: frames are out of order")
    check(np.all(frames < rows), "shedding: a change for a frame that is not there")


def check_latency(group, fate):
    """The attributes of each stage, and its histogram, say what the rows say."""
    measured = fate <= 1
    for stage in [name for name in group if name not in ("time", "histograms")]:
        rows = group[stage][:][measured]
        rows = rows[rows > 0]
        if not len(rows):
            continue
        told = {name: int(group[stage].attrs.get(name, -1))
                for name in ("frames", "p50", "p99", "p999", "max", "worst_frame")}
        check(told["frames"] == len(rows), f"latency/{stage}: {told} over {len(rows)} frames")
        check(told["max"] == rows.max(), f"latency/{stage}: {told}, but the worst is {rows.max()}")
        check(group[stage][told["worst_frame"]] == told["max"], f"latency/{stage}: worst_frame")
        median = np.percentile(rows, 50, method="inverted_cdf")
        check(abs(told["p50"] - median) <= 2e-3 * median, f"latency/{stage}: p50 {told['p50']}")
        check(told["p50"] <= told["p99"] <= told["p999"] <= told["max"], f"latency/{stage}: {told}")
        bins = group["histograms"][stage][:]
        check(bins.shape[1] == 2 and bins[:, 1].sum() == len(rows), f"histograms/{stage}")


def check_maps(drift):
    """The whole map of a frame says what its drift says."""
    maps = drift["to_frame"][:]
    check(maps.shape == (len(drift["x"]), 6), f"to_frame is {maps.shape}")
    locked = drift["locked"][:] == 1
    # Pure shifts in this run: the map is the unit matrix and the drift.
    shifts = np.stack([drift["x"][:], drift["y"][:]], axis=1)[locked]
    check(np.allclose(maps[locked][:, [2, 5]], shifts, atol=1e-9), "to_frame is not the drift")
    check(np.allclose(maps[locked][:, [0, 1, 3, 4]], [1, 0, 0, 1], atol=1e-12), "to_frame turns")


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
            "drift/locked", "drift/keyframe", "drift/to_frame", "frames/shedding/frame",
            "frames/shedding/time", "frames/shedding/level", "frames/shedding/message",
            "instrument/detector/count_per_electron", "instrument/detector/offset",
            "instrument/detector/read_noise", "instrument/detector/description", "cell/test_time_second", "cell/unix_time_second",
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
        check_shedding(entry["frames/shedding"], n)
        check_latency(entry["latency"], entry["frames/fate"][:])
        for name in ("offset_s", "rate", "residual_s", "method"):
            check(name in entry["cell/clock"].attrs, f"cell/clock: no attribute {name}")
        check("file_name" in file.attrs, "root attribute file_name")
        check("recovery" not in entry["process"], "a run that was closed tells of a recovery")
        check_maps(entry["drift"])
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
