"""Whether a model fits a feed's pipeline, as both are registered in the workspace."""

from tidegate.cloud.assets import AssetClient, PipelineComponent
from tidegate.config.schema import Feed
from tidegate.domain.jobs.model_fit import ModelKind, model_problem, taken_kind
from tidegate.errors import NotFoundError, PermanentError, RefusedError
from tidegate.service.context import ServiceContext
from tidegate.service.steps.generation_claims import GenerationClaims


def find_pipeline(assets: AssetClient, name: str) -> PipelineComponent:
    """Return the newest version of a feed's pipeline.

    Raise NotFoundError, which says what to do, if there is none.
    """
    try:
        return assets.newest_pipeline(name)
    except NotFoundError as error:
        raise NotFoundError(f"the workspace has no pipeline {name}: run tidegate deploy") from error


def find_model_problem(
    assets: AssetClient, pipeline: PipelineComponent, name: str, version: str
) -> str | None:
    """Return in one sentence why a version of a pipeline cannot use a model, or None if it can.

    Raise NotFoundError if the model is missing. Raise PermanentError if the pipeline's tag or the model's
    MLmodel file cannot be read. A pipeline that takes any model needs no MLmodel file.
    """
    of_pipeline = pipeline.reference.partition(":")[0]
    try:
        kind = taken_kind(pipeline.model_tag)
    except ValueError as error:
        raise PermanentError(f"pipeline {of_pipeline} does not say which model it takes: {error}") from error
    if kind is ModelKind.ANY:
        return None
    try:
        problem = model_problem(kind, assets.mlmodel(name, version))
    except NotFoundError as error:
        raise NotFoundError(f"the workspace has no model {name}:{version}: register it") from error
    return f"{name}:{version} does not fit {of_pipeline}, which takes {kind}: {problem}" if problem else None


def requested_model(
    context: ServiceContext, claims: GenerationClaims, feed: Feed, requested: str | None
) -> str:
    """Return the model that a request asks for (`classifier` or `classifier:3`) as `name:version`.

    The default is the model of tidegate.yml. Raise RefusedError if it is missing or does not fit.
    """
    name, _, pinned = (requested or feed.score.model).partition(":")
    try:
        version = pinned or claims.model_version(feed, name)
        assets = context.workspace_of(feed).assets
        pipeline = find_pipeline(assets, feed.score.pipeline_name)
        problem = find_model_problem(assets, pipeline, name, version)
    except (NotFoundError, PermanentError) as error:
        raise RefusedError(422, "Unprocessable", str(error)) from error
    if problem:
        raise RefusedError(422, "Unprocessable", problem)
    return f"{name}:{version}"
