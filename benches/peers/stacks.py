"""The real stacks: where their frames are, what may be compared, and what is known of their drift.

Drift as everywhere: where a feature of the first frame stands in this one, x right, y down, px.
"""
import pathlib
from dataclasses import dataclass, field
from typing import Callable

import cv2
import imageio.v3 as imageio
import numpy as np
import tifffile

HERE = pathlib.Path(__file__).resolve().parent


@dataclass
class Known:
    """A drift that somebody else found, or made."""

    drift: tuple[float, float]
    sigma: tuple[float, float]
    source: str
    certain: bool = True      # false where it is less certain than what the tools find here


@dataclass
class Stack:
    """One recording, the rectangle that other tools may look at, and what is known."""

    name: str
    files: str                                  # below the data's folder, for the message
    load: Callable[[pathlib.Path], np.ndarray]  # folder of movies -> [frames, height, width]
    window: tuple[int, int, int, int]           # x, y, width, height without burned-in marks
    reach: int                                  # largest drift that is searched for, px
    shown: list[int]                            # frames of the table
    known: Callable[[pathlib.Path], dict[int, Known]] = field(default=lambda movies: {})
    clear: tuple[int, int, int, int] | None = None   # without marks in every frame; the window

    @property
    def config(self) -> pathlib.Path:
        """liwatch's configuration, which excludes what is burned in."""
        return HERE / "stacks" / f"{self.name}.toml"


def grey(image):
    """Colour to luminance with the usual weights; grey stays."""
    return image if image.ndim == 2 else cv2.cvtColor(image[..., :3], cv2.COLOR_RGB2GRAY)


def images(pattern):
    def load(movies):
        paths = sorted(movies.glob(pattern))
        return np.stack([grey(imageio.imread(path)) for path in paths])
    return load


def movie(name):
    def load(movies):
        video, frames = cv2.VideoCapture(str(movies / name)), []
        while (read := video.read())[0]:
            frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY))
        return np.stack(frames)
    return load


# -------------------------------------------------------------------------------------------- pc12
PC12 = "pystackreg/examples/data/pc12-"


def pc12_known(movies):
    """What ImageJ's StackReg did: each frame against its registered copy, less the first's."""
    from pystackreg import StackReg
    before = tifffile.imread(movies / (PC12 + "unreg.tif")).astype(float)
    after = tifffile.imread(movies / (PC12 + "reg-translation.tif")).astype(float)
    # The registered copies are filled with black at the borders: compare the inside.
    inner = slice(30, -30)
    moved = []
    for raw, registered in zip(before[:, inner, inner], after[:, inner, inner]):
        matrix = StackReg(StackReg.TRANSLATION).register(registered, raw)
        moved.append((matrix[0, 2], matrix[1, 2]))
    moved = np.array(moved) - moved[0]
    return {k: Known(tuple(moved[k]), (0.1, 0.1), "ImageJ's StackReg, from its registered stack")
            for k in range(1, len(moved))}


# -------------------------------------------------------------------------------------------- dice
def dice_known(movies):
    """DICe's own result at seven subsets of the pair."""
    folder = movies / "dice/tests/regression/single_speckled_shift/gold"
    rows = [path.read_text().strip().split("\n")[-1].split() for path in folder.glob("*.txt")]
    found = np.array([[float(row[3]), float(row[4])] for row in rows])
    sigma = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    return {1: Known(tuple(found.mean(axis=0)), tuple(sigma), "DICe, mean of seven subsets")}


def dice_pair(movies):
    folder = movies / "dice/tests/component/images"
    deformed = tifffile.imread(folder / "defSpeckled.tif")
    return np.stack([tifffile.imread(folder / "refSpeckled.tif"), deformed[0]])


CHALLENGE = "dice/tests/regression/dic_challenge_5_znssd/images/Sample5"


def challenge(movies):
    names = [" Reference.tif", "-000 X0.00 Y0.00 N2 C75 R10.tif",
             "-001 X0.10 Y0.10 N2 C100 R20.tif"]
    return np.stack([tifffile.imread(movies / (CHALLENGE + name)) for name in names])


def challenge_known(_movies):
    source = "made with this shift (file name); contrast and noise differ"
    return {1: Known((0.0, 0.0), (0.01, 0.01), source), 2: Known((0.1, 0.1), (0.01, 0.01), source)}


TENSION = "dice/tests/regression/dic_challenge_12_sorted"


def tension_known(movies):
    """The mean of DICe's displacement tables; half the difference of half-fields is its sigma."""
    known = {}
    for path in sorted((movies / TENSION / "gold").glob("*.txt")):
        lines = [line.split(",") for line in path.read_text().splitlines()]
        rows = np.array([[float(v) for v in line] for line in lines
                         if len(line) > 5 and line[0][0].isdigit()])
        at, found = rows[:, :2], rows[:, 2:4]
        sides = [at[:, axis] < np.median(at[:, axis]) for axis in (0, 1)]
        halves = [(found[side].mean(axis=0) - found[~side].mean(axis=0)) / 2 for side in sides]
        sigma = np.sqrt(np.mean(np.square(halves), axis=0))
        known[int(path.stem[-2:])] = Known(tuple(found.mean(axis=0)), tuple(sigma),
                                           "DICe, mean of its table; the specimen stretches")
    return known


# ---------------------------------------------------------------------------------- ti and the rest
def ti_known(_movies):
    # 'Velocity Calculations.xlsx' of the data's repository (nomelabs/insitu-TEM-annealing-Ti):
    # (-431.36 + 444.12) px in x and (-421.89 + 434.76) px in y, at 0.2554 nm/px.
    return {6: Known((-12.76, -12.87), (0.5, 0.5), "the authors' drift 1691 to 1697, 3.26 and "
                     "3.29 nm; sign as in their list", certain=False)}


def npg_known(_movies):
    # The authors' aligned frames (JStuckner/microstructure-quantification-npg-video,
    # sample_data/brittle_fracture/aligned): the corner of the non-black box, against that of
    # 08698, is minus the drift: 09193 (111, -38), 09859 (-4, 30), 11056 (51, 58). A raw frame near
    # each stands by (-26, 7), (0, 0), (-21, 4) from it (template matching of five windows, all
    # within 1 px). The banks of the crack part by 7, 18 and 44 px meanwhile, and an estimate
    # between them is right: hence the sigma.
    source = "the authors' alignment of a near frame, and the step from it; the specimen tears"
    return {1: Known((85, -31), (3, 3), source, certain=False),
            3: Known((-4, 30), (8, 8), source, certain=False),
            4: Known((30, 62), (20, 15), source, certain=False)}


def crack_known(_movies):
    return {5: Known((-0.05, 2.3), (0.3, 0.3), "the data's description, first to last frame; "
                     "(y, x) with the sign of a correction there", certain=False)}


STACKS = [
    Stack("pc12", PC12 + "unreg.tif", lambda m: tifffile.imread(m / (PC12 + "unreg.tif")),
          (0, 0, 199, 201), 24, [1, 2, 3, 4], pc12_known),
    Stack("dice", "dice/tests/component/images/*Speckled.tif", dice_pair,
          (8, 8, 496, 496), 8, [1], dice_known),
    Stack("dice_challenge", CHALLENGE + "*.tif", challenge, (8, 8, 496, 496), 8, [1, 2],
          challenge_known),
    Stack("dice_tension", TENSION + "/images/*.tiff", images(TENSION + "/images/*.tiff"),
          (39, 29, 313, 977), 24, [1, 3, 5, 8, 11], tension_known),
    Stack("ti_loop", "ti_annealing/loop_1691_1698/*.png", images("ti_annealing/loop_*/*.png"),
          (0, 0, 420, 389), 30, [1, 2, 3, 4, 5, 6, 7], ti_known),
    Stack("ti_line", "ti_annealing/line_1770_1786/*.png", images("ti_annealing/line_*/*.png"),
          (0, 0, 660, 513), 60, [1, 2, 4, 8, 12, 16]),
    Stack("ti_loop_movie", "ti_annealing/Figure-3-Loop-Motion.mp4",
          movie("ti_annealing/Figure-3-Loop-Motion.mp4"), (0, 0, 420, 389), 30, [4, 8, 13]),
    Stack("ti_line_movie", "ti_annealing/Figure-4-Line-Motion.mp4",
          movie("ti_annealing/Figure-4-Line-Motion.mp4"), (0, 0, 660, 513), 80, [5, 10, 16, 22]),
    Stack("npg_fracture", "npg_fracture/*.tif", images("npg_fracture/*.tif"), (0, 0, 1046, 870),
          300, [1, 2, 3, 4], npg_known),
    Stack("npg_right_bank", "npg_fracture/*.tif", images("npg_fracture/*.tif"),
          (560, 40, 486, 760), 300, [1, 2, 3, 4], clear=(0, 0, 1046, 870)),
    Stack("crack_growth", "crack_growth/*.bmp", images("crack_growth/*.bmp"), (0, 0, 1600, 1200),
          16, [1, 2, 3, 4, 5], crack_known),
]
