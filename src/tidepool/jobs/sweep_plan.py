"""The plan of a sweep: its search space, the values of its trials, and the best trial."""

import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# The parameters of each distribution in their order in a job's body. Steps of pipelines name them.
PARAMETERS = {
    "choice": ("values",),
    "randint": ("upper",),
    "uniform": ("min_value", "max_value"),
    "quniform": ("min_value", "max_value", "q"),
    "loguniform": ("min_value", "max_value"),
    "qloguniform": ("min_value", "max_value", "q"),
    "normal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"),
    "lognormal": ("mu", "sigma"),
    "qlognormal": ("mu", "sigma", "q"),
}
# How a value is drawn. A distribution with `q` rounds it to a multiple of `q`.
_DRAWS: Mapping[str, Callable[..., Any]] = {
    "choice": lambda draw, values: draw.choice(values),
    "randint": lambda draw, upper: draw.randrange(upper),
    "uniform": lambda draw, low, high: draw.uniform(low, high),
    "loguniform": lambda draw, low, high: math.exp(draw.uniform(low, high)),
    "normal": lambda draw, mu, sigma: draw.gauss(mu, sigma),
    "lognormal": lambda draw, mu, sigma: math.exp(draw.gauss(mu, sigma)),
}
Values = dict[str, str]


@dataclass(frozen=True)
class Hyperparameter:
    """A parameter of the search space: the name of its distribution, and the parameters of this."""

    kind: str
    parameters: tuple[Any, ...]

    def draw(self, source: random.Random) -> Any:
        if self.kind in _DRAWS:
            return _DRAWS[self.kind](source, *self.parameters)
        *parameters, step = self.parameters
        return round(_DRAWS[self.kind.removeprefix("q")](source, *parameters) / step) * step


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep tries, and which trial is the best. Times are in seconds."""

    sampling: str
    seed: int | None
    space: Mapping[str, Hyperparameter]
    metric: str
    maximize: bool
    max_trials: int
    max_concurrent: int
    timeout_s: float | None = None
    trial_timeout_s: float | None = None

    def trials(self, name: str) -> list[Values]:
        """Return the values of each trial. Without a seed, the name of the sweep decides what is drawn."""
        if self.sampling == "grid":
            choices = [parameter.parameters[0] for parameter in self.space.values()]
            grid = itertools.islice(itertools.product(*choices), self.max_trials)
            return [self._values(point) for point in grid]
        source = random.Random(name if self.seed is None else self.seed)
        points = (
            [parameter.draw(source) for parameter in self.space.values()] for _ in range(self.max_trials)
        )
        return [self._values(point) for point in points]

    def best(self, scores: Mapping[str, float]) -> str | None:
        """Return the trial with the best score, or None if there is no score."""
        if not scores:
            return None
        return (max if self.maximize else min)(scores, key=scores.__getitem__)

    def _values(self, point: Sequence[Any]) -> Values:
        return {name: str(value) for name, value in zip(self.space, point, strict=True)}
