"""The demo's images: the same ones whenever asked, and nothing given away."""

import io

import numpy as np
import pytest
from examples.digits.images import (
    Damage,
    accuracy,
    as_png,
    damaged,
    holdout_lights,
    holdout_set,
    labels_csv,
    lit_holdout,
    month,
    training_set,
)
from PIL import Image
from sklearn.datasets import load_digits


def grey_of(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image)


def test_a_month_is_the_same_whenever_asked_and_unlike_others() -> None:
    assert month("202611") == month("202611")
    assert [digit.png for digit in month("202611")] != [digit.png for digit in month("202612")]


def test_the_images_are_scikit_learns_digits_with_their_labels() -> None:
    digits = load_digits()
    known = {
        (image * (255 / 16)).round().astype(np.uint8).tobytes(): str(label)
        for image, label in zip(digits.images, digits.target, strict=True)
    }

    for digit in month("202611"):
        assert known[grey_of(digit.png).tobytes()] == digit.label


def test_no_digit_both_trains_and_judges_or_arrives() -> None:
    training, _ = training_set()
    holdout, _ = holdout_set()
    seen = {as_png(image) for image in training}

    assert seen.isdisjoint(as_png(image) for image in holdout)
    assert seen.isdisjoint(digit.png for digit in month("202611", 500))


def test_a_later_month_can_be_darker_and_noisier() -> None:
    plain, dark = (grey_of(month("202612", brightness=value)[0].png) for value in (1.0, 0.5))
    noisy = grey_of(month("202612", noise=20)[0].png)

    assert dark.mean() == pytest.approx(plain.mean() / 2, abs=1)
    assert not np.array_equal(noisy, plain)


def test_every_third_image_of_the_holdout_is_dark() -> None:
    plain, _ = holdout_set()
    lit = lit_holdout()
    night = [light == "night" for light in holdout_lights()]

    assert sum(night) == 99
    assert np.array_equal(lit[np.logical_not(night)], plain[np.logical_not(night)])
    assert lit[night].mean() < plain[night].mean() / 5


def test_labels_name_each_digit() -> None:
    first, second = month("202611", 2)

    assert labels_csv([first, second]) == (
        f"img,label\n{first.name},{first.label}\n{second.name},{second.label}\n"
    )


@pytest.mark.parametrize("how", ["truncated", "empty", "garbage"])
def test_a_damaged_file_cannot_be_read(how: Damage) -> None:
    with pytest.raises((OSError, SyntaxError)):
        grey_of(damaged(month("202611")[0].png, how))


def test_accuracy_counts_rows_without_errors() -> None:
    right, wrong, broken = month("202611", 3)
    rows = [
        {"img": right.name, "label": right.label, "error": ""},
        {"img": wrong.name, "label": "none", "error": ""},
        {"img": broken.name, "label": "", "error": "the file is empty"},
    ]

    assert accuracy(rows, [right, wrong, broken]) == 0.5
    assert accuracy(rows, [right]) == 1.0
