"""The Cramér-Rao bound of the drift of a known scene, from two noisy looks at it.

With expected counts mu and variance v a pixel, the Fisher information of a shift is
F = sum (grad mu)(grad mu)^T / v; no unbiased estimator scatters less than inv(F). The gradients
come from two recordings of the same scene at a high dose: a product of gradients of two frames
with independent noise has no noise bias. Nothing here shares code with liwatch's own bounds.
"""
import numpy as np

# Central differences of eighth order: right to a part in a thousand at 1.3 px sigma.
STENCIL = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280])
REACH = len(STENCIL) // 2


def gradients(image):
    """d/dx, d/dy without a border of REACH px."""
    height, width = image.shape
    inner = slice(REACH, height - REACH), slice(REACH, width - REACH)
    dx = sum(c * image[inner[0], k:width - 2 * REACH + k] for k, c in enumerate(STENCIL))
    dy = sum(c * image[k:height - 2 * REACH + k, inner[1]] for k, c in enumerate(STENCIL))
    return dx, dy


def drift_bound(looks, dose, read_counts, usable=None):
    """One sigma of the drift, px a axis: sqrt(trace(inv(F)) / 2).

    `looks` are two frames of the scene in units of its mean brightness, offset removed; `dose` is
    the mean counts per pixel, `read_counts` the r.m.s. read noise; rounding adds 1/12. `usable`
    marks the pixels that count (all, when None).
    """
    brightness = np.maximum(0.5 * (looks[0] + looks[1]), 0.02)
    brightness = brightness[REACH:-REACH, REACH:-REACH]
    weight = dose**2 / (dose * brightness + read_counts**2 + 1 / 12)
    if usable is not None:
        weight = weight * usable[REACH:-REACH, REACH:-REACH]
    (ax, ay), (bx, by) = gradients(looks[0]), gradients(looks[1])
    xx, yy = (weight * ax * bx).sum(), (weight * ay * by).sum()
    xy = 0.5 * (weight * (ax * by + ay * bx)).sum()
    covariance = np.linalg.inv(np.array([[xx, xy], [xy, yy]]))
    return float(np.sqrt(np.trace(covariance) / 2))
