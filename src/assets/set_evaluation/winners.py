"""The set that goes on: for each key the member that the rule chose, from the candidate or the champion."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from measure import Index, KeyErrors
from member_rule import MemberDecision
from model_sets.format import ModelSet, copy_members, write_set
from model_sets.index import METRICS, IndexRow, rows_to_table
from model_sets.key_errors import Array, errors_of
from model_sets.prepared import PREPARE

PLACE = ("shard", "entry", "loader", "sha256", "fallback")


def winning_rows(
    errors: KeyErrors, decisions: Sequence[MemberDecision], candidate: Index, champion: Index | None
) -> list[IndexRow]:
    """Return the index rows of the set that goes on, in the order of the keys.

    The metrics of a row are those of its own member on the holdout. Rows of the champion keep its place.
    """
    own = errors_of(errors.candidate.sums)
    other = errors_of(errors.champion.sums) if errors.champion else None
    rows = []
    for place, (key, decision) in enumerate(zip(errors.keys, decisions, strict=True)):
        row = candidate[key]
        measured = _measured(own, place) if errors.candidate.sums[place, 0] else {}
        of_champion = _measured(other, place) if other else dict.fromkeys(METRICS)
        compared = {f"champion_{name}": value for name, value in of_champion.items()}
        if decision.choice == "candidate":
            reason = decision.reason if decision.comparison in ("worse", "undecided") else row.reason
            rows.append(replace(row, **measured, **compared, reason=reason))
        elif decision.choice == "champion":
            assert champion is not None
            kept = replace(champion[key], state=_state_of(champion[key]), reason=decision.reason)
            was_measured = any(value is not None for value in of_champion.values())
            rows.append(replace(kept, **(of_champion if was_measured else {}), **compared))
        else:
            state = row.state if row.entry is None else "failed"
            nothing = dict.fromkeys(PLACE)
            rows.append(replace(row, **nothing, **measured, **compared, state=state, reason=decision.reason))
    return rows


def _state_of(row: IndexRow) -> str:
    """Return the state of a champion's member that goes on. A fallback stays one, and is no champion."""
    return "kept" if row.fallback else "champion"


def write_winners(
    folder: Path,
    rows: Sequence[IndexRow],
    decisions: Sequence[MemberDecision],
    *,
    candidate: ModelSet,
    champion: ModelSet | None,
) -> str:
    """Write the set that goes on, and return the SHA-256 of its index.

    The shards of the candidate stay as they are. Members of the champion are copied into one new shard.
    """
    chosen = list(zip(rows, decisions, strict=True))
    kept = [row for row, decision in chosen if decision.choice == "champion" and row.entry is not None]
    shards: dict[str, Path] = {
        str(name): candidate.shard_path(str(name))
        for name in {row.shard for row, decision in chosen if decision.choice != "champion"} - {None}
    }
    placed: Mapping[tuple[str, ...], IndexRow] = {}
    if kept:
        assert champion is not None
        name = _new_shard(candidate)
        shards[name] = folder / "shards" / name
        placed = {row.key: row for row in copy_members(champion, kept, shards[name])}
    index = rows_to_table([placed.get(row.key, row) for row in rows], candidate.info.keys)
    return write_set(folder, candidate.info, index, shards, candidate.folder / PREPARE)


def winning_sums(errors: KeyErrors, decisions: Sequence[MemberDecision]) -> tuple[Array, Array | None]:
    """Return the sums of the set that goes on, and of the champion, over the rows that both forecast.

    Without a champion they are over all rows of the candidate.
    """
    took = np.array([decision.choice == "candidate" for decision in decisions], dtype=bool)[:, None]
    if errors.champion is None:
        return np.where(took, errors.candidate.sums, 0.0), None
    kept = np.array([decision.choice == "champion" for decision in decisions], dtype=bool)[:, None]
    alone = np.where(kept, errors.champion.sums, 0.0)
    return (
        np.where(took, errors.candidate.of_both, alone),
        np.where(took, errors.champion.of_both, alone),
    )


def _measured(values: Mapping[str, Array], place: int) -> dict[str, float | None]:
    cells = {name: float(values[name][place]) for name in METRICS}
    return {name: value if np.isfinite(value) else None for name, value in cells.items()}


def _new_shard(candidate: ModelSet) -> str:
    """Return a name that no shard of the candidate has: the next number."""
    names = {str(name) for name in candidate.index["shard"].unique().to_pylist() if name is not None}
    number = len(names)
    while f"{number:02}.zip" in names:
        number += 1
    return f"{number:02}.zip"
