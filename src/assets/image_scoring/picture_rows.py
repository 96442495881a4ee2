"""The rows of decoded pictures. Mini-batches and the online endpoint share it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from decoding import BrokenImageError, Picture
from embeddings import EMBEDDING, vector_of
from framing import in_picture
from image_model import ImageModel
from model_output import Prediction
from output_kinds import BOXES
from rows import Row


def rows_of(model: ImageModel, pictures: Iterable[tuple[str, Picture | BrokenImageError]]) -> Iterator[Row]:
    """Yield the row of each picture, in their order. Each has a name, and may be broken.

    The model predicts a chunk of pictures at a time, while the next ones are read and decoded.
    """
    waiting: list[tuple[str, Picture | str]] = []
    good = 0
    for name, picture in pictures:
        broken = isinstance(picture, BrokenImageError)
        waiting.append((name, str(picture) if isinstance(picture, BrokenImageError) else picture))
        good += not broken
        if good >= model.chunk:
            yield from _rows(model, waiting)
            waiting, good = [], 0
    yield from _rows(model, waiting)


def row_object(row: Row) -> dict[str, Any]:
    """Return a row as an object for JSON. A value that does not apply is None, and a vector is a list."""
    further = {
        name: vector_of(value).tolist() if name == EMBEDDING and isinstance(value, str) else value
        for name, value in row.more
    }
    plain = {"img": row.img, "label": row.label or None, "score": row.score, "error": row.error or None}
    return plain | further


def _rows(model: ImageModel, named: Sequence[tuple[str, Picture | str]]) -> Iterator[Row]:
    predictions = iter(_predictions(model, [picture for _, picture in named if not isinstance(picture, str)]))
    for name, picture in named:
        if isinstance(picture, str):
            yield Row(name, "", None, picture)
            continue
        found = next(predictions)
        yield Row(name, found.label, found.score, found.error, picture.note, found.more)


def _predictions(model: ImageModel, pictures: Sequence[Picture]) -> list[Prediction]:
    if not pictures:
        return []
    predictions = model.predict(np.stack([picture.pixels for picture in pictures]))
    if model.output.kind != BOXES:
        return predictions
    pairs = zip(predictions, pictures, strict=True)
    return [_in_picture(prediction, picture, model) for prediction, picture in pairs]


def _in_picture(prediction: Prediction, picture: Picture, model: ImageModel) -> Prediction:
    """Return a prediction whose boxes are in pixels of the picture."""
    boxes = [
        {**item, "box": in_picture(item["box"], picture.size, model.frame)}
        for item in dict(prediction.more)[BOXES]
    ]
    return prediction._replace(more=((BOXES, boxes),))
