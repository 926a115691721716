#!/usr/bin/env python3
"""What `liwatch suggest` proposes for real recordings, and what its unedited proposals then measure.

    target/peers/venv/bin/python benches/peers/proposals.py
    ... --liwatch PATH --data FOLDER --recordings NAME... --sheets docs/gauges

Prints one Markdown row a recording. With --sheets, writes a contact sheet of each of SHEETS there:
frames of the recording with what was measured in them. Lines: the front's contour (blue) and the
cracks' stations, as wide as the opening (orange); crosses: places of the specimen, where the drift
says that they stand now; boxes: gauge regions (thin), and what the drift leaves out (pink).
"""
import argparse
import json
import pathlib
import sys
import tomllib

import tools  # noqa: F401  first: it sets one thread before NumPy is loaded
import cv2
import h5py
import numpy as np
from PIL import ImageDraw

import common
import liwatch
from stacks import STACKS, Stack

FRONT, CRACK, DRAWN, CROSS = (86, 180, 233), (255, 150, 0), (204, 121, 167), (0, 230, 120)


def gif(name):
    def load(movies):
        if not (movies / name).is_file():
            raise FileNotFoundError(movies / name)
        video, frames = cv2.VideoCapture(str(movies / name)), []
        while (read := video.read())[0]:
            frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY))
        return np.stack(frames)
    return load


CRYSTAL = "crystal_growth/example_crystal_growth.gif"
RECORDINGS = [Stack("crystal_growth", CRYSTAL, gif(CRYSTAL), (0, 0, 0, 0), 0, [])] + [
    stack for stack in STACKS if stack.name != "npg_right_bank"]       # the same frames once more
# Frames of the sheet, and the part of them that is shown (x, y, width, height; None: all).
SHEETS = {
    "crystal_growth": ([0, 4, 8, 12], None),
    "crack_growth": ([0, 2, 5], (60, 0, 1380, 960)),
    "npg_fracture": ([0, 2, 4], None),
    "ti_loop_movie": ([0, 6, 13], (0, 0, 420, 389)),
    "dice_tension": ([0, 5, 11], (0, 300, 400, 520)),
}


def main():
    args = arguments()
    binary = liwatch.need_binary(args.liwatch)
    folder = liwatch.WORK / "proposals"
    folder.mkdir(parents=True, exist_ok=True)
    print("| recording | frames | front | crack | left out of the drift | drift | front measured | "
          "crack measured |\n" + "|---" * 8 + "|")
    for recording in RECORDINGS:
        if args.recordings and recording.name not in args.recordings:
            continue
        try:
            frames = recording.load(args.data / "movies")
        except (OSError, ValueError) as error:
            print(f"SKIPPED: {recording.files} is absent ({error}); give --data FOLDER",
                  file=sys.stderr)
            continue
        proposal, run = propose(binary, frames, folder / recording.name)
        print(row(recording.name, frames, proposal, run), flush=True)
        if args.sheets and recording.name in SHEETS:
            shown, part = SHEETS[recording.name]
            panels = [panel(frames, k, proposal, run, part) for k in shown]
            common.save_sheet(args.sheets / f"real-{recording.name}.jpg", common.beside(panels))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--liwatch", default=liwatch.BINARY, help="the binary to measure")
    parser.add_argument("--data", type=pathlib.Path, default=liwatch.ROOT / "../shared/data")
    parser.add_argument("--recordings", nargs="*", help="names; all when absent")
    parser.add_argument("--sheets", type=pathlib.Path, help="folder for the contact sheets")
    return parser.parse_args()


def propose(binary, frames, stem):
    """The proposal's JSON, and the run file of a replay with it."""
    np.save(stem.with_suffix(".npy"), frames)
    told = common.call([binary, "suggest", stem.with_suffix(".npy"), "--json",
                        "--picture", stem.with_suffix(".png")])
    proposal = json.loads(told)
    return proposal, common.replay(binary, frames, proposal["configuration"], stem)


def row(name, frames, proposal, run):
    front, crack = proposal["front"], proposal["crack"]
    found = {
        "front": f"{front['sureness']}: grows {front['grows']}, {front['lithium']}" if front
                 else f"none: {proposal['no_front']}",
        "crack": f"{crack['sureness']}: {crack['contrast']}" if crack
                 else f"none: {proposal['no_crack']}",
    }
    boxes = ", ".join("{}, {}, {} × {}".format(*box) for box in proposal["drawn"]) or "nothing"
    with h5py.File(run) as file:
        entry = file["entry"]
        locked = entry["drift/locked"][:] > 0.5
        moved = np.hypot(entry["drift/x"][:], entry["drift/y"][:])[locked]
        drift = f"{locked.sum()} of {len(locked)} locked, up to {moved.max():.1f} px"
        measured = {
            "front": told(entry, "anode", "position", len(frames)),
            "crack": told(entry, "c1", "length_total", len(frames)),
        }
    return (f"| {name} | {len(frames)} of {frames.shape[2]} × {frames.shape[1]} | {found['front']} | "
            f"{found['crack']} | {boxes} | {drift} | {measured['front']} | {measured['crack']} |")


def told(entry, gauge, field, frames):
    """Frames with a number, the numbers at both ends, and the quality."""
    if gauge not in entry:
        return "–"
    values, quality = entry[gauge][field][:], entry[gauge]["quality"][:]
    known = np.flatnonzero(np.isfinite(values))
    if len(known) == 0:
        return f"no number in {frames} frames"
    return (f"{len(known)} of {frames}, {field} {values[known[0]]:.0f} to {values[known[-1]]:.0f} px, "
            f"quality {np.median(quality[known]):.2f}")


def panel(frames, k, proposal, run, part):
    picture = common.shaded(frames[k], 0.5, 99.5)
    draw = ImageDraw.Draw(picture)
    thick = max(1, round(frames.shape[2] / 500))
    for x, y, width, height in proposal["drawn"]:
        draw.rectangle((x, y, x + width, y + height), outline=DRAWN, width=thick)
    with h5py.File(run) as file:
        entry = file["entry"]
        drift = np.array([entry["drift/x"][k], entry["drift/y"][k]])
        locked = entry["drift/locked"][k] > 0.5
        if locked:
            crosses(draw, frames.shape[1:], drift, proposal, thick)
            gauges(draw, entry, k, drift, tomllib.loads(proposal["configuration"]), thick)
    label = f"frame {k}: " + (f"drift {drift[0]:+.1f}, {drift[1]:+.1f} px" if locked
                              else "drift not found")
    if part:
        x, y, width, height = part
        picture = picture.crop((x, y, x + width, y + height))
    scale = max(1, round(440 / picture.width))
    picture = picture.resize((picture.width * scale, picture.height * scale))
    ImageDraw.Draw(picture).text((6, 4), label, fill=(255, 230, 0), stroke_width=2,
                                 stroke_fill="black", font_size=max(14, picture.width // 32))
    return picture


def crosses(draw, size, drift, proposal, thick):
    """A grid of places on the specimen, but for those in what was drawn."""
    height, width = size
    step = min(width, height) // 5
    for y in range(step // 2, height, step):
        for x in range(step // 2, width, step):
            if any(left <= x < left + w and top <= y < top + h
                   for left, top, w, h in proposal["drawn"]):
                continue
            at, arm = np.array([x, y]) + drift, 5 * thick
            draw.line((at[0] - arm, at[1], at[0] + arm, at[1]), fill=CROSS, width=thick)
            draw.line((at[0], at[1] - arm, at[0], at[1] + arm), fill=CROSS, width=thick)


def gauges(draw, entry, k, drift, config, thick):
    for gauge in config.get("gauge", []):
        x, y, width, height = gauge["region"]
        left, top = np.array([x, y]) + drift
        colour = FRONT if gauge["kind"] == "front" else CRACK
        draw.rectangle((left, top, left + width, top + height), outline=colour, width=1)
        data = entry[gauge["name"]]
        if gauge["kind"] == "front":
            lines = np.arange(data["contour"].shape[1])
            at = data["contour"][k]
            places = {"right": (left + at, top + lines), "left": (left + width - 1 - at, top + lines),
                      "down": (left + lines, top + at), "up": (left + lines, top + height - 1 - at)}
            points = np.stack(places[gauge["grows"]], 1)
            for a, b in zip(points, points[1:]):
                if np.isfinite([*a, *b]).all() and np.hypot(*(a - b)) < 40:
                    draw.line((*a, *b), fill=colour, width=2 * thick)
        else:
            is_open = data["open"][k] > 0.5
            path = data["path"][:][is_open] + drift
            for (cx, cy), wide in zip(path, data["width"][k][is_open]):
                half = 0.5 * max(1.0, float(np.nan_to_num(wide)))
                draw.ellipse((cx - half, cy - half, cx + half, cy + half), outline=colour)


if __name__ == "__main__":
    main()
