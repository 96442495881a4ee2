"""The service is killed after every single write between a complete month and its published result."""

import pytest

from tests.estate import Estate, Running

FILES = {"a.png": "cat", "b.png": "dog"}


@pytest.mark.timeout(400)  # each kill costs a fresh worker
def test_killed_after_any_write_it_publishes_once(estate: Estate, running: Running) -> None:
    estate.upload("209901", FILES)
    running.settle()
    warm = len(running.site.writes())
    estate.upload("209902", FILES)
    running.settle()
    writes = len(running.site.writes()) - warm
    assert writes > 10

    for number in range(1, writes + 1):
        month = f"{2100 + number // 12}{number % 12 + 1:02}"
        running.site.kill_worker_after(number)
        estate.upload(month, FILES)
        running.drive(month)
        estate.cloud.clear_faults()

        assert running.scorings(month) == {f"{month}-1-g1": "scored"}, f"killed after write {number}"
        jobs = [name for name in estate.jobs() if month in name]
        assert jobs == [f"score-stories-{month}-1-g1-a1"], f"killed after write {number}"
        assert [data.version for data in estate.ml.data.list(name="stories") if month in data.version] == [
            f"{month}-1"
        ]
