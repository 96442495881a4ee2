"""The SQL that reads the files of a set: keys as text, steps, values and covariates as numbers."""

import glob
import re
from collections.abc import Mapping, Sequence

from model_sets.info import SetInfo
from model_sets.sources import Column, Header, Source

EPOCH = "DATE '1970-01-01'"
FILE = "tidegate_file"  # the column with the path of a row's file
OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")
ZONE_AT_END = r"^(\d{4}-\d\d-\d\d.*?) ?(Z|[+-]\d\d(:?\d\d)?)$"


def name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def covariate_columns(info: SetInfo) -> list[str]:
    """Return the names of the covariates in buckets, which differ from all other columns."""
    return [f"covariate_{place}" for place in range(len(info.covariates))]


def key_columns(info: SetInfo) -> list[str]:
    return [f"key_{place}" for place in range(len(info.keys))]


def expressions(header: Header, info: SetInfo) -> dict[str, str]:
    """Return the columns of a bucket, each as the expression that makes it from a file with this header."""
    chosen = {
        short: _key(name(key), header.get(key))
        for short, key in zip(key_columns(info), info.keys, strict=True)
    }
    chosen["step"] = step(time(name(info.time), header.get(info.time)), info.frequency)
    chosen["value"] = number(name(info.target), header.get(info.target))
    for short, covariate in zip(covariate_columns(info), info.covariates, strict=True):
        chosen[short] = number(name(covariate), header.get(covariate))
    return chosen


def scan(sources: Sequence[Source], header: Header) -> str:
    """Return the table function that reads files of one header. Columns of CSV files are read as text."""
    # Names such as `sales[1].csv` are no patterns, and folders such as `store=12` no columns.
    files = "[" + ", ".join(text(glob.escape(str(source.path))) for source in sources) + "]"
    options = f"filename = {text(FILE)}, hive_partitioning = false"
    if not header.delimiter:
        return f"read_parquet({files}, {options})"
    columns = ", ".join(f"{text(column)}: 'VARCHAR'" for column, _ in header.columns)
    return (
        f"read_csv({files}, columns = {{{columns}}}, auto_detect = false, header = true, {options}, "
        f"""delim = {text(header.delimiter)}, quote = '"', escape = '"', strict_mode = true)"""
    )


def selection(chosen: Mapping[str, str], scanned: str, buckets: int, keys: Sequence[str]) -> str:
    """Return the query of one group of files, with the bucket of each row: -1 if it has no key or no time."""
    inner = ", ".join(f"{expression} AS {column}" for column, expression in chosen.items())
    lacking = " OR ".join(f"{column} IS NULL" for column in (*keys, "step"))
    hashed = f"(hash({', '.join(keys)}) % {buckets})::SMALLINT"
    bucket = f"CASE WHEN {lacking} THEN -1 ELSE {hashed} END AS bucket"
    return (
        f"SELECT rows.* EXCLUDE ({FILE}), numbers.file, {bucket} "
        f"FROM (SELECT {inner}, {FILE} FROM {scanned}) AS rows JOIN numbers USING ({FILE})"
    )


def _key(column: str, kind: Column | None) -> str:
    if kind is not None and kind.kind in ("integer", "boolean", "date"):
        return f"CAST({column} AS VARCHAR)"
    return f"nullif(CAST({column} AS VARCHAR), '')"


def time(column: str, kind: Column | None) -> str:
    """Return a time on its own wall clock. An instant without a zone is taken in UTC."""
    if kind is None or kind.kind in ("date", "time", "null"):
        return f"CAST({column} AS TIMESTAMP)" if kind and kind.kind == "null" else column
    if kind.kind == "instant":
        fixed = OFFSET.fullmatch(kind.zone or "")
        if fixed:
            minutes = int(fixed[1] + "1") * (int(fixed[2]) * 60 + int(fixed[3]))
            return f"(timezone('UTC', {column}) + INTERVAL ({minutes}) MINUTE)"
        return f"timezone({text(kind.zone or 'UTC')}, {column})"
    bare = f"regexp_replace({column}, {text(ZONE_AT_END)}, '\\1')"
    return f"CAST(nullif(CASE WHEN length({column}) > 10 THEN {bare} ELSE {column} END, '') AS TIMESTAMP)"


def step(time: str, frequency: str) -> str:
    """Return the number of the hour, day, week or month since 1970."""
    days = f"(CAST({time} AS DATE) - {EPOCH})"
    if frequency == "day":
        return f"CAST({days} AS INTEGER)"
    if frequency == "week":
        return f"CAST(floor(({days} + 3) / 7) AS INTEGER)"
    if frequency == "month":
        return f"CAST((year({time}) - 1970) * 12 + month({time}) - 1 AS INTEGER)"
    return f"CAST(floor(epoch(CAST({time} AS TIMESTAMP)) / 3600) AS INTEGER)"


def number(column: str, kind: Column | None) -> str:
    """Return a number as FLOAT, null where it is missing, infinite or NaN."""
    if kind is None or kind.kind == "null":
        return "CAST(NULL AS FLOAT)"
    if kind.kind in ("integer", "boolean"):
        return f"CAST({column} AS FLOAT)"
    cast = f"CAST(nullif({column}, '') AS DOUBLE)" if kind.kind == "text" else f"CAST({column} AS DOUBLE)"
    return f"CAST(CASE WHEN isfinite({cast}) THEN {cast} END AS FLOAT)"
