"""Candidate and champion sets on real files: what goes on for each key, the evidence, and the winners."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from evaluate_set import holdout_sources, numbers
from judging import Evaluation, Judgement, UnfitDataError, UnfitSetError, judge
from member_rule import MemberRule
from model_sets.contents import cloudpickle_content
from model_sets.errors import CorruptShardError, TableError
from model_sets.format import open_set, write_set
from model_sets.index import IndexRow, rows_to_table
from model_sets.sources import Source
from tests.support.model_sets import INFO, write_small_set

from tidegate.domain.lifecycle.evidence import Evidence, read_evidence

DAYS = [f"2024-09-{day:02}" for day in range(1, 31)]
BETTER, WORSE, ODD, LOST, NEW, NOWHERE, GONE = (
    ("001", "1"),
    ("1", "1"),
    ("a/b=c", "日本"),
    ("lost", "1"),
    ("new", "1"),
    ("nowhere", "1"),
    ("gone", "1"),
)


class Says:
    """A member that always forecasts the same."""

    def __init__(self, value: float) -> None:
        self.value = value

    def predict(self, table: Any) -> Any:
        return [self.value] * len(table)


class TwicePrice:
    def predict(self, table: Any) -> Any:
        return table["price"] * 2


class Size:
    def predict(self, table: Any) -> Any:
        return table["size"]


class Raises:
    def predict(self, table: Any) -> Any:
        raise KeyError("weights")


def member(model: Any) -> tuple[str, bytes]:
    return "cloudpickle", cloudpickle_content(model if hasattr(model, "predict") else Says(model))


def save_set(folder: Path, models: dict[tuple[str, ...], Any], others: Sequence[IndexRow] = ()) -> Path:
    write_small_set(folder, {key: member(model) for key, model in models.items()}, others)
    return folder


def sales(keys: Sequence[tuple[str, ...]], sold: float | Sequence[float] = 10.0) -> pa.Table:
    """Return thirty days of each key."""
    size = len(keys) * len(DAYS)
    values = [sold] * len(DAYS) if isinstance(sold, float) else list(sold)
    columns = {
        "store": [key[0] for key in keys for _ in DAYS],
        "product": [key[1] for key in keys for _ in DAYS],
        "day": DAYS * len(keys),
        "sold": pa.array(values * len(keys), pa.float64()),
        "price": [float(number % 5) for number in range(size)],
    }
    return pa.table(columns)


def save_sales(folder: Path, *tables: pa.Table) -> list[Source]:
    folder.mkdir(parents=True)
    for number, table in enumerate(tables):
        pq.write_table(table, folder / f"{number}.parquet")
    return holdout_sources(folder)


def judged(
    folder: Path,
    models: dict[str, Path],
    sources: Sequence[Source],
    rule: MemberRule | None = None,
    **more: Any,
) -> Judgement:
    return judge(Evaluation(models, sources, rule or MemberRule(), **more), folder / "winners")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sets")
    failed = [
        IndexRow(LOST, "failed", reason="ValueError: the target is constant"),
        IndexRow(NOWHERE, "missing", reason="the data has no rows of this key"),
    ]
    return {
        "candidate": save_set(folder / "candidate", {BETTER: 11, WORSE: 15, ODD: 10, NEW: 10}, failed),
        "champion": save_set(folder / "champion", {BETTER: 12, WORSE: 12, ODD: 13, LOST: 9, GONE: 1}),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("judged")


@pytest.fixture(scope="module")
def sources(folder: Path) -> list[Source]:
    return save_sales(folder / "data", sales([BETTER, WORSE, ODD, LOST, NEW, GONE]))


@pytest.fixture(scope="module")
def judgement(folder: Path, sets: dict[str, Path], sources: list[Source]) -> Judgement:
    return judged(folder, sets, sources, slice_by="store")


def test_each_key_goes_on_with_the_better_member(judgement: Judgement, folder: Path) -> None:
    winners = open_set(folder / "winners")

    states = {row.key: (row.state, row.mae, row.champion_mae) for row in winners.rows()}
    assert states == {
        BETTER: ("candidate", 1, 2),
        WORSE: ("champion", 2, 2),
        ODD: ("candidate", 0, 3),
        LOST: ("champion", 1, 1),
        NEW: ("candidate", 0, None),
        NOWHERE: ("missing", None, None),
    }
    row = winners.find(WORSE)
    assert row is not None
    assert row.reason == "the champion's member is kept: mae 5, champion 2, tolerance 0.00%"


def test_the_winners_forecast_with_the_members_that_were_chosen(judgement: Judgement, folder: Path) -> None:
    winners = open_set(folder / "winners")
    keys = [BETTER, WORSE, ODD, LOST, NEW]

    forecasts = winners.forecast(sales(keys).drop_columns(["sold"]))["forecast"].to_numpy()

    assert forecasts.reshape(len(keys), -1)[:, 0].tolist() == [11, 12, 10, 9, 10]
    assert sorted(path.name for path in (folder / "winners/shards").iterdir()) == ["00.zip", "01.zip"]


def test_the_evidence_is_about_the_winners_and_the_rows_that_both_sets_forecast(judgement: Judgement) -> None:
    evidence = judgement.evidence

    assert evidence["n"] == 4 * 7
    assert evidence["metrics"]["mae"]["candidate"]["value"] == (1 + 2 + 0 + 1) / 4
    assert evidence["metrics"]["mae"]["champion"]["value"] == (2 + 2 + 3 + 1) / 4
    assert evidence["set"]["as_trained"]["metrics"]["mae"] == {"value": 2, "rows": 21}
    assert evidence["slices"]["values"]["1"]["metrics"]["mae"]["difference"]["value"] == 0


def test_every_key_is_counted_and_keys_on_one_side_are_named(judgement: Judgement) -> None:
    block = judgement.evidence["set"]

    assert {name: block[name] for name in ("keys", "members", "took", "kept", "dropped", "rows")} == {
        "keys": 6,
        "members": 5,
        "took": 3,
        "kept": 2,
        "dropped": 0,
        "rows": 35,
    }
    assert (block["share_worse"], block["share_failed"], block["coverage"]) == (2 / 4, 1 / 6, 5 / 6)
    assert (block["gone_keys"], block["unexpected_keys"]) == (["store=gone, product=1"],) * 2


def test_the_service_reads_the_evidence(judgement: Judgement) -> None:
    names = {"candidate": "sales:2", "champion": "sales:1", "data": "history"}

    read = read_evidence(json.dumps(names | judgement.evidence, allow_nan=False).encode())

    assert isinstance(read, Evidence)
    assert read.set is not None
    assert (read.set.share_worse, read.set.coverage, read.set.winners_differ) == (0.5, 5 / 6, True)
    assert len(numbers(names | judgement.evidence)) <= 50


def test_without_a_champion_the_candidate_goes_on_as_it_is(
    tmp_path: Path, sets: dict[str, Path], sources: list[Source]
) -> None:
    judgement = judged(tmp_path, {"candidate": sets["candidate"]}, sources)

    block = judgement.evidence["set"]
    assert (block["kept"], block["dropped"], block["share_worse"]) == (0, 0, 0)
    assert judgement.evidence["metrics"]["mae"]["champion"] is None
    states = {row.key: row.state for row in open_set(tmp_path / "winners").rows()}
    assert states[LOST] == "failed"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (MemberRule(then="take"), ("candidate", 15)),
        (MemberRule(then="drop"), ("failed", None)),
        (MemberRule(tolerance=2.0), ("candidate", 15)),
        (MemberRule(min_n=8, then="keep_champion"), ("champion", 12)),
        (MemberRule(metric="mape", tolerance=1.4), ("champion", 12)),
    ],
)
def test_the_rule_decides_what_goes_on(
    tmp_path: Path,
    sets: dict[str, Path],
    sources: list[Source],
    rule: MemberRule,
    expected: tuple[str, float | None],
) -> None:
    judged(tmp_path, sets, sources, rule)

    winners = open_set(tmp_path / "winners")
    row = winners.find(WORSE)
    assert row is not None
    assert (row.state, winners.forecast(sales([WORSE]))["forecast"].to_pylist()[0]) == expected


def test_a_baseline_that_is_better_than_the_first_member_of_a_key_stays_a_fallback(
    tmp_path: Path, sources: list[Source]
) -> None:
    champion = save_set(tmp_path / "champion", {BETTER: 10, WORSE: 10})
    baseline = [
        replace(row, state="too_few_rows", fallback="baseline", reason="it has 5 rows") if place else row
        for place, row in enumerate(open_set(champion).rows())
    ]
    shards = {"00.zip": champion / "shards/00.zip"}
    write_set(champion, INFO, rows_to_table(baseline, INFO.keys), shards)
    candidate = save_set(tmp_path / "candidate", {BETTER: 12, WORSE: 12})

    judged(tmp_path, {"candidate": candidate, "champion": champion}, sources)

    winners = open_set(tmp_path / "winners")
    own, fallback = winners.find(BETTER), winners.find(WORSE)
    assert own is not None
    assert fallback is not None
    assert (own.state, own.fallback) == ("champion", None)
    assert (fallback.state, fallback.fallback, fallback.mae) == ("kept", "baseline", 0.0)
    assert str(fallback.reason).startswith("the champion's member is kept: mae 2, champion 0")
    assert winners.read(fallback) == open_set(champion).read(baseline[1])


@pytest.mark.parametrize("broken", [Raises(), math.nan])
def test_a_member_that_fails_on_the_holdout_is_replaced(
    tmp_path: Path, sources: list[Source], broken: Any
) -> None:
    sets = {
        "candidate": save_set(tmp_path / "candidate", {BETTER: broken, WORSE: 10}),
        "champion": save_set(tmp_path / "champion", {BETTER: 12, WORSE: 12}),
    }

    judgement = judged(tmp_path, sets, sources)

    row = open_set(tmp_path / "winners").find(BETTER)
    assert row is not None
    assert (row.state, row.mae) == ("champion", 2)
    assert "7 of 7 rows of the holdout have no forecast: the member" in str(row.reason)
    assert judgement.evidence["set"]["share_worse"] == 0.5


def test_a_member_that_fails_without_a_champion_is_dropped_with_the_reason(
    tmp_path: Path, sources: list[Source]
) -> None:
    candidate = save_set(tmp_path / "candidate", {BETTER: Raises(), WORSE: 10})

    judgement = judged(tmp_path, {"candidate": candidate}, sources)

    row = open_set(tmp_path / "winners").find(BETTER)
    assert row is not None
    assert (row.state, row.entry) == ("failed", None)
    assert "the member raised KeyError: 'weights'" in str(row.reason)
    assert judgement.evidence["set"]["dropped"] == 1


def test_a_single_key_is_judged_without_intervals(tmp_path: Path, sources: list[Source]) -> None:
    sets = {
        "candidate": save_set(tmp_path / "candidate", {BETTER: 10}),
        "champion": save_set(tmp_path / "champion", {BETTER: 12}),
    }

    cells = judged(tmp_path, sets, sources).evidence["metrics"]["mae"]

    assert cells["difference"] == {"value": -2, "low": None, "high": None}


def test_the_holdout_is_the_newest_horizon_with_actual_values(tmp_path: Path) -> None:
    values = [10.0] * 20 + [30.0] * 7 + [math.nan] * 3
    candidate = save_set(tmp_path / "candidate", {BETTER: 30})
    table = sales([BETTER], [value if math.isfinite(value) else np.nan for value in values])

    judgement = judged(tmp_path, {"candidate": candidate}, save_sales(tmp_path / "data", table))

    assert (judgement.evidence["n"], judgement.evidence["metrics"]["mae"]["candidate"]["value"]) == (7, 0)


def test_a_named_holdout_is_used_as_a_whole(tmp_path: Path, sources: list[Source]) -> None:
    candidate = save_set(tmp_path / "candidate", {BETTER: 30})

    assert judged(tmp_path, {"candidate": candidate}, sources, newest_only=False).evidence["n"] == 30


def test_covariates_that_members_use_have_an_influence(tmp_path: Path, sources: list[Source]) -> None:
    uses = save_set(tmp_path / "uses", {BETTER: TwicePrice()})
    ignores = save_set(tmp_path / "ignores", {BETTER: 10})
    exact = save_sales(tmp_path / "data", sales([BETTER], [2.0 * (number % 5) for number in range(30)]))

    influence = [
        judged(tmp_path / model.name, {"candidate": model}, exact).evidence["importance"]
        for model in (uses, ignores)
    ]

    assert influence[0]["value"] == 0
    assert influence[0]["growth"]["price"]["mean"] > 1
    assert influence[1]["growth"]["price"]["mean"] == 0


def test_a_champion_with_other_covariates_gets_its_own(tmp_path: Path) -> None:
    table = sales([BETTER, WORSE]).append_column("size", pa.array([7.0] * 60))
    candidate = save_set(tmp_path / "candidate", {BETTER: TwicePrice(), WORSE: TwicePrice()})
    models = {BETTER: member(Size()), WORSE: member(Size())}
    write_small_set(tmp_path / "champion", models, info=replace(INFO, covariates=("size",)))
    sources = save_sales(tmp_path / "data", table)

    judgement = judged(tmp_path, {"candidate": candidate, "champion": tmp_path / "champion"}, sources)

    cells = judgement.evidence["metrics"]["mae"]
    assert (cells["champion"]["value"], judgement.evidence["set"]["worse"]) == (3.0, 2)
    # Its members would get other columns in the candidate's set, so they cannot be kept.
    assert judgement.evidence["set"]["not_kept"] == "the champion has another covariates"
    assert {row.state for row in open_set(tmp_path / "winners").rows()} == {"candidate"}
    assert judgement.errors.candidate.sums[0, 0] == 7


@pytest.mark.parametrize("side", ["candidate", "champion"])
def test_a_set_that_vanished_is_named(
    tmp_path: Path, sets: dict[str, Path], sources: list[Source], side: str
) -> None:
    with pytest.raises(UnfitSetError, match=f"the {side} cannot be evaluated: .* is no model set"):
        judged(tmp_path, {**sets, side: tmp_path / "nothing"}, sources)

    assert not (tmp_path / "winners").exists()


def test_an_index_that_does_not_match_its_hash_is_named(
    tmp_path: Path, sets: dict[str, Path], sources: list[Source]
) -> None:
    candidate = save_set(tmp_path / "candidate", {BETTER: 10})
    (candidate / "index.parquet").write_bytes((sets["candidate"] / "index.parquet").read_bytes())

    with pytest.raises(
        UnfitSetError, match=r"the candidate cannot be evaluated: index\.parquet does not match"
    ):
        judged(tmp_path, {"candidate": candidate}, sources)


def test_a_damaged_shard_is_named(tmp_path: Path, sources: list[Source]) -> None:
    candidate = save_set(tmp_path / "candidate", {BETTER: 10})
    shard = candidate / "shards/00.zip"
    content = shard.read_bytes()
    shard.unlink()
    shard.write_bytes(content[:-30])

    with pytest.raises(CorruptShardError, match=r"shards/00\.zip is truncated or damaged"):
        judged(tmp_path, {"candidate": candidate}, sources)


def test_data_that_does_not_fit_is_named(
    tmp_path: Path, sets: dict[str, Path], sources: list[Source]
) -> None:
    models = {"candidate": sets["candidate"]}
    other = save_sales(tmp_path / "other", sales([("x", "x")]))
    no_price = save_sales(tmp_path / "no-price", sales([BETTER]).drop_columns(["price"]))

    with pytest.raises(UnfitDataError, match="slice_by is 'colour', and must be one of store, product"):
        judged(tmp_path, models, sources, slice_by="colour")
    with pytest.raises(UnfitDataError, match="no row of the holdout has an actual value and a forecast"):
        judged(tmp_path, models, other)
    with pytest.raises(TableError, match=r"0\.parquet has no column 'price'"):
        judged(tmp_path, models, no_price)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnfitDataError, match="the holdout has no table"):
        holdout_sources(tmp_path / "empty")
