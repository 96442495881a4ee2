"""The errors of forecasts by key: from sums, from SQL, and where they are not defined."""

import duckdb
import numpy as np
import pytest
from model_sets.key_errors import METRICS, errors_of, rows_of, sums_of, sums_sql

ALWAYS_50 = np.full(6, 50.0)


def measured(actual: list[float], forecast: list[float]) -> dict[str, float]:
    sums = sums_of(np.array(actual), np.array(forecast))
    return {name: float(value) for name, value in errors_of(sums).items()}


def test_a_percentage_error_is_the_mean_over_the_rows_that_are_not_zero() -> None:
    errors = measured([0, 100] * 3, list(ALWAYS_50))

    assert errors["mape"] == pytest.approx(0.5)
    assert errors["wape"] == pytest.approx(1.0)
    assert (errors["mae"], errors["rmse"]) == (50, 50)


def test_of_zeros_only_there_is_no_percentage_error() -> None:
    errors = measured([0, 0], [1, 3])

    assert np.isnan([errors["mape"], errors["wape"]]).all()
    assert errors["mae"] == 2


def test_totals_are_finite_and_say_over_how_many_rows() -> None:
    total = sums_of(np.array([0.0, 0]), np.array([1.0, 3])) + sums_of(
        np.array([0.0, 100]), np.array([50.0, 50])
    )

    assert np.isfinite([float(errors_of(total)[name]) for name in METRICS]).all()
    assert {name: int(count) for name, count in rows_of(total).items()} == {
        "mae": 4,
        "rmse": 4,
        "mape": 1,
        "wape": 4,
    }


def test_no_rows_have_no_errors() -> None:
    assert np.isnan(list(measured([], []).values())).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_do_not_count(bad: float) -> None:
    assert measured([1, 2, bad], [1, bad, 3])["mae"] == 0


def test_sql_gives_the_same_sums() -> None:
    rng = np.random.default_rng(7)
    actual, forecast = rng.integers(0, 3, 200).astype(float), rng.normal(size=200)
    actual[::17], forecast[::13] = np.nan, np.inf
    table = duckdb.connect().execute(
        f"SELECT {sums_sql('a', 'f')} FROM (SELECT unnest($a) AS a, unnest($f) AS f)",
        {"a": actual.tolist(), "f": forecast.tolist()},
    )
    (row,) = table.fetchall()

    assert row == pytest.approx(sums_of(actual, forecast))


def test_nulls_do_not_count_in_sql() -> None:
    rows = "(VALUES (1.0::DOUBLE, NULL::DOUBLE), (NULL, 1.0), (3.0, 2.0)) t(a, f)"

    found = duckdb.sql(f"SELECT {sums_sql('a', 'f')} FROM {rows}").fetchall()

    assert found == [(1, 1, 1, pytest.approx(1 / 3), 1, 3)]
