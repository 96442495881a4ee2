"""The entry script of an online endpoint that serves a model set.

`init` opens the set: its index is read and verified, and no member. Each member is read when the first
request needs it, and stays in a cache of at most TIDEGATE_CACHE_BYTES (512 MiB by default).

A request is JSON: `{"rows": [{"store": "12", "product": "7", "date": "2026-11-05", "price": 3.5}]}`. The
answer has one object for each row, in their order, with `forecast`, `member`, `status` and `error`. Keys are
text, as they are spelled in the training data, or whole numbers. Requests in MLflow's forms
(`{"input_data": {"columns": [...], "data": [...]}}`, `{"dataframe_split": ...}`) are understood, too.

An unknown key is answered with 404 and its name, and a request that cannot be read with 400. Azure answers
the caller with 424, and gives this status in the header `ms-azureml-model-error-statuscode`.
"""

import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LIMIT_BYTES = 512 * 1024 * 1024
MOST_ROWS = 100_000
LOGGED_EVERY = 100  # requests
SHOWN_KEYS = 10

log = logging.getLogger(__name__)


class RequestError(ValueError):
    """A request that cannot be answered, with the HTTP status that says whose fault it is."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class SetServer:
    """An open set that answers requests."""

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        from member_cache import MemberCache
        from model_sets.format import open_set

        self.members = open_set(folder)
        self.cache = MemberCache(self.members.member, limit_bytes)
        self._requests = 0

    def answer(self, text: str | bytes) -> list[dict[str, Any]]:
        """Return one object for each row of a request. Raise RequestError if it cannot be answered."""
        import pyarrow as pa
        from model_sets.errors import TableError
        from model_sets.forecasting import forecast_table

        info = self.members.info
        try:
            records = self._prepared(read_rows(text))
        except TableError as error:
            raise RequestError(400, str(error)) from error
        for name in info.keys:
            if any(record.get(name) is None for record in records):
                raise RequestError(400, f"a row has no value in the key column {name!r}")
        table = pa.Table.from_pylist([_with_text_keys(record, info.keys) for record in records])
        self._check_keys(table)
        try:
            answers = forecast_table(table, info, self.members.find, self.cache.get)
        except TableError as error:
            raise RequestError(400, str(error)) from error
        self._log()
        return [
            {
                "forecast": row["forecast"],
                "member": row["trained_in"],
                "status": row["state"],
                "error": row["reason"],
            }
            for row in answers.to_pylist()
        ]

    def _prepared(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the rows of a request as the set's prepare.py changes them, or unchanged."""
        import pyarrow as pa

        if not self.members.info.prepare:
            return records
        try:
            table = pa.Table.from_pylist(records)
        except pa.ArrowException as error:
            raise RequestError(400, f"the rows have values of different types: {error}") from error
        rows: list[dict[str, Any]] = self.members.prepared(table).to_pylist()
        return rows

    def _check_keys(self, table: Any) -> None:
        columns = [table[name].to_pylist() for name in self.members.info.keys]
        unknown = [key for key in dict.fromkeys(zip(*columns, strict=True)) if self.members.find(key) is None]
        if unknown:
            names = "; ".join(self.members.spell(key) for key in unknown[:SHOWN_KEYS])
            more = f" and {len(unknown) - SHOWN_KEYS} more" if len(unknown) > SHOWN_KEYS else ""
            raise RequestError(404, f"the set has no key {names}{more}")

    def _log(self) -> None:
        """Log the figures of the cache at the first request, and then now and again."""
        if self._requests % LOGGED_EVERY == 0:
            log.info("member_cache requests=%d %s", self._requests + 1, self.cache.figures())
        self._requests += 1


def read_rows(text: str | bytes) -> list[dict[str, Any]]:
    """Return the rows of a request. Raise RequestError if it is not in one of the known forms."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"the request is not JSON: {error}") from error
    rows = _rows_of(body) if isinstance(body, dict) else None
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise RequestError(400, 'the request needs {"rows": [{...}, ...]} with at least one row')
    if len(rows) > MOST_ROWS:
        raise RequestError(400, f"the request has {len(rows)} rows, and at most {MOST_ROWS} are answered")
    return list(rows)


def _rows_of(body: Mapping[str, Any]) -> Sequence[Any] | None:
    if isinstance(body.get("rows"), list):
        return body["rows"]  # type: ignore[no-any-return]
    if isinstance(body.get("dataframe_records"), list):
        return body["dataframe_records"]  # type: ignore[no-any-return]
    table = body.get("input_data", body.get("dataframe_split"))
    if isinstance(table, list):
        return table
    if not isinstance(table, dict):
        return None
    columns, data = table.get("columns"), table.get("data")
    if not isinstance(columns, list) or not isinstance(data, list):
        return None
    if not all(isinstance(cells, list) and len(cells) == len(columns) for cells in data):
        raise RequestError(400, f"each row of the request needs {len(columns)} values, as there are columns")
    return [dict(zip(columns, cells, strict=True)) for cells in data]


def _with_text_keys(record: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    texts: dict[str, Any] = {}
    for name in keys:
        value = record[name]
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise RequestError(
                400, f"the key column {name!r} is {value!r}, and must be text or a whole number"
            )
        texts[name] = str(value)
    return {**record, **texts}


_server: SetServer


def init() -> None:
    """Open the set, once in each process."""
    global _server  # noqa: PLW0603  Azure ML calls module-level functions
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    (mlmodel,) = Path(os.environ["AZUREML_MODEL_DIR"]).rglob("MLmodel")
    sys.path.insert(0, str(mlmodel.parent / "code"))  # each set brings the modules that read it
    _server = SetServer(mlmodel.parent, int(os.environ.get("TIDEGATE_CACHE_BYTES", LIMIT_BYTES)))
    log.info("set_opened members=%d index=%s", _server.members.index.num_rows, _server.members.index_sha256)


def run(data: str | bytes) -> Any:
    """Answer one request: a list of objects, or a problem with its status."""
    from azureml.contrib.services.aml_response import AMLResponse

    try:
        return _server.answer(data)
    except RequestError as error:
        title = "Not found" if error.status == 404 else "Bad request"
        problem = {"title": title, "status": error.status, "detail": str(error)}
        return AMLResponse(json.dumps(problem, ensure_ascii=False), status_code=error.status)
