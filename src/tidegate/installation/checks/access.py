"""Checks of the signed-in identity, its roles, the separation of roles, and the custom topic."""

from collections.abc import Iterable

from tidegate.cloud.role_separation import RoleSeparation
from tidegate.cloud.roles import Permissions, caller, permissions
from tidegate.cloud.subscriptions import custom_topic
from tidegate.errors import TransientError
from tidegate.installation.checks.check import CheckInputs, CheckResult, fail, ok, warn
from tidegate.installation.infra_files import NeededRole, needed_roles


def identity(inputs: CheckInputs) -> Iterable[CheckResult]:
    yield ok(f"you are signed in as {caller(inputs.service.credential)}")


def roles(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Check the roles of the signed-in identity. To check the function app's, run doctor as that identity."""
    configured = inputs.config.workspaces.by_role()
    used = {*inputs.roles(), *(["production"] if _promotes(inputs) else [])}
    workspaces = {role: configured[role].arm_id for role in sorted(used)}
    storages = dict.fromkeys(feed.storage.arm_id for _, feed in inputs.feeds())
    for role, scope in workspaces.items():
        yield from _roles_at(inputs, role, scope)
    for scope in storages:
        yield from _roles_at(inputs, "feed-storage", scope)


def topic(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Check that the topic of the service's own events exists, and that it accepts them."""
    endpoint = inputs.service.settings.events_endpoint
    if not endpoint:
        yield ok("no custom topic is configured (TIDEGATE_EVENTS_ENDPOINT): no event is published")
        return
    try:
        custom = custom_topic(inputs.arm, _subscriptions(inputs), endpoint)
    except TransientError as error:  # sending events needs no right to read the topic
        yield warn(
            f"the topic could not be read: {error}",
            "run doctor as an identity that has the role Reader at the subscription",
        )
        return
    if custom is None:
        yield fail(
            f"no custom topic has the address {endpoint}",
            "create the topic, or correct TIDEGATE_EVENTS_ENDPOINT in the settings of the function app",
        )
        return
    if not custom.takes_grid_events:
        yield fail(
            f"topic {custom.name} accepts only events of the schema {custom.schema}",
            "delete it and create it again with --input-schema eventgridschema",
        )
    yield from _roles_at(inputs, "custom-topic", custom.id)


def separation(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Check that no identity that trains models can write to production: otherwise nothing is promoted."""
    workspaces = inputs.config.workspaces
    promoting = {name: policy.promote for name, policy in inputs.config.models.items() if policy.promote}
    if not promoting:
        yield ok("not needed, because no model is promoted")
        return
    models = inputs.service.workspaces["development"].models
    registries = {
        promotion.registry
        for promotion in promoting.values()
        if promotion.via == "registry" and promotion.registry
    }
    problems = RoleSeparation(inputs.arm).principals_with_write_access(
        workspaces.development.arm_id,
        workspaces.production.arm_id,
        map(models.registry_id, sorted(registries)),
    )
    for problem in problems:
        yield fail(
            f"{problem}; until this is corrected, {', '.join(promoting)} is not promoted",
            "remove that role assignment, or assign the role at a smaller scope: docs/models.md",
        )
    if not problems:
        yield ok("no identity that trains models can write to production")


def _subscriptions(inputs: CheckInputs) -> Iterable[str]:
    """Return all subscriptions of the configuration: the topic may be in any resource group of them."""
    workspaces = inputs.config.workspaces
    storages = [feed.storage.subscription for _, feed in inputs.feeds()]
    return dict.fromkeys([workspaces.production.subscription, workspaces.development.subscription, *storages])


def _promotes(inputs: CheckInputs) -> bool:
    return any(policy.promote for policy in inputs.config.models.values())


def _roles_at(inputs: CheckInputs, kind: str, scope: str) -> Iterable[CheckResult]:
    """Check the actions that infra/roles.yaml names for the function app at one kind of scope."""
    name = scope.rpartition("/")[2]
    needed = [
        role for role in needed_roles("app") if role.scope == kind and (role.actions or role.data_actions)
    ]
    try:
        held = permissions(inputs.arm, scope)
    except TransientError as error:  # not every role allows to read the own permissions
        yield warn(
            f"{name}: your permissions could not be read: {error}",
            f"run doctor as an identity that may read them (role Reader at {scope}); the function app needs "
            f"{', '.join(role.role for role in needed)} there",
        )
        return
    missing = {role: actions for role in needed if (actions := _refused(held, role))}
    if not missing:
        yield ok(f"{name}: every needed action is allowed ({', '.join(role.role for role in needed)})")
    for role, actions in missing.items():
        command = f'az role assignment create --assignee <identity> --role "{role.role}" --scope {scope}'
        yield fail(
            f"{name}: {', '.join(actions)} is not allowed", f"{command} (takes effect within ten minutes)"
        )


def _refused(held: Permissions, needed: NeededRole) -> list[str]:
    return [
        *(action for action in needed.actions if not held.allow(action)),
        *(action for action in needed.data_actions if not held.allow(action, data=True)),
    ]
