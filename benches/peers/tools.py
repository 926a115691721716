"""The programs that people use for drift today, each behind one interface.

A factory takes the reference frame and returns a function frame -> (x, y): a feature at (x0, y0)
in the reference stands at (x0 + x, y0 + y) in the frame, px. What depends on the reference alone
is computed once where the interface allows it. All run on one thread.
"""
import os

for _pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_pool] = "1"        # before NumPy is loaded

import cv2
import numpy as np
import scipy.fft
from pystackreg import StackReg
from skimage.registration import phase_cross_correlation

cv2.setNumThreads(1)

# OpenCV's ECC: at most 50 steps, or until the correlation changes by less than 1e-5; Gaussian
# filter of 5 px, the function's default.
ECC_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-5)
ECC_FILTER = 5


def opencv_phase(reference):
    """cv2.phaseCorrelate with a Hann window, as OpenCV's documentation advises."""
    window = cv2.createHanningWindow(reference.shape[::-1], cv2.CV_32F)
    reference = reference.astype(np.float32)
    # Copies: with a window, phaseCorrelate multiplies both inputs by it in place where their size
    # needs no padding; a kept reference would shrink towards its centre, frame by frame.
    return lambda frame: cv2.phaseCorrelate(reference.copy(), frame.astype(np.float32), window)[0]


def skimage_correlation(normalization):
    """skimage.registration.phase_cross_correlation to 1/100 px; 'phase' whitens, None does not."""
    def factory(reference):
        reference = reference.astype(np.float32)

        def estimate(frame):
            # scikit-image returns (row, column) of the shift that brings the frame back.
            row, column = phase_cross_correlation(reference, frame.astype(np.float32),
                                                  upsample_factor=100,
                                                  normalization=normalization)[0]
            return -column, -row
        return estimate
    return factory


def opencv_ecc(reference):
    """cv2.findTransformECC with a translation, from zero; NaN where it does not converge."""
    reference = reference.astype(np.float32)

    def estimate(frame):
        warp = np.eye(2, 3, dtype=np.float32)
        try:
            _, warp = cv2.findTransformECC(reference, frame.astype(np.float32), warp,
                                           cv2.MOTION_TRANSLATION, ECC_STOP, None, ECC_FILTER)
        except cv2.error:
            return np.nan, np.nan
        return float(warp[0, 2]), float(warp[1, 2])
    return estimate


def cached_fft(reference):
    """What a careful programmer writes: float32 real FFT, Hann window, kept reference, parabola."""
    height, width = reference.shape
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)

    def spectrum(frame):
        counts = frame.astype(np.float32)
        counts -= counts.mean()
        counts *= window
        return scipy.fft.rfft2(counts, workers=1)
    conjugate = np.conj(spectrum(reference))

    def estimate(frame):
        plane = scipy.fft.irfft2(spectrum(frame) * conjugate, s=(height, width), workers=1)
        y, x = np.unravel_index(np.argmax(plane), plane.shape)
        part_x = parabola(plane[y, x - 1], plane[y, x], plane[y, (x + 1) % width])
        part_y = parabola(plane[y - 1, x], plane[y, x], plane[(y + 1) % height, x])
        return (x if x <= width // 2 else x - width) + part_x, \
               (y if y <= height // 2 else y - height) + part_y
    return estimate


def parabola(before, peak, after):
    """Place of the vertex of three samples against the middle one, px."""
    curvature = before - 2 * peak + after
    return 0.5 * (before - after) / curvature if curvature else 0.0


def stackreg(reference):
    """pystackreg, translation: Thévenaz's pyramid of splines."""
    engine = StackReg(StackReg.TRANSLATION)
    reference = reference.astype(np.float64)

    def estimate(frame):
        matrix = engine.register(reference, frame.astype(np.float64))
        return matrix[0, 2], matrix[1, 2]
    return estimate


def imreg(reference):
    """imreg_dft.translation: whole pixels, then a centre of mass."""
    if not hasattr(np, "bool"):          # imreg_dft 2.0.0 is older than NumPy 1.24
        np.bool = np.bool_
    import imreg_dft
    reference = reference.astype(np.float64)

    def estimate(frame):
        row, column = imreg_dft.translation(reference, frame.astype(np.float64))["tvec"]
        return -column, -row
    return estimate


# In the order of the tables.
TOOLS = {
    "OpenCV phaseCorrelate": opencv_phase,
    "scikit-image, whitened": skimage_correlation("phase"),
    "scikit-image, not whitened": skimage_correlation(None),
    "OpenCV ECC": opencv_ecc,
    "cached FFT + parabola": cached_fft,
    "StackReg": stackreg,
    "imreg_dft": imreg,
}
