"""Which parts of an image an answer depends on."""

import numpy as np
import pytest
from occlusion import most_wrong, occlude


def test_the_part_that_decides_has_all_of_the_influence() -> None:
    pixels = np.zeros((12, 18, 1), dtype=np.uint8)
    pixels[2:4, 3:6] = 255

    probability, influence = occlude(pixels, lambda images: images[:, 2:4, 3:6, 0].mean(axis=(1, 2)) / 255)

    assert (probability, influence.shape) == (1.0, (6, 6))
    assert influence[1, 1] == pytest.approx(1 - 128 / 255)
    assert np.count_nonzero(influence) == 1


def test_an_image_smaller_than_the_grid_is_covered_pixel_by_pixel() -> None:
    _, influence = occlude(np.zeros((2, 3, 3), dtype=np.uint8), lambda images: np.ones(len(images)))

    assert influence.shape == (2, 3)


def test_the_most_wrong_images_come_first() -> None:
    assert most_wrong([0.9, 0.1, 0.5, 0.1], 3) == [1, 3, 2]
