"""Shifts by scipy and OpenCV on the images of `cargo bench --bench corrected`: error on waves whose
values between pixels are known, and ms per frame on one thread. Runs liwatch's benchmark first, so
that all figures are of one run.

    pip install numpy scipy opencv-python-headless
    python benches/peers/corrected.py
"""

import statistics
import subprocess
import time

import cv2
import numpy as np
import scipy.ndimage

SHIFT = (0.5, -0.25)  # what stands at (x, y) in the reference stands at (x + 0.5, y - 0.25)


def waves(highest, x, y):
    total = np.zeros(np.broadcast(x, y).shape)
    for k in range(24):
        angle, omega = 2.4 * k, 2 * np.pi * highest * (k + 0.5) / 24
        total += np.cos(omega * (np.cos(angle) * x + np.sin(angle) * y) + 1.7 * k)
    return total / 24


def spline(order):
    def shift(image):
        return scipy.ndimage.shift(image, (-SHIFT[1], -SHIFT[0]), order=order, mode="mirror")
    return shift


def lanczos(image):
    # OpenCV's map goes from the frame to the output, unless told otherwise.
    matrix = np.array([[1, 0, SHIFT[0]], [0, 1, SHIFT[1]]], np.float64)
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, image.shape[::-1], flags=flags)


def main():
    subprocess.run(["cargo", "bench", "--bench", "corrected"], check=True)
    cv2.setNumThreads(1)
    programs = {
        f"scipy {scipy.__version__} shift, order 3": spline(3),
        f"scipy {scipy.__version__} shift, order 5": spline(5),
        f"OpenCV {cv2.__version__} warpAffine, Lanczos4": lanczos,
    }
    y, x = np.mgrid[:256, :256].astype(float)
    inner = np.s_[24:-24, 24:-24]
    for name, shift in programs.items():
        for highest in (0.1, 0.25, 0.35, 0.4):
            image = waves(highest, x, y).astype(np.float32)
            truth = waves(highest, x + SHIFT[0], y + SHIFT[1])[inner]
            error = np.sqrt(((shift(image)[inner] - truth) ** 2).sum() / (truth**2).sum())
            print(f"{name}: waves up to {highest:.2f} cycles/px: {error:.1e}")
    for size in (1024, 4096):
        frame = np.random.default_rng(1).poisson(20, (size, size)).astype(np.float32)
        for name, shift in programs.items():
            times = []
            while len(times) < 5 or (sum(times) < 1 and len(times) < 200):
                before = time.perf_counter()
                shift(frame)
                times.append(time.perf_counter() - before)
            print(f"{name}: {size}²: {statistics.median(times) * 1e3:.2f} ms")


main()
