"""The entry script of an endpoint that serves a set: requests, answers, and the cache of members."""

import json
from pathlib import Path
from typing import Any

import pytest
from member_cache import MemberCache
from model_sets.contents import cloudpickle_content
from model_sets.errors import CorruptIndexError, CorruptShardError
from model_sets.index import IndexRow
from score_set_online import RequestError, SetServer
from tests.support.model_sets import Doubler, boosted_content, seasonal_content, write_small_set

DAY = "2024-10-05"
KEYS = [("001", "1"), ("1", "1"), ("a/b=c", "日本"), ("9", "9")]


class Stubborn:
    def predict(self, table: Any) -> Any:
        raise ValueError("no\nprice")


class Unloadable:
    def __reduce__(self) -> Any:
        return exec, ("import a_module_that_is_gone",)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("online") / "set"
    others = [IndexRow(("7", "7"), "failed", trained_in="train-1", reason="ValueError: constant")]
    pickled = ("cloudpickle", cloudpickle_content(Stubborn()))
    members = {
        KEYS[0]: ("npz", seasonal_content()),
        KEYS[1]: ("lightgbm-text", boosted_content()),
        KEYS[2]: ("npz", seasonal_content(values=range(101, 129))),
        KEYS[3]: ("cloudpickle", cloudpickle_content(Doubler())),
        ("8", "8"): pickled,
        ("away", "1"): ("cloudpickle", cloudpickle_content(Unloadable())),
    }
    write_small_set(folder, members, others)
    return folder


@pytest.fixture
def server(folder: Path) -> SetServer:
    return SetServer(folder)


def row(key: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {"store": key[0], "product": key[1], "day": DAY, "price": 1.5, **more}


def ask(server: SetServer, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    return server.answer(json.dumps({"rows": rows}))


def test_each_row_is_answered_by_the_member_of_its_key(server: SetServer) -> None:
    answers = ask(server, row(KEYS[2]), row(KEYS[0]), row(KEYS[3]), row(KEYS[0]))

    assert answers[0]["forecast"] == answers[1]["forecast"] + 100
    assert answers[1] == answers[3]
    assert answers[2] == {"forecast": 3.0, "member": "train-1", "status": "ok", "error": None}


def test_numbers_are_keys_as_they_are_spelled(server: SetServer) -> None:
    (number,) = ask(server, {**row(KEYS[1]), "store": 1, "product": 1})
    (text,) = ask(server, row(KEYS[1]))

    assert number == text
    with pytest.raises(RequestError, match=r"the set has no key store=01, product=1"):
        ask(server, row(("01", "1")))


@pytest.mark.parametrize("form", ["input_data", "dataframe_split", "dataframe_records"])
def test_requests_in_mlflows_forms_are_understood(server: SetServer, form: str) -> None:
    record = row(KEYS[0])
    table = {"columns": list(record), "data": [list(record.values())]}

    answers = server.answer(json.dumps({form: [record] if form == "dataframe_records" else table}))

    assert answers == ask(server, record)


def test_an_unknown_key_is_not_found_and_named(server: SetServer) -> None:
    with pytest.raises(RequestError) as refused:
        ask(server, row(KEYS[0]), row(("nowhere", "1")))

    assert (refused.value.status, str(refused.value)) == (404, "the set has no key store=nowhere, product=1")


def test_keys_without_a_forecast_say_why(server: SetServer) -> None:
    failed, raised, away, good = ask(server, *map(row, [("7", "7"), ("8", "8"), ("away", "1"), KEYS[0]]))

    assert (failed["forecast"], failed["status"], failed["error"]) == (None, "failed", "ValueError: constant")
    assert (raised["forecast"], raised["status"]) == (None, "failed")
    assert "ValueError: no" in raised["error"]
    assert (away["forecast"], away["status"]) == (None, "failed")
    assert "cannot be loaded: ModuleNotFoundError: No module named 'a_module_that_is_gone'" in away["error"]
    assert good["status"] == "ok"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{", "the request is not JSON"),
        ("[1]", 'needs {"rows"'),
        ('{"rows": []}', "at least one row"),
        ('{"rows": [1]}', "at least one row"),
        ('{"input_data": {"columns": ["store"], "data": [[1, 2]]}}', "needs 1 values"),
        ('{"rows": [{"product": "1"}]}', "no value in the key column 'store'"),
        ('{"rows": [{"store": 1.5, "product": "1"}]}', "the key column 'store' is 1.5"),
        ('{"rows": [{"store": "001", "product": "1", "price": 1}]}', "the table has no column 'day'"),
        (
            '{"rows": [{"store": "001", "product": "1", "day": "2024-10-05"}]}',
            "the table has no column 'price'",
        ),
        ('{"rows": [{"store": "001", "product": "1", "day": "soon", "price": 1}]}', "'day' has a text"),
        (
            '{"rows": [{"store": "001", "product": "1", "day": "2024-10-05", "price": "much"}]}',
            "column 'price'",
        ),
    ],
)
def test_a_request_that_cannot_be_read_is_the_callers_fault(
    server: SetServer, body: str, reason: str
) -> None:
    with pytest.raises(RequestError) as refused:
        server.answer(body)

    assert refused.value.status == 400
    assert reason in str(refused.value)


def test_the_cache_keeps_what_was_used_last(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    members = SetServer(folder).members
    sizes = [members.member(key).memory_bytes for key in KEYS]
    limit = sizes[0] + max(sizes[2], sizes[3])  # two of the three that are needed
    server = SetServer(folder, limit_bytes=limit)

    for key in (KEYS[0], KEYS[0], KEYS[2], KEYS[0], KEYS[3], KEYS[0]):
        ask(server, row(key))

    figures = server.cache.figures()
    assert (figures.hits, figures.misses) == (3, 3)
    assert figures.bytes <= limit
    assert "member_cache requests=1 hits=0 misses=1 evictions=0 members=1" in caplog.text


def test_a_member_larger_than_the_cache_is_loaded_for_its_request_only() -> None:
    class Huge:
        memory_bytes = 100

    loaded = []
    cache: MemberCache[Huge] = MemberCache(lambda key: loaded.append(key) or Huge(), limit_bytes=10)

    for name in "aba":
        cache.get((name,))

    assert [*map("".join, loaded)] == ["a", "b", "a"]
    assert cache.figures().members == 1


def test_a_damaged_set_is_named(folder: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "set"
    write_small_set(damaged, {KEYS[0]: ("npz", seasonal_content())})
    shard = damaged / "shards/00.zip"
    content = bytearray(shard.read_bytes())
    content[len(content) // 3] ^= 1
    shard.unlink()
    shard.write_bytes(content)
    server = SetServer(damaged)

    with pytest.raises(CorruptShardError, match=r"shards/00\.zip.*store=001, product=1"):
        ask(server, row(KEYS[0]))

    (damaged / "index.parquet").write_bytes((folder / "index.parquet").read_bytes())
    with pytest.raises(CorruptIndexError, match="does not match its hash"):
        SetServer(damaged)
