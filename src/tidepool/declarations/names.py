"""The names that Azure allows for resources, by type.

https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
"""

import re
from dataclasses import dataclass

from tidepool.errors import AzureError


@dataclass(frozen=True)
class NameRule:
    """The form of the names of a type: a pattern, the same in words, and the code of Azure's error."""

    pattern: re.Pattern[str]
    words: str
    code: str = "InvalidResourceName"


def _rule(pattern: str, words: str, code: str = "InvalidResourceName") -> NameRule:
    return NameRule(re.compile(pattern), words, code)


_TOPIC = _rule(r"[A-Za-z0-9-]{3,50}", "3 to 50 letters, digits and '-'")
_CLUSTER = _rule(
    r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]",
    "3 to 32 letters, digits and '-', with a letter first and a letter or digit last",
)
_WORKSPACE = _rule(
    r"[A-Za-z0-9][\w-]{1,32}",
    "2 to 33 letters, digits, '-' and '_', with a letter or digit first",
    "ValidationError",
)
_RULES = {
    "Microsoft.Resources/subscriptions/resourceGroups": _rule(
        r"[\w.()-]{0,89}[\w()-]",
        "up to 90 letters, digits, '-', '_', '.' and brackets, without '.' at the end",
        "InvalidResourceGroup",
    ),
    "Microsoft.Storage/storageAccounts": _rule(
        r"[a-z0-9]{3,24}", "between 3 and 24 lower-case letters and digits", "AccountNameInvalid"
    ),
    "Microsoft.Storage/storageAccounts/blobServices/containers": _rule(
        r"(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*|\$(?:root|web|logs)",
        "3 to 63 lower-case letters, digits and single '-', with a letter or digit first and last",
        "InvalidResourceName",
    ),
    "Microsoft.KeyVault/vaults": _rule(
        r"[A-Za-z](?!.*--)[A-Za-z0-9-]{1,22}[A-Za-z0-9]",
        "3 to 24 letters, digits and single '-', with a letter first and a letter or digit last",
    ),
    "Microsoft.Insights/components": _rule(r"[\w.()-]{1,260}", "up to 260 letters, digits and '-._()'"),
    "Microsoft.OperationalInsights/workspaces": _rule(
        r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
        "4 to 63 letters, digits and '-', with a letter or digit first and last",
    ),
    "Microsoft.ContainerRegistry/registries": _rule(r"[A-Za-z0-9]{5,50}", "5 to 50 letters and digits"),
    "Microsoft.ManagedIdentity/userAssignedIdentities": _rule(
        r"[A-Za-z0-9][\w-]{2,127}", "3 to 128 letters, digits, '-' and '_', with a letter or digit first"
    ),
    "Microsoft.Web/serverfarms": _rule(r"[\w-]{1,60}", "up to 60 letters, digits, '-' and '_'"),
    "Microsoft.Web/sites": _rule(
        r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,58}[A-Za-z0-9])",
        "2 to 60 letters, digits and '-', with a letter or digit first and last",
    ),
    "Microsoft.EventGrid/topics": _TOPIC,
    "Microsoft.EventGrid/systemTopics": _TOPIC,
    "Microsoft.MachineLearningServices/workspaces": _WORKSPACE,
    "Microsoft.MachineLearningServices/workspaces/computes": _CLUSTER,
}
_BY_TYPE = {type_.lower(): (type_, rule) for type_, rule in _RULES.items()}


def name_problem(type_: str, name: str) -> AzureError | None:
    """Return the error with which Azure refuses the name of a resource, or None if it is allowed."""
    spelled, rule = _BY_TYPE.get(type_.lower(), (type_, None))
    if rule is None or rule.pattern.fullmatch(name):
        return None
    message = f"The name '{name}' is not valid for a resource of type {spelled}: use {rule.words}."
    return AzureError(400, rule.code, message)
