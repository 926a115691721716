"""Runs the liwatch binary and reads what it wrote.

Drift (x, y): a feature at (x0, y0) in the first measured frame stands at (x0 + x, y0 + y) in this
frame; x to the right, y downward, px. What is not locked is NaN in the run file and here.
"""
import os
import pathlib
import resource
import subprocess
from dataclasses import dataclass

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "target" / "release" / "liwatch"
WORK = ROOT / "target" / "peers"


@dataclass
class Run:
    """The drift of one replay, one row a frame; NaN where it was not locked."""

    drift: np.ndarray          # [n, 2] px
    sigma: np.ndarray          # [n, 2] px, one sigma
    locked: np.ndarray         # [n] bool
    quality: np.ndarray        # [n] likeness to the template, 0 to 1
    register_ms: np.ndarray    # [n] wall time of the stage, conversion to counts left out
    cpu_ms: float              # CPU time of the whole process, all its threads, per frame


def replay(binary, recording, config, out) -> Run:
    """`liwatch replay --threads 1`; `config` is a path."""
    command = [str(binary), "replay", str(recording), "--config", str(config), "--out", str(out),
               "--threads", "1", "--force", "--json"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr}")
    with h5py.File(out) as file:
        drift = file["entry/drift"]
        seconds = sum(getattr(after, k) - getattr(before, k) for k in ("ru_utime", "ru_stime"))
        return Run(
            drift=np.column_stack([drift["x"][:], drift["y"][:]]),
            sigma=np.column_stack([drift["x_errors"][:], drift["y_errors"][:]]),
            locked=drift["locked"][:].astype(bool),
            quality=drift["quality"][:],
            register_ms=file["entry/latency/register"][:] / 1e6,
            cpu_ms=1e3 * seconds / len(drift["x"]),
        )


def simulate(binary, out, **options) -> pathlib.Path:
    """`liwatch simulate --out OUT --KEY VALUE`; a value of True is a bare flag."""
    command = [str(binary), "simulate", "--out", str(out), "--json"]
    for key, value in options.items():
        command.append("--" + key.replace("_", "-"))
        if value is not True:
            command.append(str(value))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return pathlib.Path(out)


def truth(recording) -> dict:
    """The columns of REC.truth.csv."""
    path = pathlib.Path(recording).with_suffix(".truth.csv")
    table = np.genfromtxt(path, delimiter=",", names=True)
    return {name: table[name] for name in table.dtype.names}


def need_binary(path) -> pathlib.Path:
    """The binary, or the end with what to do."""
    path = pathlib.Path(path)
    if not os.access(path, os.X_OK):
        raise SystemExit(f"{path} is absent; run 'cargo build --release' or give --liwatch PATH")
    return path
