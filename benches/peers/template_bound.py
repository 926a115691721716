#!/usr/bin/env python3
"""What a template of n frames leaves of the bound of a known one, on the specimens of `liwatch simulate`.

    target/peers/venv/bin/python benches/peers/template_bound.py

The best linear estimate of a shift against a mean of n frames keeps the part
Σ k² S²/(S + N/n) / Σ k² S of a known template's information, S being the specimen's power spectrum, N the power of the
noise of one frame, and k the frequency along the axis. Printed is the root of its inverse: errors over the
Cramér–Rao bound of a known template. S comes from two frames at 20,000 counts a pixel whose noise is not the same, and
is taken to be the same in all directions, which makes it too pessimistic where all edges run alike.
"""
import argparse

import numpy as np

import liwatch

OFFSET, READ, LOOK = 100.0, 0.5, 20000  # counts; what `liwatch simulate` uses unless told otherwise
FRAMES = [16, 64, 128, 256, 400]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--liwatch", default=liwatch.BINARY, help="the binary that simulates")
    parser.add_argument("--size", type=int, default=1024)
    args = parser.parse_args()
    binary = liwatch.need_binary(args.liwatch)
    print("| specimen | counts/px |", " | ".join(f"n = {n}" for n in FRAMES), "|")
    print("|---" * (2 + len(FRAMES)) + "|")
    liwatch.WORK.mkdir(parents=True, exist_ok=True)
    for specimen in ("textured", "sparse", "edges"):
        path = liwatch.simulate(binary, liwatch.WORK / "template_bound.npy", size=args.size, frames=2,
                                dose=LOOK, seed=1, specimen=specimen, drift_step=0, jumps=0,
                                no_front=True, no_crack=True)
        looks = (np.load(path).astype(float) - OFFSET) / LOOK
        for dose in (1, 3, 10, 100):
            losses = [f"{loss(looks, dose, frames):.2f}" for frames in FRAMES]
            print("|", specimen, "|", dose, "|", " | ".join(losses), "|")


def loss(looks, dose, frames):
    """Error over the bound of a known template; `looks` [2, h, w] in units of the mean brightness."""
    mean, pixels = looks.mean(), looks[0].size
    first, second = (np.fft.rfft2(look - mean) for look in looks)
    fx = np.fft.rfftfreq(looks.shape[2])[None, :]
    fy = np.fft.fftfreq(looks.shape[1])[:, None]
    # Two of a kind, but for the first and the last column.
    weight = np.full(first.shape, 2.0)
    weight[:, [0, -1]] = 1.0
    ring = (np.hypot(fx, fy) * max(looks.shape)).astype(int)
    power = np.bincount(ring.ravel(), (weight * np.real(first * np.conj(second))).ravel())
    power = np.maximum(power / np.maximum(np.bincount(ring.ravel(), weight.ravel()), 1), 0)[ring]
    noise = (mean * dose + READ**2) / dose**2 * pixels
    known = (weight * fx**2 * power).sum()
    kept = (weight * fx**2 * power**2 / (power + noise / frames + 1e-12)).sum()
    return (known / kept) ** 0.5


if __name__ == "__main__":
    main()
