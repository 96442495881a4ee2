"""The check of the function app's settings."""

from collections.abc import Iterable, Iterator, Mapping

from tidegate.errors import NotFoundError, TransientError
from tidegate.installation.checks.check import CheckInputs, CheckResult, fail, ok, warn
from tidegate.installation.infra_files import DeclaredSetting, declared_settings

_API_VERSION = "2025-03-01"
# Outputs of the templates, which azd keeps in its environment.
_SITE = ("AZURE_SUBSCRIPTION_ID", "TIDEGATE_RESOURCE_GROUP", "TIDEGATE_FUNCTION_APP")
_CORRECT = "deploy the templates (docs/azure.md), or correct the setting of the function app"


def app_settings(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Compare the settings of the function app with infra/app-settings.yaml. It may have more of them."""
    environ = inputs.service.settings.environ
    if missing := [name for name in _SITE if not environ.get(name)]:
        yield warn(
            f"the settings of the function app were not checked, because {', '.join(missing)} is not set",
            "set these variables: they are outputs of the templates (azd env get-values)",
        )
        return
    subscription, group, name = (environ[variable] for variable in _SITE)
    site = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Web/sites/{name}"
    try:
        existing = inputs.arm.post(f"{site}/config/appsettings/list", _API_VERSION, {})["properties"]
    except NotFoundError:
        yield fail(f"there is no function app {name} in {group}", f"correct {_SITE[1]} and {_SITE[2]}")
        return
    except TransientError as error:
        yield warn(
            f"the settings of {name} could not be read: {error}",
            "run doctor as an identity that has the role Website Contributor at the function app",
        )
        return
    problems = list(problems_of(declared_settings(), existing, environ))
    for problem in problems:
        yield fail(f"function app {name}: {problem}", _CORRECT)
    if not problems:
        yield ok(f"function app {name} has every setting of the templates")


def problems_of(
    declared: Iterable[DeclaredSetting], existing: Mapping[str, str], environ: Mapping[str, str]
) -> Iterator[str]:
    """Yield each setting that is missing or differs.

    The values of an installation are compared with the variables of the same names, if these are set. The
    identity of the app is not the one that runs doctor, and a secret is not shown.
    """
    for setting in declared:
        actual = existing.get(setting.name)
        expected = setting.value
        if setting.source and setting.source != "clientId":
            expected = environ.get(setting.name) or None
        if actual is None or (setting.source and not actual):
            yield f"the setting {setting.name} is missing"
        elif expected is not None and actual != expected:
            yield f"the setting {setting.name} is {actual!r} instead of {expected!r}"
