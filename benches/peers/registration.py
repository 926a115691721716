#!/usr/bin/env python3
"""Drift on recordings with known truth: liwatch beside what users would pick, in one run.

    target/peers/venv/bin/python benches/peers/registration.py
    ... --sizes 512 --doses 20 --skip-front          # two minutes
    ... --sizes 512 1024 2048 4096                   # all sizes; 4096 wants 2 GB of disk
    ... --liwatch PATH                               # another binary

Prints Markdown tables; appends one JSON line a row to target/peers/registration.jsonl.
README.md beside this file says what each column means.
"""
import argparse
import json
import os
import platform
import re
import subprocess
import time

import tools  # first: it sets one thread before NumPy is loaded
import numpy as np

import body_scene
import liwatch
from bound import drift_bound

OFFSET, READ = 100.0, 0.5        # counts; what `liwatch simulate` uses unless told otherwise
FRAMES = {512: 240, 1024: 200, 2048: 80, 4096: 40}
START_UP = 32                    # frames left out of liwatch's times: searches, small templates
FAILED_PX = 1.0
# Too slow to be picked at large sizes; --all-tools runs them all the same.
LARGEST = {"StackReg": 1024, "imreg_dft": 512, "scikit-image, whitened": 2048}


def main():
    args = arguments()
    binary = liwatch.need_binary(args.liwatch)
    args.work.mkdir(parents=True, exist_ok=True)
    report = Report(args.out)
    print(f"{machine()}; one thread each\n")
    args.alone_ms = alone(args.stages)
    for size in args.sizes:
        looks = scene_looks(binary, args, size)
        for dose in args.doses:
            static_scene(binary, args, report, size, dose, drift_bound(looks, dose, READ))
    if not args.skip_front:
        for dose in args.front_doses:
            growing_body(binary, args, report, dose)
        growing_finger(binary, args, report)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--liwatch", default=liwatch.BINARY, help="the binary to measure")
    parser.add_argument("--stages", help="the bench of single stages, for a row of the comparison "
                        "alone: target/release/deps/stages-*")
    parser.add_argument("--sizes", type=int, nargs="*", default=[512, 1024])
    parser.add_argument("--doses", type=float, nargs="+", default=[3, 20, 200],
                        help="mean counts per pixel")
    parser.add_argument("--front-size", type=int, default=1024)
    parser.add_argument("--front-doses", type=float, nargs="+", default=[10, 100])
    parser.add_argument("--skip-front", action="store_true")
    parser.add_argument("--specimen", default="textured", help="textured | sparse | edges")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--frames", type=int, help="frames of each recording")
    parser.add_argument("--tool-frames", type=int, default=24,
                        help="frames that each other tool is given, spread over the recording")
    parser.add_argument("--tools", nargs="*", help="parts of the names of the tools to run")
    parser.add_argument("--all-tools", action="store_true", help="the slow ones at large sizes too")
    parser.add_argument("--work", type=type(liwatch.WORK), default=liwatch.WORK / "recordings")
    parser.add_argument("--keep", action="store_true", help="keep the recordings")
    parser.add_argument("--out", type=type(liwatch.WORK),
                        default=liwatch.WORK / "registration.jsonl")
    return parser.parse_args()


# ------------------------------------------------------------------------------ the static scene
def scene_looks(binary, args, size):
    """Two frames of the scene at 20,000 counts a pixel, in units of its mean brightness.

    The same seed gives the same specimen at every dose; 0.01 px lie between the two frames.
    """
    path = args.work / f"look-{size}.npy"
    liwatch.simulate(binary, path, size=size, frames=2, dose=20000, seed=args.seed,
                     specimen=args.specimen, drift_step=0, jumps=0, no_front=True, no_crack=True)
    looks = (np.load(path).astype(float) - OFFSET) / 20000
    discard(args, path)
    return looks


def static_scene(binary, args, report, size, dose, bound):
    frames = args.frames or FRAMES.get(size, 80)
    path = args.work / f"static-{size}-{dose:g}.npy"
    liwatch.simulate(binary, path, size=size, frames=frames, dose=dose, seed=args.seed,
                     specimen=args.specimen, jumps=0, no_front=True, no_crack=True)
    columns = liwatch.truth(path)
    truth = np.column_stack([columns["drift_x_px"], columns["drift_y_px"]])
    report.begin(f"{size}², {dose:g} counts/px, {frames} frames; bound {bound:.5f} px",
                 ["tool", "ms/frame", "× liwatch", "r.m.s. px", "× bound", "failed"])
    run = liwatch.replay(binary, path, path.with_suffix(".toml"), path.with_suffix(".h5"))
    common = dict(experiment="static", size=size, dose=dose, specimen=args.specimen, bound_px=bound)
    late = run.register_ms[min(START_UP, frames // 2):]
    own_ms = float(np.median(late))
    static_row(report, common, "liwatch", own_ms, own_ms, (run.drift - truth)[1:], bound,
               cpu_ms=run.cpu_ms)
    if size in args.alone_ms:
        report.row(["liwatch, the comparison alone", f"{args.alone_ms[size]:.2f}",
                    f"{args.alone_ms[size] / own_ms:.1f}", "", "", ""],
                   **common, tool="liwatch alone", ms=args.alone_ms[size])
    stack = np.load(path, mmap_mode="r")
    for name, factory in chosen(args, size):
        which, found, milliseconds = measure(factory, stack, args.tool_frames)
        static_row(report, common, name, milliseconds, own_ms, found - truth[which], bound)
    report.end()
    print(f"\nliwatch's whole process, all its threads: {run.cpu_ms:.2f} ms CPU a frame\n")
    discard(args, path)


def alone(stages):
    """The median time of `register, tracking` by itself, ms, for each size that the bench prints."""
    if stages is None:
        return {}
    done = subprocess.run([stages, "--bench"], capture_output=True, text=True, check=True)
    rows = re.findall(r"register, tracking +(\d+)² +([\d.]+) ms", done.stdout)
    return {int(size): float(ms) for size, ms in rows}


def static_row(report, common, name, milliseconds, own_ms, errors, bound, **more):
    """One line of the table; errors [n, 2] px. The scatter is of the frames that did not fail."""
    good = np.hypot(*errors.T) < FAILED_PX
    scatter = np.nan
    if good.sum() > 2:
        kept = errors[good] - errors[good].mean(axis=0)
        scatter = float(np.sqrt((kept**2).sum() / (2 * (good.sum() - 1))))
    failed = float(1 - good.mean())
    report.row([name, f"{milliseconds:.2f}", f"{milliseconds / own_ms:.1f}", f"{scatter:.4f}",
                f"{scatter / bound:.2f}", f"{100 * failed:.0f} %"],
               **common, tool=name, ms=milliseconds, ms_over_liwatch=milliseconds / own_ms,
               rms_px=scatter, rms_over_bound=scatter / bound, failed=failed, frames=len(errors),
               **more)


def measure(factory, stack, count):
    """Which frames, what was found [n, 2], and the median time of a frame in ms."""
    which = np.unique(np.linspace(1, len(stack) - 1, count).round().astype(int))
    estimate = factory(np.array(stack[0]))
    estimate(np.array(stack[which[0]]))
    found, milliseconds = [], []
    for k in which:
        frame = np.array(stack[k])       # read from disk before the clock starts
        start = time.perf_counter()
        found.append(estimate(frame))
        milliseconds.append(1e3 * (time.perf_counter() - start))
    return which, np.array(found, float), float(np.median(milliseconds))


# --------------------------------------------------------------------------- something that grows
def growing_body(binary, args, report, dose):
    """A bright body over 30 % of the field moves by 12 px on its own: who follows it?"""
    size, frames = args.front_size, args.frames or 120
    scene = body_scene.BodyScene(size, args.seed)
    path = args.work / f"body-{size}-{dose:g}.npy"
    drift, grown = body_scene.write(path, scene, dose, frames, args.seed + 1)
    looks = [scene.clean((0, 0), 0)] * 2
    bound = drift_bound(looks, dose, READ, scene.static(grown[-1]))
    camera = "[camera]\noffset_counts = 100.0\ngain_counts_per_electron = 1.0\n" \
             "read_noise_counts = 0.5\n"
    covered = int((scene.share + 0.07) * size)
    gauge = f'[[gauge]]\nkind = "front"\nname = "body"\nregion = [0, 0, {covered}, {size}]\n' \
            'grows = "right"\nlithium = "bright"\n'
    growth(binary, args, report, path, drift, grown, bound, dose,
           f"a body of 2.5 times the brightness grows over 30 % of {size}²",
           {"liwatch, nothing excluded": camera, "liwatch, gauge region": camera + gauge})


def growing_finger(binary, args, report):
    """`liwatch simulate`'s own front with a finger, which darkens the specimen by 35 %."""
    size, frames, dose = args.front_size, args.frames or 200, 20.0
    path = args.work / f"finger-{size}.npy"
    liwatch.simulate(binary, path, size=size, frames=frames, dose=dose, seed=args.seed,
                     specimen=args.specimen, jumps=0, no_crack=True)
    columns = liwatch.truth(path)
    drift = np.column_stack([columns["drift_x_px"], columns["drift_y_px"]])
    grown = columns["front_mean_px"] - columns["front_mean_px"][0]
    toml = path.with_suffix(".toml").read_text()
    gauge_only = "\n".join(line for line in toml.splitlines() if not line.startswith("exclude"))
    nothing = gauge_only.split("[[gauge]]")[0]
    growth(binary, args, report, path, drift, grown, np.nan, dose,
           f"liwatch's own front with a finger, mean growth {grown[-1]:.0f} px, {size}²",
           {"liwatch, nothing excluded": nothing, "liwatch, gauge region": gauge_only,
            "liwatch, gauge and all that lithium may cover": toml})


def growth(binary, args, report, path, drift, grown, bound, dose, title, configurations):
    told = "" if np.isnan(bound) else f"; bound {bound:.4f} px"
    report.begin(f"{title}, {dose:g} counts/px, {len(drift)} frames{told}",
                 ["tool", "follows it by", "r.m.s. px", "worst px", "failed"])
    common = dict(experiment="growth", scene=path.stem, dose=dose, bound_px=bound)
    for name, text in configurations.items():
        config = path.with_suffix(".toml")
        config.write_text(text)
        run = liwatch.replay(binary, path, config, path.with_suffix(".h5"))
        growth_row(report, common, name, (run.drift - drift)[1:], grown[1:])
    if size in args.alone_ms:
        report.row(["liwatch, the comparison alone", f"{args.alone_ms[size]:.2f}",
                    f"{args.alone_ms[size] / own_ms:.1f}", "", "", ""],
                   **common, tool="liwatch alone", ms=args.alone_ms[size])
    stack = np.load(path, mmap_mode="r")
    for name, factory in chosen(args, stack.shape[1]):
        which, found, _ = measure(factory, stack, args.tool_frames)
        growth_row(report, common, name, found - drift[which], grown[which])
    report.end()
    print()
    discard(args, path)


def growth_row(report, common, name, errors, grown):
    """The part of the growth that the drift in x follows, by least squares over what was found;
    a frame that was not found is a failed one."""
    failed = 1 - float(np.mean(np.hypot(*errors.T) < FAILED_PX))
    known = np.isfinite(errors).all(axis=1)
    errors = errors[known]
    part = float((errors[:, 0] * grown[known]).sum() / (grown[known] ** 2).sum())
    scatter = float(np.sqrt((errors**2).mean()))
    worst = float(np.abs(errors).max())
    report.row([name, f"{100 * part:.1f} %", f"{scatter:.4f}", f"{worst:.3f}",
                f"{100 * failed:.0f} %"],
               **common, tool=name, follows=part, rms_px=scatter, worst_px=worst, failed=failed)


# ------------------------------------------------------------------------------------ house-keeping
def chosen(args, size):
    for name, factory in tools.TOOLS.items():
        if args.tools is not None and not any(part.lower() in name.lower() for part in args.tools):
            continue
        if args.all_tools or size <= LARGEST.get(name, 1 << 30):
            yield name, factory


def discard(args, recording):
    """Removes a recording and what stands beside it."""
    if not args.keep:
        for path in recording.parent.glob(recording.stem + ".*"):
            path.unlink()


def machine():
    name = platform.machine()
    try:
        with open("/proc/cpuinfo") as lines:
            name = next(l.split(":")[1].strip() for l in lines if l.startswith("model name"))
    except (OSError, StopIteration):
        pass
    python = f"Python {platform.python_version()}, NumPy {np.__version__}"
    return f"{name}, {os.cpu_count()} cores, {python}"


class Report:
    """Markdown on stdout, row by row, and the same as JSON lines."""

    def __init__(self, path):
        self.file = open(path, "a")

    def begin(self, title, columns):
        print(f"### {title}\n\n| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))

    def row(self, cells, **values):
        print("| " + " | ".join(cells) + " |", flush=True)
        # JSON has no NaN.
        values = {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in values.items()}
        self.file.write(json.dumps(values) + "\n")

    def end(self):
        self.file.flush()


if __name__ == "__main__":
    main()
