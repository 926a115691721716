#!/usr/bin/env python3
"""The front on real pictures: liwatch beside Otsu's threshold and beside people's polygons.

    target/peers/venv/bin/python benches/peers/front.py
    ... --liwatch PATH --data FOLDER --sheets docs/gauges

Prints two Markdown tables. With --sheets, writes a contact sheet of each recording (PNG) there.
Otsu: Gaussian of one pixel, threshold_otsu of scikit-image over the region, what hangs together with
the starting edge, its furthest pixel on each line: the loop that people script.
"""
import argparse
import pathlib
import sys

import tools  # noqa: F401  first: it sets one thread before NumPy is loaded
import cv2
import h5py
import numpy as np
import tifffile
from scipy import ndimage
from skimage.filters import gaussian, threshold_otsu

import common
import liwatch

BORDER = 96                          # px; see framed()
FRAME_S = 64.0 / 12                  # the seconds burned into the crystal's frames
# Name, growth, region (x, y, width, height): each looks from inside the crystal outwards.
CRYSTAL = [
    ("right", "right", (146, 120, 100, 70)),
    ("left", "left", (20, 120, 122, 70)),
    ("down", "down", (115, 152, 60, 90)),
]
DENDRITES = {"Ag_1e-8_007": (0, 40, 1536, 600), "Ag_1e-8_010": (0, 40, 1536, 810)}


def main():
    args = arguments()
    binary = liwatch.need_binary(args.liwatch)
    folder = liwatch.WORK / "front"
    folder.mkdir(parents=True, exist_ok=True)
    movie = args.data / "movies/crystal_growth/example_crystal_growth.gif"
    if movie.is_file():
        crystal(binary, movie, folder, args.sheets)
    else:
        print(f"SKIPPED: {movie} is absent; give --data FOLDER", file=sys.stderr)
    print()
    pictures = args.data / "images/dendrites"
    if pictures.is_dir():
        dendrites(binary, pictures, folder, args.sheets)
    else:
        print(f"SKIPPED: {pictures} is absent; give --data FOLDER", file=sys.stderr)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--liwatch", default=liwatch.BINARY, help="the binary to measure")
    parser.add_argument("--data", type=pathlib.Path, default=liwatch.ROOT / "../shared/data")
    parser.add_argument("--sheets", type=pathlib.Path, help="folder for the contact sheets")
    return parser.parse_args()


def crystal(binary, movie, folder, sheets):
    """A facet grows at constant speed: how straight is its position in time, how even its edge?"""
    frames = read_gif(movie)
    moved = [(name, grows, (x + BORDER, y + BORDER, w, h)) for name, grows, (x, y, w, h) in CRYSTAL]
    gauges = "".join(gauge(name, region, grows, "dark") for name, grows, region in moved)
    text = (f"[calibration]\nframe_rate_hz = {1 / FRAME_S}\n\n[drift]\nmax_shift_px = 8.0\n"
            f"exclude = [[{BORDER}, {BORDER}, {frames.shape[2]}, {frames.shape[1]}]]\n") + gauges
    run = replay(binary, framed(frames), text, folder / "crystal_growth")
    print("| crystal's facet | method | frames | lines | off a straight line, px r.m.s. | speed, px/s "
          "| from line to line, px |\n|---|---|---|---|---|---|---|")
    for name, grows, region in CRYSTAL:
        by_otsu = np.array([otsu_contour(frame, region, grows, False) for frame in frames])
        ways = {"liwatch": run[name]["contour"], "Otsu": by_otsu}
        has = {method: np.isfinite(contours) for method, contours in ways.items()}
        seen = {method: lines.mean(axis=1) > 0.5 for method, lines in has.items()}
        # The same frames and lines for both, so that none moves the mean by dropping out.
        usable = seen["liwatch"] & seen["Otsu"]
        always = (has["liwatch"] & has["Otsu"])[usable].all(axis=0)
        for method, contours in ways.items():
            lines = has[method]
            position = contours[usable][:, always].mean(axis=1)
            times = FRAME_S * np.flatnonzero(usable)
            if len(times) < 4 or not always.any():
                print(f"| {name} | {method} | {seen[method].sum()} of {len(frames)} | | | | |")
                continue
            fit = np.polyfit(times, position, 1)
            off = np.sqrt(np.mean((position - np.polyval(fit, times)) ** 2))
            uneven = (np.nanmean(np.diff(contours[usable], 2, axis=1) ** 2) / 6) ** 0.5
            print(f"| {name} | {method} | {seen[method].sum()} of {len(frames)} | {lines[usable].mean():.0%} "
                  f"| {off:.2f} | {fit[0]:.3f} | {uneven:.2f} |")
    if sheets:
        shown = [draw(frames[k], [(run[name]["contour"][k], region, grows)
                                  for name, grows, region in CRYSTAL]) for k in (0, 4, 8, 12)]
        sheet(sheets / "front-crystal.png", np.hstack(shown), 1152)


def framed(frames):
    """The movie is registered already, and nothing in it stands still: a border that does tells
    liwatch that there is no drift. Its noise is that of the frames."""
    random = np.random.default_rng(1)
    shape = (frames.shape[1] + 2 * BORDER, frames.shape[2] + 2 * BORDER)
    pattern = gaussian(random.normal(size=shape), 2)
    pattern = frames.mean() * (1 + 0.3 * pattern / pattern.std())
    noise = np.median(np.abs(np.diff(frames[0].astype(float), axis=1))) / 0.6745 / 2 ** 0.5
    out = pattern + random.normal(scale=noise, size=(len(frames), *shape))
    out[:, BORDER:-BORDER, BORDER:-BORDER] = frames
    return out.clip(0, 255).round().astype(np.uint8)


def dendrites(binary, pictures, folder, sheets):
    """Silver dendrites on an electrode: the furthest reach on each line, beside people's polygons."""
    print("| dendrites | method | lines with an edge | median off, px | within 5 px | tip off, px "
          "|\n|---|---|---|---|---|---|")
    for name, region in DENDRITES.items():
        x, y, width, height = region
        picture = tifffile.imread(pictures / f"{name}.tif")
        annotation = next(pictures.glob(f"{name}_png*.txt"))
        mask = polygons(annotation, picture.shape)[y:y + height, x:x + width]
        known = furthest(mask[::-1].T, 6)
        text = "[calibration]\nframe_rate_hz = 1.0\n" + gauge("up", region, "up", "bright")
        run = replay(binary, picture[None], text, folder / name)
        ways = {"liwatch": run["up"]["contour"][0],
                "Otsu": otsu_contour(picture, region, "up", True)}
        for method, contour in ways.items():
            both = np.isfinite(contour) & np.isfinite(known)
            off = np.abs(contour - known)[both]
            if not both.any():
                print(f"| {name} | {method} | none | | | |")
                continue
            print(f"| {name} | {method} | {both.sum() / np.isfinite(known).sum():.0%} "
                  f"| {np.median(off):.1f} | {np.mean(off < 5):.0%} "
                  f"| {np.nanmax(contour) - np.nanmax(known):+.0f} |")
        if sheets:
            drawn = draw(picture, [(known, region, "up")], (0, 0, 255))
            drawn = draw(drawn, [(ways["liwatch"], region, "up")])
            sheet(sheets / f"front-{name.lower()}.png", drawn[:y + height + 60], 900)


def gauge(name, region, grows, lithium):
    return (f"\n[[gauge]]\nkind = \"front\"\nname = \"{name}\"\nregion = {list(region)}\n"
            f"grows = \"{grows}\"\nlithium = \"{lithium}\"\n")


def replay(binary, frames, text, path):
    """Each gauge's contour, [frames, lines] px from its starting edge."""
    out = common.replay(binary, frames, text, path)
    with h5py.File(out) as file:
        entry = file["entry"]
        return {name: {"contour": entry[name]["contour"][:]} for name in entry
                if entry[name].attrs.get("kind") in ("front", b"front")}


def read_gif(path):
    video, frames = cv2.VideoCapture(str(path)), []
    while True:
        good, frame = video.read()
        if not good:
            return np.array(frames)
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY))


def along_lines(picture, region, grows):
    """The region with one line a row, from its starting edge on."""
    x, y, width, height = region
    part = picture[y:y + height, x:x + width]
    return {"right": part, "left": part[:, ::-1], "down": part.T, "up": part[::-1].T}[grows]


def otsu_contour(picture, region, grows, bright):
    part = gaussian(along_lines(picture, region, grows).astype(float), 1)
    threshold = threshold_otsu(part)
    return furthest(part > threshold if bright else part < threshold, 0)


def furthest(mask, bridge):
    """The furthest pixel of each row that hangs together with the starting edge over gaps of up to
    `bridge` pixels; NaN where there is none."""
    wide = ndimage.binary_dilation(mask, iterations=bridge) if bridge else mask
    pieces, _ = ndimage.label(wide)
    roots = np.unique(pieces[:, :max(20, 2 * bridge)])
    mask = mask & np.isin(pieces, roots[roots > 0])
    last = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
    return np.where(mask.any(axis=1), last, np.nan)


def polygons(path, shape):
    """The annotation's polygons (a 640 x 640 letterbox) as a mask."""
    mask = np.zeros(shape, np.uint8)
    for line in path.read_text().splitlines():
        points = np.array([float(value) for value in line.split()[1:]]).reshape(-1, 2)
        x, y = points[:, 0] * 1536, (points[:, 1] * 640 - 112) * 1536 / 640
        cv2.fillPoly(mask, [np.stack([x, y], 1).round().astype(np.int32)], 1)
    return mask.astype(bool)


def draw(picture, contours, colour=(0, 220, 255)):
    if picture.ndim == 2:
        scale = 255 / np.percentile(picture, 99.8)
        picture = cv2.cvtColor(cv2.convertScaleAbs(picture, alpha=scale), cv2.COLOR_GRAY2BGR)
    picture = picture.copy()
    thick = 1 if picture.shape[1] < 800 else 2
    for contour, (x, y, width, height), grows in contours:
        places = []
        for line, at in enumerate(contour):
            places.append({"right": (x + at, y + line), "left": (x + width - 1 - at, y + line),
                           "down": (x + line, y + at), "up": (x + line, y + height - 1 - at)}[grows])
        for a, b in zip(places, places[1:]):
            if np.isfinite([*a, *b]).all() and np.hypot(a[0] - b[0], a[1] - b[1]) < 60:
                cv2.line(picture, tuple(int(round(v)) for v in a), tuple(int(round(v)) for v in b),
                         colour, thick, cv2.LINE_AA)
    return picture


def sheet(path, picture, width):
    size = (width, round(width * picture.shape[0] / picture.shape[1]))
    how = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_NEAREST
    picture = cv2.resize(picture, size, interpolation=how)
    # Sixteen greys and the lines' colours: small files.
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), (picture // 16) * 16 + 8, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
