"""The judgement of a candidate: both sets on the same holdout, a decision for each key, and the evidence."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from error_evidence import ErrorSums, measured, sliced, totals
from holdout import forecast_holdout
from importance import permutation_importance
from measure import Index, Key, KeyErrors, decide_all, measure_keys, unexpected_keys
from member_rule import MemberDecision, MemberRule
from model_sets import boosting
from model_sets.errors import SetError
from model_sets.format import ModelSet, open_set
from model_sets.sources import Source
from set_counts import counts_of
from winners import winning_rows, winning_sums, write_winners

SHOWN_KEYS = 1_000


class UnfitDataError(ValueError):
    """A holdout that candidate and champion cannot be measured on."""


class UnfitSetError(ValueError):
    """A candidate or champion that cannot be evaluated."""


@dataclass(frozen=True)
class Evaluation:
    """What is compared: the folders of the sets `candidate` and perhaps `champion`, on which files, and how.

    With `newest_only`, the holdout is the newest horizon of each key. Otherwise it is all rows.
    """

    sets: Mapping[str, Path]
    sources: Sequence[Source]
    rule: MemberRule
    newest_only: bool = True
    slice_by: str | None = None
    confidence: float = 0.95


@dataclass(frozen=True)
class Judgement:
    """What an evaluation found: the evidence, the errors of each key, and what was decided."""

    evidence: dict[str, Any]
    errors: KeyErrors
    decisions: Sequence[MemberDecision]


def judge(evaluation: Evaluation, winners: Path) -> Judgement:
    """Measure the sets, decide each key, and write the set that goes on to the folder `winners`.

    Raise UnfitSetError or UnfitDataError if the sets cannot be compared on these files.
    """
    opened = {side: _open(side, folder) for side, folder in evaluation.sets.items()}
    candidate, champion = opened["candidate"], opened.get("champion")
    _check(evaluation, candidate, champion)
    boosting.import_for([members.index for members in opened.values()])
    keys = candidate.info.keys
    with tempfile.TemporaryDirectory() as scratch:
        horizon = candidate.info.horizon if evaluation.newest_only else None
        rows = forecast_holdout(evaluation.sets, evaluation.sources, Path(scratch), horizon)
        influence = permutation_importance(candidate, Path(scratch), horizon)
    indexes = {side: {row.key: row for row in members.rows()} for side, members in opened.items()}
    of_candidate, of_champion = indexes["candidate"], indexes.get("champion")
    errors = measure_keys(rows, keys, list(of_candidate))
    differences = _differences(candidate, champion)
    rule = replace(evaluation.rule, then="take") if _cannot_keep(evaluation, differences) else evaluation.rule
    decisions = decide_all(rule, errors, of_candidate, of_champion)
    index = winning_rows(errors, decisions, of_candidate, of_champion)
    sha256 = write_winners(winners, index, decisions, candidate=candidate, champion=champion)
    unexpected = unexpected_keys(rows, keys, errors.keys)
    block = _set_block(evaluation, errors, decisions, indexes) | {
        "winners_index_sha256": sha256,
        "not_kept": f"the champion has another {', '.join(differences)}"
        if rule.then != evaluation.rule.then
        else None,
        **_named("unexpected", candidate, unexpected),
        **_named("gone", candidate, sorted(set(of_champion or {}) - set(of_candidate))),
    }
    evidence = _totals(evaluation, errors, decisions, keys) | {"set": block, "importance": influence}
    return Judgement(evidence, errors, decisions)


def _open(side: str, folder: Path) -> ModelSet:
    try:
        return open_set(folder)
    except SetError as error:
        raise UnfitSetError(f"the {side} cannot be evaluated: {error}") from error


def _check(evaluation: Evaluation, candidate: ModelSet, champion: ModelSet | None) -> None:
    keys = candidate.info.keys
    if champion is not None and champion.info.keys != keys:
        other = ", ".join(champion.info.keys)
        raise UnfitSetError(f"the champion has the key columns {other}; the candidate has {', '.join(keys)}")
    if evaluation.slice_by is not None and evaluation.slice_by not in keys:
        raise UnfitDataError(f"slice_by is {evaluation.slice_by!r}, and must be one of {', '.join(keys)}")


def _differences(candidate: ModelSet, champion: ModelSet | None) -> list[str]:
    """Return in what the sets differ. Members forecast only in a set of the same columns and horizon."""
    if champion is None:
        return []
    ours, theirs = asdict(candidate.info), asdict(champion.info)
    return [name for name in ours if ours[name] != theirs[name]]


def _cannot_keep(evaluation: Evaluation, differences: Sequence[str]) -> bool:
    return bool(differences) and evaluation.rule.then == "keep_champion"


def _totals(
    evaluation: Evaluation, errors: KeyErrors, decisions: Sequence[MemberDecision], keys: Sequence[str]
) -> dict[str, Any]:
    """Return `n`, `metrics` and `slices` of the set that goes on, on the rows that both sets forecast."""
    sums, compared = winning_sums(errors, decisions)
    if not sums[:, 0].any():
        sides = "a forecast" if compared is None else "a forecast of both sets"
        raise UnfitDataError(f"no row of the holdout has an actual value and {sides}")
    chosen = ErrorSums(sums, None if compared is None else (sums, compared))
    by, confidence = evaluation.slice_by, evaluation.confidence
    slices = sliced(chosen, by, [key[keys.index(by)] for key in errors.keys], confidence) if by else None
    return measured(chosen, confidence) | {"confidence": confidence, "comparison": None, "slices": slices}


def _set_block(
    evaluation: Evaluation,
    errors: KeyErrors,
    decisions: Sequence[MemberDecision],
    indexes: Mapping[str, Index],
) -> dict[str, Any]:
    """Return the counts of keys, and the totals of both sets as they were trained."""
    rows = [indexes["candidate"][key] for key in errors.keys]
    candidate, champion = errors.candidate, errors.champion
    return counts_of(decisions, [row.state for row in rows], [row.entry is not None for row in rows]) | {
        "rule": asdict(evaluation.rule),
        "rows": int(errors.rows.sum()),
        "as_trained": {"metrics": totals(candidate.of_both if champion else candidate.sums)},
        "champion": {"metrics": totals(champion.of_both)} if champion else None,
    }


def _named(name: str, members: ModelSet, keys: Sequence[Key]) -> dict[str, Any]:
    """Return the number of some keys, and the first ones by name."""
    spelled = [members.spell([str(part) for part in key]) for key in keys[:SHOWN_KEYS]]
    return {name: len(keys), f"{name}_keys": spelled}
