"""Pictures show labels in Japanese, Chinese and Korean."""

import io

import pytest
from pictures import confusion
from publish_predictions import draw_labels
from reconcile import reconcile
from rows import Row

LABELS = ["不良品", "傷あり", "合格品", "缺陷", "불량품", "cat"]


# Matplotlib warns if no font has a letter, which is then a box in the picture.
pytestmark = pytest.mark.filterwarnings("error:Glyph .* missing")


def test_the_labels_of_a_partition_are_readable() -> None:
    names = [f"{number}.png" for number in range(len(LABELS))]
    rows = [Row(name, label, None, "") for name, label in zip(names, LABELS, strict=True)]

    figure = draw_labels(reconcile(rows, names, 0.0), "検査 202611-1")

    figure.savefig(io.BytesIO())
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == LABELS


def test_the_classes_of_an_evaluation_are_readable() -> None:
    figure = confusion(LABELS, {"candidate": LABELS, "champion": LABELS})

    figure.savefig(io.BytesIO())
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == sorted(LABELS)
