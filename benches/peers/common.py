"""What the scripts about gauges share: a replay of frames in memory, and contact sheets.

Only NumPy and Pillow, so that it also works where CrackDect is installed.
"""
import subprocess

import numpy as np
from PIL import Image

SHEET_BYTES = 300_000


def call(command):
    """Runs liwatch and returns what it printed; ends with its message where it fails."""
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def replay(binary, frames, text, stem):
    """Replays [frames, height, width] with this configuration; the path of the run file."""
    recording, config, out = (stem.with_suffix(end) for end in (".npy", ".toml", ".h5"))
    stem.parent.mkdir(parents=True, exist_ok=True)
    np.save(recording, frames)
    config.write_text(text)
    call([binary, "replay", recording, "--config", config, "--out", out, "--threads", 1, "--force",
          "--json"])
    return out


def shaded(picture, low=1.0, high=99.0):
    """Grey levels between two percentiles, as a picture to draw on."""
    first, last = np.percentile(picture, [low, high])
    grey = np.clip((picture.astype(float) - first) / max(last - first, 1e-9), 0, 1) * 255
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def beside(panels, gap=4):
    """Panels of one height from left to right."""
    out = Image.new("RGB", (sum(p.width for p in panels) + gap * (len(panels) - 1),
                            max(p.height for p in panels)), "white")
    left = 0
    for panel in panels:
        out.paste(panel, (left, 0))
        left += panel.width + gap
    return out


def below(panels, gap=4):
    """Panels from top to bottom."""
    out = Image.new("RGB", (max(p.width for p in panels),
                            sum(p.height for p in panels) + gap * (len(panels) - 1)), "white")
    top = 0
    for panel in panels:
        out.paste(panel, (0, top))
        top += panel.height + gap
    return out


def save_sheet(path, picture, width=1500):
    """A JPEG of at most this width, and small enough to be kept in the repository."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if picture.width > width:
        picture = picture.resize((width, picture.height * width // picture.width), Image.LANCZOS)
    for quality in range(85, 20, -5):
        picture.save(path, quality=quality, optimize=True)
        if path.stat().st_size <= SHEET_BYTES:
            return
