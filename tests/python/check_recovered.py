"""Opens recovered run files with h5py and compares them, bit by bit, with a run of the same
recording that was not killed: check_recovered.py WHOLE.h5 RECOVERED.h5:ROWS..., where ROWS rows at
least must be there."""

import sys

import h5py
import numpy as np

wrong = []


def check(condition, what):
    if not condition:
        wrong.append(what)


def per_frame(file):
    """Every dataset with a row for each frame, but for the times of processing."""
    found = {}

    def visit(name, item):
        group = name.split("/")[1] if "/" in name else ""
        if isinstance(item, h5py.Dataset) and item.ndim and item.maxshape[0] is None:
            if group not in ("latency", "alarms", "cell"):
                found[name] = item

    file.visititems(visit)
    return found


def alarms(file, rows):
    table = file["entry/alarms"]
    columns = [table[name][:] for name in ("frame", "name", "state", "message", "action")]
    return [event for event in zip(*columns) if event[0] < rows]


def compare(whole, path, promised):
    with h5py.File(path) as file:
        rows = len(file["entry/frames/fate"])
        check(rows >= promised, f"{path}: {promised} rows were acknowledged, {rows} are there")
        expected, found = per_frame(whole), per_frame(file)
        check(expected.keys() == found.keys(), f"{path}: other datasets")
        for name in expected.keys() & found.keys():
            first, second = expected[name][:rows], found[name][:]
            same = first.dtype == second.dtype and first.tobytes() == second.tobytes()
            check(same, f"{path}: {name} differs within {rows} rows")
        for name in ("test_time_second", "voltage_volt"):
            same = np.array_equal(whole["entry/cell"][name], file["entry/cell"][name])
            check(same, f"{path}: cell/{name} differs")
        ledger = file["entry/frames"].attrs
        parts = ("measured", "degraded", "dropped", "corrupt", "missing")
        check(ledger["received"] == sum(ledger[part] for part in parts) == rows,
              f"{path}: the ledger does not balance")
        check("end_time" in file["entry"], f"{path}: no end_time")
        # The alarm of the last row may have been on its way.
        before, after = alarms(whole, rows), alarms(file, rows)
        check(after == before[: len(after)], f"{path}: other alarms")
        missing = [event for event in before[len(after):] if event[0] < promised - 1]
        check(not missing, f"{path}: {len(missing)} alarms are missing")
        return rows


with h5py.File(sys.argv[1]) as whole:
    total = 0
    for argument in sys.argv[2:]:
        path, promised = argument.rsplit(":", 1)
        try:
            total += compare(whole, path, int(promised))
        except OSError as error:
            wrong.append(f"{path}: {error}")
for line in wrong:
    print("wrong:", line)
print(f"{len(sys.argv) - 2} recovered files with {total} rows compared")
sys.exit(1 if wrong else 0)
