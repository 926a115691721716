"""Reads files of raw frames with h5py and hdf5plugin and compares each pixel with the recording;
prints what is wrong. Arguments: pairs RECORDING.npy FRAMES.h5, or RECORDING.npy RUN.h5, whose link
is followed then (made by the test that calls this)."""

import sys

import h5py
import hdf5plugin  # noqa: F401  registers the filter
import numpy as np


def check(recording, path):
    recorded = np.load(recording)
    with h5py.File(path) as file:
        if "entry/data/frames" in file:
            frames, ledger = file["entry/data/frames"], file["entry/frames"]
        else:
            frames = file["entry/instrument/detector/data"]
            ledger = frames.file["entry/frames"]
        assert frames.chunks == (1, *recorded.shape[1:]), frames.chunks
        assert frames.dtype == recorded.dtype, frames.dtype
        assert "32008" in frames._filters, frames._filters
        data = frames.parent
        assert data.attrs["NX_class"] == "NXdata" and data.attrs["signal"] == "frames"
        assert len(data["time"]) == len(frames) == len(ledger["recorded"])
        has = ledger["recorded"][:] == 1
        for k, sequence in enumerate(ledger["sequence"][:]):
            if has[k]:
                same = np.array_equal(frames[k], recorded[sequence], equal_nan=True)
                assert same, f"{path}: frame {sequence} has other pixels"
        print(f"{path}: {has.sum()} of {len(has)} frames, pixel by pixel")
        return has.sum()


def main(paths):
    for recording, path in zip(paths[::2], paths[1::2]):
        assert check(recording, path) > 0, f"{path}: no frame has pixels"


main(sys.argv[1:])
