"""tidegate.yml: what is wrong with it is said with file, line, key and what is allowed."""

import os
import re
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.clock import Clock

from tidegate.config.loader import ConfigFile, load
from tidegate.errors import ConfigError

GOOD = """\
timezone: Asia/Tokyo
workspaces:
  development: {subscription: "${SUB}", resource_group: rg-ml, name: mlw-dev}
  production: {subscription: "${SUB}", resource_group: rg-ml, name: mlw-prod}
feeds:
  images:
    storage: {subscription: "${SUB}", resource_group: rg-ml, account: stimages, container: images}
    path: "{yyyy}{MM}/"
    only: "*.jpg"
    starts: 202601
    complete_when:
      - {marker: _SUCCESS}
      - {quiet_for: 15m, min_files: 100}
    deadline: {day: 5, at: "06:00", then: alert}
    late_files: {then: new_version, quiet_for: 1h}
    score: {pipeline: image_scoring, model: "classifier:3", compute: gpu, fallback: gpu-dedicated}
notify:
  - {url: "${NOTIFY}", events: [partition.scored, "rollout.*"]}
"""
ENVIRON = {"SUB": "s-1", "NOTIFY": "json://user:secret@example.org"}


def _file(folder: Path, text: str) -> Path:
    file = folder / "tidegate.yml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    "channels",
    [
        "- slack://SECRETTOKEN/b/c",
        "- slack://SECRETTOKEN: monthly",
        "- url: [slack://SECRETTOKEN]",
        "slack://SECRETTOKEN",
    ],
)
def test_a_channel_that_is_written_wrongly_is_refused_without_its_url(tmp_path: Path, channels: str) -> None:
    file = _file(tmp_path, f"{GOOD[: GOOD.index('notify:')]}notify:\n  {channels}\n")

    with pytest.raises(ConfigError) as refused:
        load(file, ENVIRON)

    assert "notify" in str(refused.value)
    assert "SECRETTOKEN" not in str(refused.value)


def test_a_good_file_is_read_with_its_variables(tmp_path: Path) -> None:
    config = load(_file(tmp_path, GOOD), ENVIRON)

    assert config.workspaces.development.subscription == "s-1"
    assert config.feeds["images"].starts == "202601"
    assert config.feeds["images"].complete_when[1].quiet_for == timedelta(minutes=15)
    assert config.timezone.key == "Asia/Tokyo"


def test_a_secret_stands_neither_in_repr_nor_in_an_error(tmp_path: Path) -> None:
    file = _file(tmp_path, GOOD.replace("partition.scored", "Month scored"))

    with pytest.raises(ConfigError) as raised:
        load(file, ENVIRON)

    assert "secret" not in str(raised.value)
    assert "secret" not in repr(load(_file(tmp_path, GOOD), ENVIRON))


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("only:", "onyl:", "9: feeds.images.onyl: there is no such key; allowed here: storage, path, only"),
        ("  development:", "  staging:", "3: workspaces.staging: there is no such key; allowed here: devel"),
        ("marker: _S", "markr: _S", "12: feeds.images.complete_when[0].markr: there is no such key; allowed"),
        ("compute: gpu,", "", "16: feeds.images.score.compute: this key is required"),
        ("notify:", "notfy:", "17: notfy: there is no such key; allowed here: timezone, workspaces, feeds"),
        (
            "15m",
            "15 min",
            "13: feeds.images.complete_when[1].quiet_for: write a number and a unit (s, m, h or d)",
        ),
        (
            "15m",
            "900",
            "13: feeds.images.complete_when[1].quiet_for: write a number and a unit (s, m, h or d)",
        ),
        ("15m", "0s", "13: feeds.images.complete_when[1].quiet_for: write a duration longer than zero"),
        ("1h", "1w", "15: feeds.images.late_files.quiet_for: write a number and a unit (s, m, h or d)"),
        (
            "min_files: 100",
            "min_files: 0",
            "13: feeds.images.complete_when[1].min_files: Input should be gre",
        ),
        ("{marker: _SUCCESS}", "{}", "12: feeds.images.complete_when[0]: give at least one of"),
        (
            "{marker: _SUCCESS}",
            "{marker: }",
            "12: feeds.images.complete_when[0]: give at least one of marker",
        ),
        ("_SUCCESS", "../_SUCCESS", "12: feeds.images.complete_when[0].marker: write a file name relative"),
        (
            "{yyyy}{MM}/",
            "{yyyy}{MM}",
            "8: feeds.images.path: write a folder with {yyyy}, {MM} and, if the feed is daily",
        ),
        ("*.jpg", "*.{jpg,png}", "9: feeds.images.only: '*.{jpg,png}' would match nothing: write a pattern"),
        ('"*.jpg"', "[]", '9: feeds.images.only: write a pattern such as "*.jpg", or a list such as'),
        ("_SUCCESS", "_SUCCESS*", "12: feeds.images.complete_when[0].marker: write a file name relative"),
        ("{marker: _SUCCESS}", "{listed_in: '*.txt'}", "12: feeds.images.complete_when[0].listed_in: write"),
        ("{yyyy}{MM}/", "*/{yyyy}{MM}/", "8: feeds.images.path: write a folder with {yyyy}, {MM}"),
        ("{yyyy}{MM}/", "in[12]/{yyyy}{MM}/", "8: feeds.images.path: write a folder with {yyyy}, {MM}"),
        ("{yyyy}{MM}/", "{MM}{yyyy}/", "8: feeds.images.path: write a folder with {yyyy}, {MM}"),
        ("{yyyy}{MM}/", "{year}{MM}/", "8: feeds.images.path: write a folder with {yyyy}, {MM}"),
        ("{yyyy}{MM}/", "../{yyyy}{MM}/", "8: feeds.images.path: write a folder with {yyyy}, {MM}"),
        (
            "{yyyy}{MM}/",
            "predictions/{yyyy}{MM}/",
            "8: feeds.images.path: choose another folder: predictions/ is",
        ),
        (
            "container: images",
            "container: tidegate-x",
            "7: feeds.images.storage.container: write the name of a container",
        ),
        (
            "202601",
            "202613",
            "10: feeds.images.starts: write the first month as year and month, such as 202601, or the first",
        ),
        (
            "{yyyy}{MM}/",
            "{yyyy}{MM}{dd}/",
            "10: feeds.images.starts: write the first day in the form 20260115, because path has {dd}",
        ),
        (
            "202601",
            "20260115",
            "10: feeds.images.starts: write the first month in the form 202601, because path has no {dd}",
        ),
        (
            "then: alert",
            "of: next_day",
            "14: feeds.images.deadline: of: next_day does not fit path: write",
        ),
        ("{day: 5, ", "{", "14: feeds.images.deadline: name the day of the month, 1 to 28"),
        ('"06:00"', "6", "14: feeds.images.deadline.at: Input should be a valid string"),
        ("then: alert", "then: panic", "14: feeds.images.deadline.then: Input should be 'alert' or 'score'"),
        ("day: 5", "day: 31", "14: feeds.images.deadline.day: Input should be less than or equal to 28"),
        (
            "classifier:3",
            "classifier:latest",
            "16: feeds.images.score.model: write the name of a model, or name:3",
        ),
        ("  images:", "  Images!:", "6: feeds.Images!: write 1 to 40 lowercase letters, digits and dashes"),
        (
            "Asia/Tokyo",
            "Tokyo",
            "1: timezone: write the name of a time zone, such as Europe/Paris, Asia/Tokyo",
        ),
        ("partition.scored", "monthly", "18: notify[0].events[0]: write a kind of activity"),
        (
            "partition.scored",
            "partition.score",
            "18: notify[0].events[0]: no kind of activity matches 'partition.score'; kinds are",
        ),
        ("rollout.*", "rollouts.*", "18: notify[0].events[1]: no kind of activity matches"),
        (
            "gpu-dedicated",
            "gpu",
            "16: feeds.images.score: fallback is gpu, the same as compute: name another",
        ),
        (
            "${SUB}",
            "${SUBS}",
            "3: workspaces.development.subscription: the environment variable SUBS is not set",
        ),
        ("timezone: Asia/Tokyo", "feeds: {}", '5: this is not valid YAML: found duplicate key "feeds"'),
        ("deadline: {day: 5, ", "deadline: [", "14: this is not valid YAML"),
    ],
)
def test_a_mistake_is_named_by_line_and_key(tmp_path: Path, old: str, new: str, error: str) -> None:
    file = _file(tmp_path, GOOD.replace(old, new))

    with pytest.raises(ConfigError) as raised:
        load(file, ENVIRON)

    assert any(line.startswith(f"tidegate.yml:{error}") for line in str(raised.value).splitlines()), (
        raised.value
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "",
            "tidegate.yml:1: the file must have these keys at its top level: timezone, workspaces, feeds",
        ),
        ("- a\n", "tidegate.yml:1: the file must have these keys at its top level"),
        ("{}\n", "tidegate.yml:1: feeds: this key is required"),
    ],
)
def test_a_file_without_a_configuration_says_what_belongs_in(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        load(_file(tmp_path, text), ENVIRON)


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    file = _file(tmp_path, GOOD.replace("15m", "15").replace("only", "onyl").replace("day: 5", "day: 0"))

    with pytest.raises(ConfigError) as raised:
        load(file, ENVIRON)

    assert [line.split(":")[1] for line in str(raised.value).splitlines()] == ["9", "13", "14"]


def test_two_feeds_may_not_share_a_folder(tmp_path: Path) -> None:
    feeds, notify = GOOD.index("  images:"), GOOD.index("notify:")
    second = GOOD[feeds:notify].replace("  images:", "  more:")
    file = _file(tmp_path, GOOD[:notify] + second + GOOD[notify:])

    with pytest.raises(ConfigError, match="feeds images and more read the same"):
        load(file, ENVIRON)


def test_the_file_is_read_again_only_when_it_changed(tmp_path: Path) -> None:
    file = _file(tmp_path, GOOD)
    clock = Clock()
    config_file = ConfigFile(file, ENVIRON, now=clock)

    first = config_file.current()
    clock.move(seconds=2)
    again = config_file.current()
    file.write_text(GOOD.replace("day: 5", "day: 7"))
    clock.move(seconds=1)
    changed = config_file.current()

    assert again is first
    assert changed.feeds["images"].deadline
    assert changed.feeds["images"].deadline.day == 7
    assert changed.digest != first.digest


def test_a_missing_file_says_where_it_was_looked_for_and_is_found_when_it_comes(tmp_path: Path) -> None:
    config_file = ConfigFile(tmp_path / "tidegate.yml", ENVIRON, now=Clock())

    with pytest.raises(
        ConfigError, match=f"{tmp_path}/tidegate.yml: the file cannot be read .* TIDEGATE_CONFIG"
    ):
        config_file.current()
    _file(tmp_path, GOOD)

    assert config_file.current().feeds


def test_a_bad_file_keeps_saying_so_until_it_is_mended(tmp_path: Path) -> None:
    file = _file(tmp_path, GOOD.replace("15m", "15"))
    config_file = ConfigFile(file, ENVIRON, now=Clock())

    for _ in range(2):
        with pytest.raises(ConfigError, match="quiet_for"):
            config_file.current()
    file.write_text(GOOD)
    os.utime(file, ns=(1, 1))

    assert config_file.current().feeds


SET = """\
models:
  sales:
    evaluate: {data: newest, compute: cpu}
    gate: {metrics: {wape: {max: 0.4, higher_is_better: false}}, set: {max_share_failed: 0.1}}
    set:
      keys: [store, product]
      feed: images
      target: units
      time: date
      horizon: 28
"""


def test_a_model_set_is_judged_by_a_pipeline_for_sets_and_trained_at_each_partition(tmp_path: Path) -> None:
    policy = load(_file(tmp_path, GOOD + SET), ENVIRON).models["sales"]

    assert policy.set is not None
    assert policy.pipelines == ["set_evaluation", "set_training", "set_renewal"]
    assert (policy.set.training.on, policy.set.training.keys) == ("partition", "needed")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("feed: images", "feed: sales", "25: models.sales.set.feed: this is no feed; feeds are: images"),
        ("keys: [store, product]", "keys: [store, date]", "23: models.sales.set: date is named twice"),
        (
            "horizon: 28",
            "horizon: 28\n      group_by: [shop]",
            "29: models.sales.set.group_by: shop is no key",
        ),
        ("keys: [store, product]", "keys: [store, Units]", "23: models.sales.set: Units, units is named"),
        ("horizon: 28", "horizon: 0", "28: models.sales.set.horizon: Input should be greater than or equal"),
        ("horizon: 28", "horizon: 28\n      buckets: 1500", "29: models.sales.set.buckets: Input should be"),
        (
            "horizon: 28",
            "horizon: 28\n      expected:\n        - {store: a, product: b}\n        - {store: a}",
            "31: models.sales.set.expected[1]: write the key columns store, product, not store",
        ),
        (
            "horizon: 28",
            "horizon: 28\n      expected:\n        - {store: 012, product: b}",
            '30: models.sales.set.expected[0].store: write the value in quotes, such as "012"',
        ),
        (
            "horizon: 28",
            "horizon: 28\n      training: {on: schedule}",
            "29: models.sales.set.training: on: schedule needs the key every",
        ),
        (
            "horizon: 28",
            "horizon: 28\n      training: {on: drift}",
            "29: models.sales.set.training.on: this needs the key drift",
        ),
        (
            "horizon: 28",
            "horizon: 28\n    renew: {day: 1}\n    drift: {feed: images}",
            "29: models.sales.renew:",
        ),
        (
            "set: {max_share_failed: 0.1}",
            "slices: {by: shop, min_n: 1, metrics: {mae: {max: 1}}}",
            ".slices.by: ",
        ),
    ],
)
def test_what_is_wrong_with_a_model_set_is_said_with_its_line(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load(_file(tmp_path, GOOD + SET.replace(old, new)), ENVIRON)

    assert said in str(refused.value).replace("tidegate.yml:", "")


def test_what_only_sets_have_is_refused_for_other_models(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load(_file(tmp_path, GOOD + SET[: SET.index("    set:\n")]), ENVIRON)

    assert "tidegate.yml:21: models.sales.evaluate.data: this is for models with the key set" in str(
        refused.value
    )


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("def run(mini_batch):\n    return []\n", "scoring/score.py defines no function init()"),
        ("def init():\n    pass\n", "scoring/score.py defines no function run(mini_batch)"),
        (
            "def init(a):\n    pass\ndef run(b):\n    pass\n",
            "scoring/score.py has a function init that needs",
        ),
        (
            "def init():\n    pass\ndef run():\n    pass\n",
            "scoring/score.py has a function run that does not take",
        ),
        ("def init(:\n", "scoring/score.py is not valid Python: line 1"),
    ],
)
def test_a_script_that_cannot_score_is_refused_with_the_line_of_its_key(
    tmp_path: Path, script: str, problem: str
) -> None:
    text = GOOD.replace("score: {pipeline: image_scoring,", "score:\n      {script: scoring/score.py,")
    (tmp_path / "scoring").mkdir()
    (tmp_path / "scoring/score.py").write_text(script)

    with pytest.raises(ConfigError) as refused:
        load(_file(tmp_path, text), ENVIRON)

    line = next(number for number, line in enumerate(text.splitlines(), 1) if "scoring/score.py" in line)
    assert str(refused.value).startswith(f"tidegate.yml:{line}: feeds.images.score.script: {problem}")


@pytest.mark.parametrize("script", ["", "from shared import init, run\n", "from shared import *\n"])
def test_a_script_that_is_elsewhere_or_imports_its_functions_is_no_mistake(
    tmp_path: Path, script: str
) -> None:
    text = GOOD.replace("pipeline: image_scoring,", "script: scoring/score.py,")
    if script:
        (tmp_path / "scoring").mkdir()
        (tmp_path / "scoring/score.py").write_text(script)

    score = load(_file(tmp_path, text), ENVIRON).feeds["images"].score

    assert re.fullmatch("script_scoring_score_[0-9a-f]{8}", score.pipeline_name)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("script: scoring/score.py, pipeline: image_scoring", "give either pipeline or script"),
        ("csv: exact", "give either pipeline or script"),
        ("script: score.py", "a Python file in a folder of its own"),
        ("script: ../scoring/score.py", "a Python file in a folder of its own"),
        ("pipeline: image_scoring, environment: 'azureml:own:1'", "leave out environment"),
        ("pipeline: image_scoring, inputs: {data: x}", "leave out data"),
    ],
)
def test_a_feed_is_scored_by_a_pipeline_or_a_script(tmp_path: Path, keys: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load(_file(tmp_path, GOOD.replace("pipeline: image_scoring", keys)), ENVIRON)
