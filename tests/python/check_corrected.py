"""Reads corrected stacks with tifffile and h5py and checks them against the recording, the run file
and each other; prints what is wrong. The folder holds cell.npy and, of one run each, run.h5 and the
stacks sub.tif, sub.h5, int.tif, crop.btf and hole.tif (made by the test that calls this)."""

import pathlib
import sys

import h5py
import numpy as np
import tifffile

wrong = []


def check(condition, what):
    if not condition:
        wrong.append(what)


def blur(image, sigma):
    """A Gaussian, by the FFT: enough for gradients."""
    fy, fx = np.fft.fftfreq(image.shape[0])[:, None], np.fft.rfftfreq(image.shape[1])[None]
    gain = np.exp(-2 * (np.pi * sigma) ** 2 * (fx**2 + fy**2))
    return np.fft.irfft2(np.fft.rfft2(image) * gain, image.shape)


def residual(frame, mean, use):
    """Shift of a frame against the mean, px (x, y): one least-squares step on the gradients."""
    gy, gx = np.gradient(mean)
    a = np.stack([gx[use], gy[use], np.ones(use.sum())], axis=1)
    found = np.linalg.lstsq(a, -(frame - mean)[use], rcond=None)[0]
    return found[:2]


def check_imagej(path, frames, dtype):
    with tifffile.TiffFile(path) as tif:
        series = tif.series[0]
        check(tif.is_imagej, f"{path.name}: no ImageJ file")
        check(series.axes == "TYX", f"{path.name}: axes {series.axes}")
        check(series.dtype == dtype, f"{path.name}: {series.dtype}")
        check(series.dataoffset is not None, f"{path.name}: the frames do not lie in one piece")
        check(len(tif.pages) == frames, f"{path.name}: {len(tif.pages)} directories")
        told = tif.imagej_metadata
        check(told["images"] == told["frames"] == frames, f"{path.name}: {told}")
        check(told["unit"] == "nm" and abs(told["finterval"] - 0.05) < 1e-9, f"{path.name}: {told}")
        x, y = (tif.pages[0].tags[name].value for name in ("XResolution", "YResolution"))
        check(x[1] / x[0] == y[1] / y[0] == 2.0, f"{path.name}: resolution {x}, {y}")
        check(len(told["Labels"]) == frames, f"{path.name}: labels")
        check(f"of {frames}" in told["Info"], f"{path.name}: {told['Info']}")
        pages = np.stack([page.asarray() for page in tif.pages])
        check(np.array_equal(pages, series.asarray(), equal_nan=True), f"{path.name}: pages differ")
        return pages, told


def main(folder):
    recorded = np.load(folder / "cell.npy")
    count, height, width = recorded.shape
    with h5py.File(folder / "run.h5") as run:
        drift = np.stack([run["entry/drift/x"][:], run["entry/drift/y"][:]], axis=1)
        sigma = np.stack([run["entry/drift/x_errors"][:], run["entry/drift/y_errors"][:]], axis=1)
        regions = [run["entry"][name].attrs["region"] for name in ("anode", "c1")]
    check(np.isfinite(drift).all(), "a frame of the simulation was not locked")

    # Half-way cases round away from zero in Rust and to even in NumPy; no drift is that exact.
    whole = np.rint(drift).astype(int)
    counts, _ = check_imagej(folder / "int.tif", count, np.uint16)
    for k, (dx, dy) in enumerate(whole):
        expected = np.zeros((height, width), np.uint16)
        y0, y1 = max(0, -dy), min(height, height - dy)
        x0, x1 = max(0, -dx), min(width, width - dx)
        expected[y0:y1, x0:x1] = recorded[k, y0 + dy:y1 + dy, x0 + dx:x1 + dx]
        check(np.array_equal(counts[k], expected), f"int.tif: counts of frame {k} changed")

    stack, _ = check_imagej(folder / "sub.tif", count, np.float32)
    y, x = np.mgrid[:height, :width]
    for k, (dx, dy) in enumerate(drift):
        u, v = x + dx, y + dy
        on = (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
        check(np.array_equal(np.isfinite(stack[k]), on), f"sub.tif: frame {k} covers another area")
    with h5py.File(folder / "sub.h5") as file:
        data = file["entry/data"]
        check(list(data.attrs["axes"]) == ["time", "y", "x"], "sub.h5: axes")
        check(data.attrs["signal"] == "frames", "sub.h5: signal")
        frames = data["frames"]
        check(frames.chunks == (1, height, width), f"sub.h5: chunks {frames.chunks}")
        check(frames.compression == "gzip" and frames.shuffle, "sub.h5: no compression")
        check(np.array_equal(frames[:], stack, equal_nan=True), "sub.h5 differs from sub.tif")
        finite = np.isfinite(stack)
        check(np.array_equal(data["valid"][:], finite.all(axis=0)), "sub.h5: valid")
        check(np.allclose(data["valid_fraction"][:], finite.mean(axis=(1, 2))), "sub.h5: fractions")
        check(np.allclose(data["time"][:], np.arange(count) * 0.05), "sub.h5: time")
        check(np.allclose(data["x"][:], np.arange(width) * 2.0), "sub.h5: x")
        check(np.array_equal(data["drift_y"][:], drift[:, 1]), "sub.h5: drift")
        for name in ("x", "y", "time"):
            check(data[name].attrs["units"] == ("s" if name == "time" else "nm"), f"{name}: units")
        left, top, wide, high = file["entry/process/common"][:]
        rectangle = finite.all(axis=0)[top:top + high, left:left + wide]
        check(rectangle.all() and wide * high == finite.all(axis=0).sum(), "sub.h5: common")
    with tifffile.TiffFile(folder / "crop.btf") as tif:
        check(tif.is_bigtiff, "crop.btf is no BigTIFF")
        cropped = stack[:, top:top + high, left:left + wide]
        check(np.array_equal(tif.asarray(), cropped), "crop.btf is not the common rectangle")

    # What is left of the drift, away from what moves by itself.
    margin = 24
    use = np.zeros((height, width), bool)
    use[margin + 16:-margin - 16, margin + 16:-margin - 16] = True
    for left, top, wide, high in regions:
        use[max(0, top - margin):top + high + margin, max(0, left - margin):left + wide + margin] = 0
    smooth = np.stack([blur(np.nan_to_num(frame, nan=np.nanmean(frame)), 1.0) for frame in stack])
    mean = smooth.mean(axis=0)
    left_over = np.array([residual(frame, mean, use) for frame in smooth])
    left_over -= left_over.mean(axis=0)
    before = np.array([residual(blur(frame.astype(float), 1.0), mean, use) for frame in recorded])
    rms, claimed = np.sqrt((left_over**2).mean()), np.median(sigma[1:])
    print(f"residual drift {rms:.4f} px rms over {use.sum()} px "
          f"(drift {np.sqrt((drift**2).mean()):.2f} px rms; one sigma of the run {claimed:.4f} px)")
    check(np.abs(before).max() > 20 * rms, "the measure of residual drift sees nothing")
    check(use.sum() > 2000, "no field left to measure the residual drift in")
    # The measure has a frame's noise in what is left of the field; so have the drifts themselves.
    check(rms < 1.3 * claimed, f"residual drift {rms} px, one sigma {claimed} px")

    holes, told = check_imagej(folder / "hole.tif", count, np.float32)
    empty = np.isnan(holes).all(axis=(1, 2))
    check(list(np.flatnonzero(empty)) == [3], f"hole.tif: empty frames {np.flatnonzero(empty)}")
    check("NOT PLACED" in told["Labels"][3], f"hole.tif: label {told['Labels'][3]}")
    check("drift" in told["Labels"][4], f"hole.tif: label {told['Labels'][4]}")
    for line in wrong:
        print("wrong:", line)
    sys.exit(1 if wrong else 0)


main(pathlib.Path(sys.argv[1]))
