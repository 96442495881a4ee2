"""What clients of Azure ML send to MLflow models, in the formats of MLflow's own server."""

from typing import Any

import pytest

from tidepool.endpoints.scoring_mlflow import mlflow_format

TABLE = {"columns": ["a", "b"], "index": [0], "data": [[1, 2]]}


@pytest.mark.parametrize(
    ("given", "tensors", "expected"),
    [
        ({"input_data": TABLE}, False, {"dataframe_split": TABLE}),
        ({"input_data": [{"a": 1, "b": 2}]}, False, {"dataframe_records": [{"a": 1, "b": 2}]}),
        ({"input_data": [[1, 2]]}, False, {"inputs": [[1, 2]]}),
        ({"input_data": [[1, 2]]}, True, {"inputs": [[1, 2]]}),
        ({"input_data": {"image": [[1, 2]]}}, True, {"inputs": {"image": [[1, 2]]}}),
        ({"input_data": {"data": [[1, 2]]}}, True, {"inputs": [[1, 2]]}),
        ({"instances": [[1, 2]], "params": {"k": 1}}, True, {"instances": [[1, 2]]}),
        ({"dataframe_split": TABLE}, False, {"dataframe_split": TABLE}),
    ],
)
def test_input_data_is_what_the_model_takes(
    given: dict[str, Any], tensors: bool, expected: dict[str, Any]
) -> None:
    assert mlflow_format(given, tensors=tensors) == expected
