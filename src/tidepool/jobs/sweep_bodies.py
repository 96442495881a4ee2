"""The reader of sweeps: sweep jobs, and the sweep steps of pipelines."""

from collections.abc import Mapping
from typing import Any

from tidepool.errors import AzureError
from tidepool.jobs.body_values import Body, seconds
from tidepool.jobs.sweep_plan import PARAMETERS, Hyperparameter, SweepPlan

_MOST_TRIALS = 1000  # Azure's default for max_total_trials


def read_sweep(body: Body, where: str) -> SweepPlan:
    """Return the plan of a sweep job or step. `where` names it in errors.

    Raise AzureError 501 for what Tidepool does not emulate, and ValueError for what Azure would refuse.
    """
    sampling = _lower(_first(body, "samplingAlgorithm", "sampling_algorithm"))
    kind = str(sampling.get("samplingalgorithmtype") or sampling.get("type") or sampling.get("") or "")
    if kind.lower() not in ("grid", "random"):
        raise _refused(f"the sampling algorithm '{kind}'", where, "It runs grid and random.")
    rule = str(sampling.get("rule") or "random")
    if rule.lower() != "random":
        raise _refused(f"the rule '{rule}' of random sampling", where, "It runs the rule random.")
    if _first(body, "earlyTermination", "early_termination"):
        raise _refused("early termination", where, "Remove the policy.")
    space = {
        name: _hyperparameter(name, item)
        for name, item in (_first(body, "searchSpace", "search_space") or {}).items()
    }
    _check_space(kind.lower(), space)
    limits, objective = _lower(body.get("limits")), _lower(body.get("objective"))
    most = int(limits.get("maxtotaltrials") or _MOST_TRIALS)
    seed = sampling.get("seed")
    return SweepPlan(
        sampling=kind.lower(),
        seed=None if seed is None else int(seed),
        space=space,
        metric=str(objective["primarymetric"]),
        maximize=str(objective["goal"]).lower() == "maximize",
        max_trials=most,
        max_concurrent=int(limits.get("maxconcurrenttrials") or most),
        timeout_s=seconds(limits.get("timeout")),
        trial_timeout_s=seconds(limits.get("trialtimeout")),
    )


def _hyperparameter(name: str, item: Any) -> Hyperparameter:
    """Read `["uniform", [0, 1]]`, as jobs have it, or `{"type": "uniform", "min_value": 0, ...}`."""
    if isinstance(item, Mapping):
        kind = str(item.get("type"))
        names = PARAMETERS.get(kind, ())
        parameters = tuple(item.get(key) for key in names)
        if others := [key for key in item if key not in ("type", *names) and item[key] is not None]:
            raise ValueError(f"{name} in the search space has {others[0]}, which {kind} does not take")
    else:
        kind, values = str(item[0]), item[1]
        nested = kind == "choice" and len(values) == 1 and isinstance(values[0], list)
        parameters = tuple(values) if kind != "choice" or nested else (values,)
    if kind not in PARAMETERS or len(parameters) != len(PARAMETERS[kind]) or None in parameters:
        raise ValueError(f"{name} in the search space is {item!r}, which is not a distribution")
    return Hyperparameter(kind, parameters)


def _check_space(sampling: str, space: Mapping[str, Hyperparameter]) -> None:
    if not space:
        raise ValueError("the search space is empty")
    for name, parameter in space.items():
        if sampling == "grid" and parameter.kind != "choice":
            raise ValueError(f"grid sampling takes only choices, and {name} is {parameter.kind}")
        if parameter.kind == "choice" and any(isinstance(v, dict | list) for v in parameter.parameters[0]):
            raise ValueError(f"{name} in the search space has nested values, which Tidepool does not emulate")


def _first(body: Body, *names: str) -> Any:
    return next((body[name] for name in names if body.get(name)), None)


def _lower(value: Any) -> dict[str, Any]:
    """Return an object with keys that are the same in jobs and steps. A text alone is under the key ''."""
    if isinstance(value, str):
        return {"": value}
    return {key.replace("_", "").lower(): item for key, item in (value or {}).items() if item is not None}


def _refused(what: str, where: str, advice: str) -> AzureError:
    return AzureError(501, "NotEmulated", f"Tidepool does not emulate {what} of a sweep ({where}). {advice}")
