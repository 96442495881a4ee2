"""What an event subscription lets through."""

from typing import Any

import pytest

from tidepool.errors import AzureError
from tidepool.events.filters import OPERATORS, EventFilter

EVENT: dict[str, Any] = {
    "id": "1",
    "topic": "/subscriptions/s/providers/Microsoft.Storage/storageAccounts/data",
    "subject": "/blobServices/default/containers/images/blobs/202611/A.PNG",
    "eventType": "Microsoft.Storage.BlobCreated",
    "dataVersion": "",
    "data": {
        "api": "PutBlob",
        "contentLength": 12,
        "hot": True,
        "nothing": None,
        "runTags": {"azureml_breached": "signal drift has failed due to x"},
        "labels": ["red", "green"],
    },
}


def passes(**spec: Any) -> bool:
    return EventFilter(spec).matches(EVENT)


def advanced(operator_type: str, key: str, value: Any = None, **spec: Any) -> bool:
    field = "values" if isinstance(value, list) else "value"
    condition = {"operatorType": operator_type, "key": key} | ({} if value is None else {field: value})
    return passes(advancedFilters=[condition], **spec)


def test_an_empty_filter_lets_everything_through() -> None:
    assert passes()
    assert EventFilter(None).matches(EVENT)


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (["Microsoft.Storage.BlobCreated"], True),
        (["microsoft.storage.blobcreated"], True),
        (["Microsoft.Storage.BlobDeleted"], False),
        (["All"], True),
    ],
)
def test_event_types(types: list[str], expected: bool) -> None:
    assert passes(includedEventTypes=types) is expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"subjectBeginsWith": "/blobServices/default/containers/IMAGES/"}, True),
        (
            {"subjectBeginsWith": "/blobServices/default/containers/IMAGES/", "isSubjectCaseSensitive": True},
            False,
        ),
        ({"subjectEndsWith": ".png"}, True),
        ({"subjectEndsWith": ".png", "isSubjectCaseSensitive": True}, False),
        ({"subjectBeginsWith": "/blobServices/default/containers/labels/"}, False),
        ({"subjectBeginsWith": "/blobServices", "subjectEndsWith": ".jpg"}, False),
    ],
)
def test_subject(spec: dict[str, Any], expected: bool) -> None:
    assert passes(**spec) is expected


@pytest.mark.parametrize(
    ("operator_type", "key", "value", "expected"),
    [
        ("NumberGreaterThan", "data.contentLength", 11, True),
        ("NumberGreaterThan", "data.contentLength", 12, False),
        ("NumberGreaterThanOrEquals", "data.contentLength", 12, True),
        ("NumberLessThan", "data.contentLength", 12, False),
        ("NumberLessThanOrEquals", "data.contentLength", 12, True),
        ("NumberIn", "data.contentLength", [1, 12], True),
        ("NumberNotIn", "data.contentLength", [1, 12], False),
        ("NumberInRange", "data.contentLength", [[1, 3], [12, 20]], True),
        ("NumberNotInRange", "data.contentLength", [[1, 3], [12, 20]], False),
        ("NumberIn", "data.api", [1], False),
        ("BoolEquals", "data.hot", True, True),
        ("BoolEquals", "data.hot", False, False),
        ("NumberGreaterThan", "data.hot", 0, False),
        ("StringContains", "Subject", ["202610", "202611"], True),
        ("StringNotContains", "Subject", ["202610", "202611"], False),
        ("StringBeginsWith", "data.api", ["put"], True),
        ("StringNotBeginsWith", "data.api", ["put"], False),
        ("StringEndsWith", "subject", [".png"], True),
        ("StringNotEndsWith", "subject", [".jpg"], True),
        ("StringIn", "data.API", ["PUTBLOB"], True),
        ("StringNotIn", "data.api", ["copyblob"], True),
        ("StringContains", "data.RunTags.azureml_breached", ["has failed due to"], True),
        ("IsNotNull", "data.api", None, True),
        ("IsNotNull", "data.nothing", None, False),
        ("IsNullOrUndefined", "data.nothing", None, True),
        ("IsNullOrUndefined", "data.absent.deeper", None, True),
        ("StringIn", "EventType", ["microsoft.storage.blobcreated"], True),
        ("StringBeginsWith", "Topic", ["/subscriptions/s/"], True),
    ],
)
def test_operators(operator_type: str, key: str, value: Any, expected: bool) -> None:
    assert advanced(operator_type, key, value) is expected


@pytest.mark.parametrize("key", ["data.absent", "data.nothing"])
def test_a_missing_value_matches_only_negations(key: str) -> None:
    assert advanced("StringNotIn", key, ["x"])
    assert advanced("NumberNotInRange", key, [[1, 2]])
    assert not advanced("StringIn", key, ["x"])
    assert not advanced("NumberLessThan", key, 3)


def test_arrays_are_looked_into_only_when_asked() -> None:
    assert not advanced("StringIn", "data.labels", ["green"])
    assert advanced("StringIn", "data.labels", ["green"], enableAdvancedFilteringOnArrays=True)
    assert not advanced("StringNotIn", "data.labels", ["green"], enableAdvancedFilteringOnArrays=True)


def test_several_filters_must_all_hold() -> None:
    both = [
        {"operatorType": "StringIn", "key": "data.api", "values": ["PutBlob"]},
        {"operatorType": "NumberGreaterThan", "key": "data.contentLength", "value": 100},
    ]

    assert not passes(advancedFilters=both)
    assert passes(advancedFilters=both[:1])


def test_cloud_events_are_read_by_the_same_names() -> None:
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/mine",
        "type": "Mine.Done",
        "subject": "a",
        "data": {"n": 3},
    }
    spec = {
        "includedEventTypes": ["Mine.Done"],
        "advancedFilters": [
            {"operatorType": "StringIn", "key": "Source", "values": ["/MINE"]},
            {"operatorType": "NumberIn", "key": "data.n", "values": [3]},
        ],
    }

    assert EventFilter(spec).matches(event)


def test_there_are_the_nineteen_operators_of_azure_s_schema() -> None:
    assert len(OPERATORS) == 19


def condition(**changed: Any) -> dict[str, Any]:
    return {"operatorType": "StringIn", "key": "data.api", "values": ["x"], **changed}


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ([condition()] * 26, "26 advanced filters; at most 25"),
        ([condition(values=["x"] * 13)] * 2, "more than 25 values"),
        ([condition(values=["x" * 513])], "more than 512 characters"),
        ([condition(operatorType="StringLike")], "unknown operatorType 'StringLike'"),
        ([condition(key="")], "without a key"),
        ([condition(values=None)], "without values"),
        ([condition(values="x")], "without values"),
        ([{"operatorType": "BoolEquals", "key": "data.hot"}], "without a value"),
        ([condition(operatorType="NumberInRange", values=[1, 2])], "are not pairs"),
    ],
)
def test_what_azure_refuses_is_refused(filters: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(AzureError, match=message) as refused:
        EventFilter({"advancedFilters": filters})

    assert refused.value.status == 400
