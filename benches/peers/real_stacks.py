#!/usr/bin/env python3
"""Drift on real stacks: liwatch, three independent tools, and what the stacks' authors say.

    target/peers/venv/bin/python benches/peers/real_stacks.py
    ... --stacks npg_fracture pc12 --liwatch PATH --data FOLDER

All see the same grey pixels, which are written to target/peers/stacks/NAME.npy. Prints Markdown,
and one JSON line a frame to target/peers/real_stacks.jsonl. README.md says what is in the table.
"""
import argparse
import json
import pathlib
import sys

import tools  # first: it sets one thread before NumPy is loaded
import cv2
import numpy as np

import liwatch
from stacks import STACKS

LEAST_SIGMA_PX = 0.02      # two half-fields can agree by chance
JUDGES = {
    "scikit-image": tools.skimage_correlation(None),
    "ECC": tools.opencv_ecc,
    "StackReg": tools.stackreg,
}


def main():
    args = arguments()
    binary = liwatch.need_binary(args.liwatch)
    movies = args.data / "movies"
    if not movies.is_dir():
        print(f"SKIPPED: {movies} is absent; give --data FOLDER", file=sys.stderr)
        return
    folder = liwatch.WORK / "stacks"
    folder.mkdir(parents=True, exist_ok=True)
    columns = ["stack", "frame", "liwatch", *JUDGES, "known", "off by, px", "agrees with"]
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    sources, counts = {}, [0, 0]
    with open(args.out, "a") as out:
        for stack in STACKS:
            if args.stacks and stack.name not in args.stacks:
                continue
            try:
                frames = stack.load(movies)
            except (OSError, ValueError) as error:
                print(f"SKIPPED: {stack.name}: {movies / stack.files}: {error}", file=sys.stderr)
                continue
            for row in compare(binary, stack, frames, stack.known(movies), folder):
                print(row.pop("line"), flush=True)
                out.write(json.dumps(row) + "\n")
                if row["source"]:
                    sources[stack.name] = row["source"]
                counts[0] += row["agrees"]
                counts[1] += 1
    print(f"\nliwatch agrees in {counts[0]} of {counts[1]} frames: with the known drift where it is "
          "certain, else with most of the tools.\n")
    for name, source in sources.items():
        print(f"- {name}: {source}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--liwatch", default=liwatch.BINARY, help="the binary to measure")
    parser.add_argument("--data", type=pathlib.Path, default=liwatch.ROOT / "../shared/data")
    parser.add_argument("--stacks", nargs="*", help="names: " + ", ".join(s.name for s in STACKS))
    parser.add_argument("--out", type=pathlib.Path, default=liwatch.WORK / "real_stacks.jsonl")
    return parser.parse_args()


def compare(binary, stack, frames, known, folder):
    """One row for each shown frame."""
    recording = folder / f"{stack.name}.npy"
    np.save(recording, frames)
    run = liwatch.replay(binary, recording, stack.config, recording.with_suffix(".h5"))
    for k in stack.shown:
        own, own_sigma = run.drift[k], run.sigma[k]
        start = coarse(frames[0], frames[k], stack)
        found = {name: judge(tool, frames[0], frames[k], stack, start)
                 for name, tool in JUDGES.items()}
        if k in known:
            found["known"] = np.array(known[k].drift), np.array(known[k].sigma)
        verdicts = {name: same(own, own_sigma, *them) for name, them in found.items()}
        line = [stack.name, str(k), told(own, own_sigma) if run.locked[k] else
                f"not locked ({run.quality[k]:.2f})"]
        line += [told(*found[name]) for name in JUDGES]
        line.append(told(*found["known"]) if k in known else "")
        certain = k in known and known[k].certain
        middle = np.nanmedian([found[name][0] for name in JUDGES], axis=0)
        right = found["known"][0] if certain else middle
        off = float(np.hypot(*(own - right)))
        line.append(f"{off:.2f}" if np.isfinite(off) else "")
        line.append(", ".join(name for name, verdict in verdicts.items() if verdict) or "none")
        yield {
            "line": "| " + " | ".join(line) + " |", "stack": stack.name, "frame": k,
            "locked": bool(run.locked[k]), "quality": float(run.quality[k]),
            "liwatch": listed(own), "liwatch_sigma": listed(own_sigma),
            "found": {name: [listed(v) for v in them] for name, them in found.items()},
            "verdicts": verdicts, "source": known[k].source if k in known else None,
            "off_px": off if np.isfinite(off) else None, "agrees": agreed(verdicts, found, certain),
        }


def agreed(verdicts, found, known_is_certain):
    """With the known drift where it is certain, else with most of the tools that found one."""
    if known_is_certain:
        return verdicts["known"]
    sure = [name for name in JUDGES if np.isfinite(found[name][0]).all()]
    return sum(verdicts[name] for name in sure) * 2 > len(sure)


def same(a, a_sigma, b, b_sigma):
    """Within two sigma of the difference, in x and in y."""
    return bool(np.all(np.abs(np.subtract(a, b)) <= 2 * np.hypot(a_sigma, b_sigma)))


# ------------------------------------------------------------------------------ the other tools
def coarse(reference, frame, stack):
    """Whole pixels: normalised correlation of the window's middle, both blurred by 2 px."""
    x, y, width, height = stack.window
    left, top, clear_width, clear_height = stack.clear or stack.window
    inset_x, inset_y = min(stack.reach, width // 4), min(stack.reach, height // 4)
    blur = lambda image: cv2.GaussianBlur(image.astype(np.float32), (0, 0), 2)
    middle = blur(reference)[y + inset_y:y + height - inset_y, x + inset_x:x + width - inset_x]
    field = blur(frame)[top:top + clear_height, left:left + clear_width]
    column, row = cv2.minMaxLoc(cv2.matchTemplate(field, middle, cv2.TM_CCOEFF_NORMED))[3]
    return np.array([column + left - x - inset_x, row + top - y - inset_y], float)


def judge(tool, reference, frame, stack, start):
    """The drift over the whole window, and half the r.m.s. difference of its half-fields.

    Two independent halves of sigma s average to a whole of s / sqrt(2), and differ by s * sqrt(2):
    half their difference estimates the sigma of the whole. It contains what noise does, and what
    the specimen does that is no drift. Where no pair of halves can be measured there is no sigma,
    and the tool counts as failed.
    """
    clear = stack.clear or stack.window
    whole = refine(tool, reference, frame, stack.window, clear, start)
    x, y, width, height = stack.window
    halves = [((x, y, width // 2, height), (x + width // 2, y, width - width // 2, height)),
              ((x, y, width, height // 2), (x, y + height // 2, width, height - height // 2))]
    apart = []
    for pair in halves:
        first, second = (refine(tool, reference, frame, half, clear, whole) for half in pair)
        apart.append((first - second) / 2)
    known = [d for d in apart if np.isfinite(d).all()]
    if not known:
        return np.full(2, np.nan), np.full(2, np.nan)
    return whole, np.maximum(np.sqrt(np.mean(np.square(known), axis=0)), LEAST_SIGMA_PX)


def refine(tool, reference, frame, window, clear, start):
    """Sub-pixel, on rectangles that already fit to a pixel; NaN when the tool runs away."""
    at = np.array(start, float)
    for _ in range(6):
        if not np.isfinite(at).all():
            break
        step = np.rint(at).astype(int)
        # What of the window lies, displaced, in the clear part of the frame.
        left, top = (max(window[i], clear[i] - step[i]) for i in (0, 1))
        right, bottom = (min(window[i] + window[i + 2], clear[i] + clear[i + 2] - step[i])
                         for i in (0, 1))
        if right - left < 32 or bottom - top < 32:
            return np.full(2, np.nan)
        ours = reference[top:bottom, left:right].astype(np.float32)
        theirs = frame[top + step[1]:bottom + step[1], left + step[0]:right + step[0]]
        rest = np.array(tool(tapered(tool, ours))(tapered(tool, theirs.astype(np.float32))))
        if not np.isfinite(rest).all() or np.abs(rest).max() > 20:
            return np.full(2, np.nan)
        at = step + rest
        if np.abs(rest).max() <= 0.75:
            break
    return at


def tapered(tool, image):
    """Correlation by FFT wants a window; the others work on the pixels as they are."""
    if tool is not JUDGES["scikit-image"]:
        return image
    return (image - image.mean()) * np.outer(np.hanning(image.shape[0]), np.hanning(image.shape[1]))


def told(drift, sigma):
    if not np.isfinite(drift).all():
        return "fails"
    return "({:.2f}, {:.2f}) ± ({:.2f}, {:.2f})".format(*drift, *sigma)


def listed(values):
    """For JSON, which has no NaN."""
    return [float(v) if np.isfinite(v) else None for v in values]


if __name__ == "__main__":
    main()
