"""A specimen on which a brighter body covers 30 % of the field and grows by itself, in NumPy.

The static texture and the body's own texture stand on a periodic canvas larger than the frame and
are moved by an exact Fourier shift, then cropped: content enters and leaves at the borders. This
shares no code with `liwatch simulate`.
"""
import numpy as np
import scipy.fft
from scipy.special import erf

OFFSET, READ = 100.0, 0.5        # counts


def texture(size, rng, psf_px=1.2, contrast=0.22):
    """Band-limited mottling of mean 1, periodic: 1/f noise with a knee at 64 px, and blobs."""
    radius = np.hypot(scipy.fft.fftfreq(size)[:, None], scipy.fft.rfftfreq(size)[None, :])
    back = lambda spectrum: scipy.fft.irfft2(spectrum, s=(size, size))
    noise = back(scipy.fft.rfft2(rng.standard_normal((size, size))) / (radius + 1 / 64) ** 1.2)
    blobs = np.zeros((size, size))
    for sigma, sign in ((3, 1), (5, -1), (8, 1), (12, -1)):
        count = max(4, (size // 128) ** 2)
        points = np.zeros((size, size))
        np.add.at(points, tuple(rng.integers(0, size, (2, count))),
                  sign * rng.uniform(0.5, 1.5, count))
        blobs += back(scipy.fft.rfft2(points) * np.exp(-2 * (np.pi * sigma * radius) ** 2)
                      * 2 * np.pi * sigma**2)
    image = noise / noise.std() + 0.7 * blobs / blobs.std()
    # Nothing above 0.45 cycles/px, so that a Fourier shift is exact.
    spread = np.where(radius > 0.45, 0, np.exp(-2 * (np.pi * psf_px * radius) ** 2))
    image = back(scipy.fft.rfft2(image) * spread)
    return np.maximum(1 + contrast * (image - image.mean()) / image.std(), 0.05)


class BodyScene:
    """`share` of the field, from the left, is a body `gain` times as bright as the rest."""

    def __init__(self, size, seed=1, share=0.3, gain=2.5):
        rng = np.random.default_rng(seed)
        self.size, self.share = size, share
        self.pad = max(48, size // 16)
        self.canvas = scipy.fft.next_fast_len(size + 2 * self.pad, real=True)
        self.canvas += self.canvas % 2
        self.ground = scipy.fft.rfft2(texture(self.canvas, rng))
        self.body = scipy.fft.rfft2(gain * texture(self.canvas, rng))
        rows = np.arange(self.canvas)
        edge = self.pad + share * size + sum(
            amplitude * np.sin(2 * np.pi * (k * rows / self.canvas + rng.uniform()))
            for k, amplitude in ((2, 8.0), (5, 5.0), (11, 3.0), (23, 1.5)))
        x = np.arange(self.canvas)[None, :]
        mask = 0.5 * (1 - erf((x - edge[:, None]) / (np.sqrt(2) * 1.5)))
        # The far side of the body lies in the margin left of the frame, wrapped to the right end.
        mask += 0.5 * (1 + erf((x - self.canvas + self.pad // 2) / (np.sqrt(2) * 1.5)))
        self.mask = scipy.fft.rfft2(np.clip(mask, 0, 1))

    def clean(self, drift, grown):
        """Brightness of a frame (about 1 outside the body); the body has moved by `grown` px."""
        ground = self._moved(self.ground, *drift)
        at = drift[0] + grown, drift[1]
        mask = np.clip(self._moved(self.mask, *at), 0, 1)
        image = ground * (1 - mask) + self._moved(self.body, *at) * mask
        inner = slice(self.pad, self.pad + self.size)
        return np.maximum(image[inner, inner], 0.02)

    def static(self, grown):
        """True where the body does not reach until it has moved by `grown` px, 8 px apart."""
        mask = self._moved(self.mask, grown + 8, 0)
        inner = slice(self.pad, self.pad + self.size)
        return mask[inner, inner] < 0.01

    def _moved(self, spectrum, dx, dy):
        fy = scipy.fft.fftfreq(self.canvas)[:, None]
        fx = scipy.fft.rfftfreq(self.canvas)[None, :]
        turn = np.exp(-2j * np.pi * (fy * dy + fx * dx))
        return scipy.fft.irfft2(spectrum * turn, s=(self.canvas, self.canvas))


def write(path, scene, dose, frames, seed, grow_px=12.0):
    """Writes a u16 recording and PATH.truth.csv; returns drift [frames, 2], growth [frames], px."""
    rng = np.random.default_rng(seed)
    drift = np.cumsum(rng.normal(0, 0.3, (frames, 2)), axis=0)
    drift -= drift[0]
    drift *= min(1.0, 6.0 / np.abs(drift).max())
    grown = np.linspace(0, grow_px, frames)
    np.savetxt(path.with_suffix(".truth.csv"), np.column_stack([np.arange(frames), drift, grown]),
               fmt=["%d"] + 3 * ["%.6f"], delimiter=",", comments="",
               header="frame,drift_x_px,drift_y_px,grown_px")
    shape = (frames, scene.size, scene.size)
    stack = np.lib.format.open_memmap(path, "w+", np.uint16, shape)
    for k in range(frames):
        counts = rng.poisson(dose * scene.clean(drift[k], grown[k])).astype(float)
        counts += rng.normal(OFFSET, READ, counts.shape)
        stack[k] = np.clip(np.rint(counts), 0, 65535)
    return drift, grown
