"""Whether a model fits a feed's pipeline, as both are registered in the workspace."""

from tidegate.cloud.assets import AssetClient
from tidegate.domain.jobs.model_fit import ModelKind, model_problem, taken_kind
from tidegate.errors import NotFoundError, PermanentError


def find_model_problem(assets: AssetClient, pipeline: str, name: str, version: str) -> str | None:
    """Return in one sentence why the newest version of the pipeline cannot use a model, or None if it can.

    Raise NotFoundError if the pipeline or the model is missing. Raise PermanentError if the pipeline's tag or
    the model's MLmodel file cannot be read. A pipeline that takes any model needs no MLmodel file.
    """
    try:
        kind = taken_kind(assets.newest_pipeline(pipeline).model_tag)
    except NotFoundError as error:
        raise NotFoundError(f"the workspace has no pipeline {pipeline}: run tidegate deploy") from error
    except ValueError as error:
        raise PermanentError(f"pipeline {pipeline} does not say which model it takes: {error}") from error
    if kind is ModelKind.ANY:
        return None
    try:
        problem = model_problem(kind, assets.mlmodel(name, version))
    except NotFoundError as error:
        raise NotFoundError(f"the workspace has no model {name}:{version}: register it") from error
    return f"{name}:{version} does not fit {pipeline}, which takes {kind}: {problem}" if problem else None
