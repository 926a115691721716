#!/usr/bin/env python3
"""Cracks on real recordings: liwatch, the scikit-image way, and CrackDect where it is installed.

    target/peers/venv/bin/python benches/peers/crack.py
    ... --liwatch PATH --data FOLDER --sheets docs/gauges

All see the same grey pixels. The scikit-image way: ridge filter (Sato), Otsu's threshold, skeleton,
and twice the distance on the medial axis of the thresholded image as the width. Prints Markdown:
crack density (length over area, 1/px) of all lines, the share of each one's lines that the other
has within 3 px, widths where both have one, and seconds a frame on one thread of each: of liwatch
those in which the whole field is searched. --sheets writes contact sheets with what was found. CrackDect (MIT) needs NumPy 1, and so an environment of its own.
"""
import argparse
import os
import pathlib
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import h5py
import imageio.v3 as imageio
import numpy as np
from PIL import ImageDraw
from scipy.ndimage import distance_transform_edt
from skimage.filters import sato, threshold_otsu
from skimage.morphology import medial_axis, remove_small_objects, skeletonize

import common

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "target" / "peers" / "cracks"

# name: files, bins, every so many frames, region (x, y, width, height), contrast, further keys,
# CrackDect's angle (None: not its case), frames of the sheet.
STACKS = {
    "crack_growth": ("crack_growth/*.bmp", 1, 1, (130, 30, 1250, 860), "dark",
                     "branches = 250\nstations = 900\nmax_width_px = 16.0", (30, -30),
                     [0, 2, 5]),
    "npg_fracture": ("npg_fracture/*.tif", 8, 1, (18, 6, 90, 96), "bright",
                     "max_width_px = 40.0\nbranches = 2", None, [0, 2, 4]),
    "ti_line": ("ti_annealing/line_1770_1786/*.png", 1, 4, (4, 4, 650, 500), "dark",
                "branches = 8\nstations = 700", None, [0, 2, 4]),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--liwatch", default=ROOT / "target" / "release" / "liwatch")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--sheets", type=pathlib.Path)
    parser.add_argument("--stacks", nargs="*")
    args = parser.parse_args()
    if not (args.data / "movies").is_dir():
        print(f"SKIPPED: {args.data / 'movies'} is absent; give --data FOLDER", file=sys.stderr)
        return
    print("| stack | frame | liwatch 1/px | scikit-image 1/px | CrackDect 1/px | liwatch in "
          "scikit-image | scikit-image in liwatch | width liwatch | width scikit-image | "
          "s, scikit-image | s, liwatch searches |\n" + "|---" * 11 + "|")
    for name, stack in STACKS.items():
        if not args.stacks or name in args.stacks:
            one(name, stack, args)


def one(name, stack, args):
    files, bins, every, region, contrast, keys, angles, shown = stack
    frames = load(args.data / "movies", files, bins)
    if len(frames) == 0:
        print(f"SKIPPED: {name}: no {files}", file=sys.stderr)
        return
    frames = frames[::every]
    x, y, width, height = region
    panels = []
    for k, frame in enumerate(frames):
        part = frame[y:y + height, x:x + width].astype(np.float32)
        before = time.perf_counter()
        skeleton, widths = scikit(part, contrast)
        spent = time.perf_counter() - before
        lines = liwatch(args.liwatch, name, frame, region, contrast, keys)
        area = width * height
        length = np.nansum(lines["length"])
        skeleton_length = pixels_length(skeleton)
        ours = np.zeros_like(skeleton)
        at = np.round(lines["path"] - [x, y]).astype(int)
        inside = (at >= 0).all(1) & (at[:, 0] < width) & (at[:, 1] < height)
        at, wide = at[inside], lines["width"][inside]
        ours[at[:, 1], at[:, 0]] = True
        near_theirs = distance_transform_edt(~skeleton) <= 3 if skeleton.any() else skeleton
        near_ours = distance_transform_edt(~ours) <= 3 if ours.any() else ours
        both = near_theirs[at[:, 1], at[:, 0]] if len(at) else np.zeros(0, bool)
        their_width = width_at(widths, at[both])
        print(f"| {name} | {k} | {length / area:.5f} | {skeleton_length / area:.5f} | "
              f"{crackdect(part, contrast, angles)} | {share(both)} | "
              f"{share(near_ours[skeleton])} | {median(wide[both])} | {median(their_width)} | "
              f"{spent:.2f} | {lines['search_s']:.3f} |")
        if k in shown and len(at):
            panels.append(panel(part, at, wide, skeleton))
    if args.sheets and panels:
        # Frames side by side: liwatch above, scikit-image below.
        common.save_sheet(args.sheets / f"crack-{name}.jpg", common.beside(panels))


def load(movies, files, bins):
    frames = []
    for path in sorted(movies.glob(files)):
        image = imageio.imread(path)
        image = image if image.ndim == 2 else image[..., :3].mean(-1)
        height, width = (side // bins * bins for side in image.shape)
        blocks = image[:height, :width].astype(float)
        blocks = blocks.reshape(height // bins, bins, width // bins, bins).mean((1, 3))
        frames.append(np.round(blocks * bins).astype(np.uint16))
    return frames


def liwatch(binary, name, frame, region, contrast, keys):
    """The open stations of one frame. It is replayed some times over, as a frame that stands still:
    what a first search misses is added by the later ones."""
    repeat = 12
    text = (f"[[gauge]]\nkind = \"crack\"\nname = \"c\"\nregion = {list(region)}\n"
            f"contrast = \"{contrast}\"\n{keys}\n\n[calibration]\nframe_rate_hz = 1.0\n")
    out = common.replay(binary, np.repeat(frame[None], repeat, axis=0), text, WORK / name)
    with h5py.File(out) as file:
        gauge = file["entry/c"]
        path, branch = gauge["path"][:], gauge["branch"][:].ravel()
        step = np.hypot(*np.diff(path, axis=0, append=np.nan).T)
        step[np.diff(branch, append=np.nan) != 0] = 0
        is_open = gauge["open"][-1] > 0.5
        # The first frame is searched whole, before anything is known.
        seconds = file["entry/latency/c"][:] / 1e9
        return {
            "path": path[is_open],
            "width": gauge["width"][-1][is_open],
            "length": np.nan_to_num(step[is_open]),
            "search_s": seconds[0],
        }


def scikit(part, contrast):
    """Skeleton of what a ridge filter finds, and the width of the thresholded image on its axis."""
    ridge = sato(part, sigmas=range(1, 6), black_ridges=contrast == "dark")
    skeleton = skeletonize(remove_small_objects(ridge > threshold_otsu(ridge), 64))
    level = threshold_otsu(part)
    mask = part < level if contrast == "dark" else part > level
    axis, distance = medial_axis(mask, return_distance=True)
    return skeleton, np.where(axis, 2 * distance, np.nan)


def pixels_length(skeleton):
    """Length of a skeleton: 1 for each side, √2 for each corner that neighbours share."""
    s = skeleton
    sides = (s[1:] & s[:-1]).sum() + (s[:, 1:] & s[:, :-1]).sum()
    # A corner beside a side is no step of its own.
    falling = s[1:, 1:] & s[:-1, :-1] & ~s[1:, :-1] & ~s[:-1, 1:]
    rising = s[1:, :-1] & s[:-1, 1:] & ~s[1:, 1:] & ~s[:-1, :-1]
    return sides + np.sqrt(2) * (falling.sum() + rising.sum())


def width_at(widths, at):
    """The medial axis' width nearest to each place, within 3 px."""
    if len(at) == 0 or not np.isfinite(widths).any():
        return np.zeros(0)
    far, (rows, columns) = distance_transform_edt(np.isnan(widths), return_indices=True)
    near = far[at[:, 1], at[:, 0]] <= 3
    y, x = at[near, 1], at[near, 0]
    return widths[rows[y, x], columns[y, x]]


def crackdect(part, contrast, angles):
    """CrackDect's own crack density, over all directions given."""
    if angles is None or contrast != "dark":
        return "–"
    try:
        from crackdect import detect_cracks
    except ImportError:
        return "not installed"
    image = (part / part.max()).astype(np.float64)
    total = sum(float(np.ravel(detect_cracks([image], theta=angle, crack_width=8, ar=2,
                                             min_size=10)[0])[0]) for angle in angles)
    return f"{total:.5f}"


def share(values):
    return f"{100 * np.mean(values):.0f} %" if len(values) else "–"


def median(values):
    return f"{np.nanmedian(values):.2f}" if np.isfinite(values).any() else "–"


def panel(part, at, widths, skeleton):
    picture = common.shaded(part)
    scale = max(1, 420 // picture.width)
    picture = picture.resize((picture.width * scale, picture.height * scale))
    beside = picture.copy()
    draw = ImageDraw.Draw(picture)
    for (x, y), wide in zip(at, widths):
        half = 0.5 * scale * max(1.0, float(np.nan_to_num(wide)))
        cx, cy = scale * (x + 0.5), scale * (y + 0.5)
        draw.ellipse((cx - half, cy - half, cx + half, cy + half), outline=(255, 60, 40))
    draw = ImageDraw.Draw(beside)
    for y, x in zip(*np.nonzero(skeleton)):
        draw.rectangle((scale * x, scale * y, scale * (x + 1) - 1, scale * (y + 1) - 1),
                       fill=(40, 160, 255))
    return common.below([picture, beside])


if __name__ == "__main__":
    main()
