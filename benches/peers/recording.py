"""Raw frames by h5py and hdf5plugin on the frames of `cargo bench --bench recording`: MB/s of raw
frames per core and ratio, in a file in memory, and on the disk with its flush and fsync. Runs
liwatch's benchmark first, so that all figures are of one run.

    pip install numpy h5py hdf5plugin
    python benches/peers/recording.py
"""

import os
import pathlib
import subprocess
import tempfile
import time

os.environ["OMP_NUM_THREADS"] = "1"  # one core, as the others

import h5py
import hdf5plugin
import numpy as np

SIZE, FRAMES = 2048, 100
CODECS = {
    "bitshuffle-LZ4": lambda: hdf5plugin.Bitshuffle(cname="lz4"),
    "bitshuffle-zstd 1": lambda: hdf5plugin.Bitshuffle(cname="zstd", clevel=1),
    "zstd 1": lambda: hdf5plugin.Zstd(clevel=1),
    "blosc bitshuffle-LZ4": lambda: hdf5plugin.Blosc(cname="lz4", clevel=5, shuffle=2),
}


def write(path, frame, count, codec):
    """Seconds to write so many frames, without and with what brings them to the disk; bytes."""
    started = time.perf_counter()
    with h5py.File(path, "w") as file:
        shape = (count, SIZE, SIZE)
        frames = file.create_dataset("frames", shape, "u2", chunks=(1, SIZE, SIZE), **codec())
        for k in range(count):
            frames[k] = frame
        handed_in = time.perf_counter() - started
        size = frames.id.get_storage_size()
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
    return handed_in, time.perf_counter() - started, size


def main():
    with tempfile.TemporaryDirectory(dir="target") as folder:
        bench = ["cargo", "bench", "--bench", "recording", "--", "--write", folder]
        subprocess.run(bench, check=True)
        memory = pathlib.Path("/dev/shm" if os.path.isdir("/dev/shm") else folder)
        for dose in (3, 20, 200):
            frame = np.fromfile(f"{folder}/{dose}.raw", np.uint16).reshape(SIZE, SIZE)
            for name, codec in CODECS.items():
                path = memory / "liwatch-peer.h5"
                times = [write(path, frame, 4, codec) for _ in range(5)]
                path.unlink()
                ratio = 4 * frame.nbytes / times[0][2]
                best = 4 * frame.nbytes / 1e6 / min(t[0] for t in times)
                print(f"hdf5plugin {name}, {dose} counts/px: ratio {ratio:.2f}, {best:.0f} MB/s")
        frame = np.fromfile(f"{folder}/20.raw", np.uint16).reshape(SIZE, SIZE)
        path = pathlib.Path(folder) / "peer.h5"
        raw = FRAMES * frame.nbytes / 1e6
        for _ in range(3):
            handed_in, closed, _ = write(path, frame, FRAMES, CODECS["bitshuffle-LZ4"])
            path.unlink()
            print(f"hdf5plugin bitshuffle-LZ4, {FRAMES} frames to a file: {raw / handed_in:.0f} MB/s, "
                  f"{raw / closed:.0f} MB/s with fsync")


main()
