"""The parameters of the built-in trainers that a configuration may change, such as those a sweep found."""

from collections.abc import Mapping

ROUNDS = "rounds"
PENALTY = "penalty"
LIGHTGBM = (
    ROUNDS,
    "num_leaves",
    "learning_rate",
    "min_data_in_leaf",
    "max_depth",
    "max_bin",
    "feature_fraction",
    "bagging_fraction",
    "bagging_freq",
    "lambda_l1",
    "lambda_l2",
    "min_gain_to_split",
)
WHOLE = frozenset(LIGHTGBM[:6]) - {"learning_rate"} | {"bagging_freq"}
TAKEN = {"lightgbm": LIGHTGBM, "lightgbm-fast": LIGHTGBM, "ridge": (PENALTY,)}


def checked(trainer: str, parameters: Mapping[str, float]) -> dict[str, float]:
    """Return the parameters of a trainer, whole numbers as such.

    Raise ValueError, which names the parameter, if the trainer does not take it, or not this value.
    """
    taken = TAKEN.get(trainer, ())
    numbers: dict[str, float] = {}
    for name, value in parameters.items():
        if name not in taken:
            what = ", ".join(taken) or "no parameters"
            raise ValueError(f"parameter {name!r}: trainer {trainer} takes {what}")
        whole = name in WHOLE
        if isinstance(value, bool) or not isinstance(value, int | float) or (whole and value != int(value)):
            raise ValueError(
                f"parameter {name!r} is {value!r}, and must be a {'whole ' if whole else ''}number"
            )
        numbers[name] = int(value) if whole else float(value)
    return numbers
