"""Where a comparison looks: at a face, and at texture rather than edges."""

from __future__ import annotations

import numpy as np
from skimage import data

from denoise_cli.photo.details import detail_places

HEIGHT, WIDTH = 80, 160


def test_a_face_is_looked_at() -> None:
    (top, left), other = detail_places(data.astronaut(), HEIGHT, WIDTH)
    # The face of the picture is at rows 60 to 170 and columns 180 to 270.
    assert 60 < top + HEIGHT / 2 < 160
    assert 180 < left + WIDTH / 2 < 270
    assert abs(other[0] - top) >= HEIGHT or abs(other[1] - left) >= WIDTH


def test_texture_comes_before_edges() -> None:
    picture = np.full((240, 480, 3), 128, np.uint8)
    picture[:80, ::40] = 0
    picture[:80, 1::40] = 255  # edges of the largest contrast
    texture = np.random.default_rng(0).integers(110, 146, (80, 160, 1), dtype=np.uint8)
    picture[80:160, 160:320] = texture
    assert detail_places(picture, HEIGHT, WIDTH)[0] == (80, 160)


def test_no_room_no_details() -> None:
    assert detail_places(np.zeros((80, 200, 3), np.uint8), HEIGHT, WIDTH) == []
    assert len(detail_places(np.zeros((160, 160, 3), np.uint8), HEIGHT, WIDTH)) == 2
