"""Drift: what counts as one, against samples whose difference is known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import drift_reference
import numpy as np
import pytest
from drift import measure
from drift_reference import SAMPLE, Sample, sample, sampled
from image_features import features


def a_sample(n: int = 200, *, shift: float = 0.0, **changes: Any) -> Sample:
    """Four features, normal, and two labels; `shift` moves them all by so many standard deviations."""
    random = np.random.default_rng(n)
    numbers = {name: random.normal(shift, 1, n).tolist() for name in ("one", "two", "three", "four")}
    given = Sample("set:1", numbers, {"cat": n // 2, "dog": n // 2}, random.normal(shift, 1, n).tolist())
    return replace(given, **changes)


def measured(partition: Sample, *, threshold: float = 0.2, share: float = 0.5) -> dict[str, Any]:
    return measure(a_sample(1_000), partition, threshold=threshold, share=share)


def test_a_month_like_the_reference_is_no_breach() -> None:
    found = measured(a_sample())

    assert (found["breached"], found["share_drifted"], found["n"]) == (False, 0.0, 200)


def test_a_month_that_moved_is_a_breach() -> None:
    found = measured(a_sample(shift=1.0))

    assert found["breached"]
    assert all(one["drifted"] for one in (*found["features"].values(), found["predictions"]["score"]))
    assert not found["predictions"]["label"]["drifted"]


def test_fewer_than_the_share_are_no_breach() -> None:
    found = measured(replace(a_sample(), features=a_sample().features | {"one": [9.0] * 200}))

    assert found["features"]["one"]["drifted"]
    assert (found["breached"], found["share_drifted"]) == (False, pytest.approx(1 / 6, abs=1e-6))


def test_a_small_difference_is_none_however_certain() -> None:
    found = measure(a_sample(20_000), a_sample(20_000, shift=0.1), threshold=0.2, share=0.5)

    assert found["features"]["one"]["p_value"] < 1e-6
    assert found["share_drifted"] == 0.0


def test_a_large_difference_is_none_where_it_may_be_chance() -> None:
    found = measured(a_sample(4), threshold=0.0)

    assert max(one["value"] for one in found["features"].values()) > 0.3
    assert found["share_drifted"] == 0.0


def test_other_labels_are_a_drift_of_the_predictions() -> None:
    found = measured(a_sample(labels={"cat": 20, "cow": 180}))

    assert found["predictions"]["label"]["drifted"]
    assert found["predictions"]["label"]["statistic"] == "cramers_v"


def test_one_label_everywhere_and_no_scores_can_be_compared() -> None:
    alike = a_sample(labels={"cat": 10}, scores=[])

    found = measure(alike, alike, threshold=0.2, share=0.5)

    assert found["predictions"] == {
        "label": {"statistic": "cramers_v", "value": 0.0, "threshold": 0.2, "p_value": 1.0, "drifted": False}
    }


def test_features_are_one_number_an_image() -> None:
    flat = np.full((8, 8, 3), 10, dtype=np.uint8)
    striped = flat.copy()
    striped[::2] = 200

    found = features(np.stack([flat, striped]))

    assert found["brightness"] == pytest.approx([10, 105])
    assert found["contrast"] == pytest.approx([0, 95])
    assert found["entropy"] == pytest.approx([0, np.log(2)])
    assert found["sharpness"][0] == 0 < found["sharpness"][1]


def test_the_reference_comes_back_from_the_models_folder(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    reference = sample("set:1", pixels, ["cat", "cat", "dog"], [0.5, 0.25, 1.0])

    drift_reference.save(reference, tmp_path)

    assert drift_reference.load(tmp_path) == reference
    assert (reference.n, reference.labels) == (5, {"cat": 2, "dog": 1})


def test_a_model_without_a_reference_has_none(tmp_path: Path) -> None:
    assert drift_reference.load(tmp_path) is None


def test_of_very_many_images_the_same_few_are_taken_again() -> None:
    assert sampled(10) == list(range(10))
    assert len(set(sampled(100_000))) == SAMPLE
    assert sampled(100_000) == sampled(100_000)
