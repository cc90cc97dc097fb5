"""Choose the places of a picture that show best what denoising did: a face, and texture."""

from __future__ import annotations

import numpy as np
import pyvips
from numpy.typing import NDArray

from denoise_cli.photo.pixels.types import Pixels

Place = tuple[int, int]
# Faces are looked for in a picture of this many pixels a side, from this size on.
_SIDE, _LEAST_FACE = 480, 48


def detail_places(picture: Pixels, height: int, width: int) -> list[Place]:
    """Top left corners of two crops of this size, which do not overlap: of the largest face and of the
    richest texture, or of two textures; none where the picture has no room for both.

    Args:
        picture: uint8 (H, W, 3).
    """
    if (picture.shape[0] // height) * (picture.shape[1] // width) < 2:
        return []
    face = _face(picture)
    places = [] if face is None else [_around(face, picture.shape[:2], height, width)]
    for place in _textures(picture, height, width):
        if len(places) == 2:
            break
        if all(abs(place[0] - top) >= height or abs(place[1] - left) >= width for top, left in places):
            places.append(place)
    return places


def _textures(picture: Pixels, height: int, width: int) -> list[Place]:
    """Corners of the crops that the picture is divided into, the richest in texture first.

    The median of the slopes in a crop is high where all of it is textured; an edge has few pixels.
    """
    grey = picture[..., 1].astype(np.int16)
    slopes = np.abs(np.diff(grey, axis=0))[:, :-1] + np.abs(np.diff(grey, axis=1))[:-1]
    found = []
    for top in range(0, grey.shape[0] - height + 1, height):
        for left in range(0, grey.shape[1] - width + 1, width):
            crop = slopes[top : top + height, left : left + width]
            found.append((-float(np.median(crop)), -float(crop.mean()), top, left))
    return [(top, left) for *_, top, left in sorted(found)]


def _face(picture: Pixels) -> Place | None:
    """The middle of the largest face; None where there is none, or nothing installed that finds faces."""
    try:
        from skimage.data import lbp_frontal_face_cascade_filename
        from skimage.feature import Cascade
    except ImportError:
        return None
    shrink = min(1.0, _SIDE / max(picture.shape[:2]))
    image = pyvips.Image.new_from_array(picture)
    small: NDArray[np.uint8] = (image.resize(shrink) if shrink < 1 else image).numpy()
    most = min(small.shape[:2])
    if most < _LEAST_FACE:
        return None
    faces = Cascade(lbp_frontal_face_cascade_filename()).detect_multi_scale(
        img=small, scale_factor=1.2, step_ratio=1, min_size=(_LEAST_FACE,) * 2, max_size=(most, most)
    )
    if not faces:
        return None
    face = max(faces, key=lambda found: found["width"])
    return (
        int((face["r"] + face["height"] / 2) / shrink),
        int((face["c"] + face["width"] / 2) / shrink),
    )


def _around(middle: Place, size: Place, height: int, width: int) -> Place:
    """The corner of a crop around a point, moved into the picture."""
    top = min(max(middle[0] - height // 2, 0), size[0] - height)
    left = min(max(middle[1] - width // 2, 0), size[1] - width)
    return top, left
