"""The models of an evaluation, each in a process of its own.

Two versions of a model contain modules with the same name, which one process could not keep apart.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class UnfitCandidateError(ValueError):
    """A model that cannot be evaluated. The message says which one it is."""


def ask_models(
    models: Mapping[str, Path], answer: Callable[[Path, T], R], question: T, unfit: type[Exception]
) -> dict[str, R]:
    """Run `answer` on the folder of each model at the same time, and return the results by the model's name.

    `unfit` is the error by which `answer` says that a model cannot be evaluated. Raise UnfitCandidateError
    for it, and for a model that ends its process.
    """
    context = get_context("spawn")
    pools = {who: ProcessPoolExecutor(1, mp_context=context) for who in models}
    asked = {who: pools[who].submit(answer, folder, question) for who, folder in models.items()}
    try:
        return {who: _result(who, future, unfit) for who, future in asked.items()}
    finally:
        for pool in pools.values():
            pool.shutdown(cancel_futures=True)


def _result(who: str, future: Future[R], unfit: type[Exception]) -> R:
    try:
        return future.result()
    except unfit as error:
        raise UnfitCandidateError(f"the {who} cannot be evaluated: {error}") from error
    except BrokenProcessPool as error:
        why = "its process was killed, perhaps because the memory of the node was used up"
        raise UnfitCandidateError(f"the {who} cannot be evaluated: {why}") from error
