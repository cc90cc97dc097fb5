"""`sample`: crops of photographs that come inside scikit-image's package, so nothing is downloaded.

| file | photograph | licence |
|---|---|---|
| `astronaut.png` | Eileen Collins, by NASA | public domain |
| `coffee.png` | by Rachel Michetti | CC0 |
| `camera.png` | by Lav Varshney, grey | CC0 |
| `chelsea.png` | a cat, by Stefan van der Walt | CC0 |
| `rocket.jpg` | by SpaceX | public domain |
| `retina.jpg` | by Mikael Häggström | CC0 |
| `hubble_deep_field.jpg` | by NASA | public domain |
| `brick.png`, `gravel.png` | by CC0Textures, grey | CC0 |
| `grass.png` | by linolafett, grey | CC0 |

Licences as stated in the docstrings of `skimage.data`. Photographs without a stated licence, or
with only "no known copyright restrictions", are not used.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from denoise_cli.data.held_out import Split
from denoise_cli.data.pictures import read_rgb
from denoise_cli.data.source import ImageSource
from denoise_cli.errors import DataError

SIDE = 96
# A large photograph gives at most this many crops a side, so that none outweighs the others.
MOST_PER_SIDE = 8
PHOTOS: dict[Split, tuple[str, ...]] = {
    "train": (
        "chelsea.png",
        "rocket.jpg",
        "retina.jpg",
        "hubble_deep_field.jpg",
        "brick.png",
        "grass.png",
        "gravel.png",
    ),
    # The astronaut is also the README's example, which no training on `sample` has seen.
    "test": ("astronaut.png", "coffee.png", "camera.png"),
}


def load_sample(split: Split) -> ImageSource:
    """The crops of one split: 96x96, on a regular grid; the photograph's number is the group.

    Raises:
        DataError: A photograph is missing from the installed scikit-image.
    """
    images, names, groups = [], [], []
    for number, name in enumerate(PHOTOS[split]):
        photo = _read(name)
        for row in _starts(photo.shape[0]):
            for column in _starts(photo.shape[1]):
                images.append(photo[row : row + SIDE, column : column + SIDE])
                names.append(f"{name}/{row:04d}-{column:04d}")
                groups.append(number)
    return ImageSource.from_arrays("sample", images, names, groups=groups)


def _starts(length: int) -> list[int]:
    """Offsets of crops along a side, from edge to edge without overlap."""
    count = min(length // SIDE, MOST_PER_SIDE)
    return [index * (length - SIDE) // max(1, count - 1) for index in range(count)]


def _read(name: str) -> np.ndarray:
    # The package is only located: importing it would take longer than reading the files.
    spec = find_spec("skimage")
    folder = Path(spec.origin).parent / "data" if spec is not None and spec.origin else None
    if folder is None or not (folder / name).is_file():
        raise DataError(
            f"The photograph {name} is missing from the installed scikit-image.",
            "pip install --force-reinstall --no-deps scikit-image",
        )
    return read_rgb(folder / name)
