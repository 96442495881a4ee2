"""The service is killed after every single write between a complete month and its published result."""

import pytest

from tests.estate import Estate, Running

FILES = {"a.png": "cat", "b.png": "dog"}
PARTS = 2  # so that two cores share the work: each kill costs a fresh worker


@pytest.mark.timeout(400)
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_after_any_write_it_publishes_once(part: int, estate: Estate, running: Running) -> None:
    for number in range(1 + part, writes_of_a_month(estate, running) + 1, PARTS):
        month = f"{2100 + number // 12}{number % 12 + 1:02}"
        running.site.kill_worker_after(number)
        estate.upload(month, FILES)
        running.drive(month)
        estate.cloud.clear_faults()

        assert running.scorings(month) == {f"{month}-1-g1": "scored"}, f"killed after write {number}"
        jobs = [name for name in estate.jobs() if month in name]
        assert jobs == [f"score-stories-{month}-1-g1-a1"], f"killed after write {number}"
        versions = [data.version for data in estate.ml.data.list(name="stories") if month in data.version]
        assert versions == [f"{month}-1"], f"killed after write {number}"


def writes_of_a_month(estate: Estate, running: Running) -> int:
    """How many there are until the result is in the ledger; telling people of it comes after."""
    estate.upload("209901", FILES)
    running.settle()
    warm = len(running.site.writes())
    estate.upload("209902", FILES)
    running.settle()
    tables = [write["path"].startswith("/tidegateMonths") for write in running.site.writes()[warm:]]
    last = len(tables) - tables[::-1].index(True)
    assert last > 15
    return last
