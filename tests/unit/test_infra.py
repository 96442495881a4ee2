"""The templates: their results are up to date, and avoid what users report as going wrong on Azure."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import compile_templates
import pytest
import yaml

from tidegate.installation import infra_files
from tidepool.access.roles import ROLES as ROLES_OF_TIDEPOOL
from tidepool.arm.expressions import expressions

INFRA = Path("infra")
ROLE_ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
SITE = "Microsoft.Web/sites"
WORKSPACE = "Microsoft.MachineLearningServices/workspaces"
ROLES = yaml.safe_load((INFRA / "roles.yaml").read_text(encoding="utf-8"))
SETTINGS = yaml.safe_load((INFRA / "app-settings.yaml").read_text(encoding="utf-8"))


def snapshot(name: str) -> list[dict[str, Any]]:
    document = json.loads((INFRA / f"{name}.snapshot.json").read_text(encoding="utf-8"))
    assert document["diagnostics"] == []
    return list(document["predictedResources"])


LOCAL = snapshot("local")
SUBSCRIPTIONS = snapshot("local-subscriptions")
EXISTING = snapshot("existing")
OPTIONAL = {
    file.stem: snapshot(f"optional/{file.stem}") for file in sorted((INFRA / "optional").glob("*.bicepparam"))
}
EVERYTHING = [
    *LOCAL,
    *SUBSCRIPTIONS,
    *(resource for resources in OPTIONAL.values() for resource in resources),
]


def of_type(kind: str, resources: Sequence[dict[str, Any]] = LOCAL) -> list[dict[str, Any]]:
    return [resource for resource in resources if resource["type"] == kind]


def one(kind: str) -> dict[str, Any]:
    (resource,) = of_type(kind)
    return resource


def settings() -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in one(SITE)["properties"]["siteConfig"]["appSettings"]}


def test_the_results_are_those_of_the_sources() -> None:
    recorded = compile_templates.CHECKSUMS.read_text(encoding="utf-8")

    assert recorded == compile_templates.checksums(), "run `make infra`, and commit what it changes"


def test_without_a_compiler_make_infra_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BICEP", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(compile_templates.TemplateError, match="az bicep install"):
        compile_templates.find_compiler()

    monkeypatch.setenv("BICEP", "/nowhere/bicep")
    with pytest.raises(compile_templates.TemplateError, match="BICEP=/nowhere/bicep is no program"):
        compile_templates.find_compiler()


def test_a_warning_of_the_compiler_is_a_failure_although_its_status_is_0(tmp_path: Path) -> None:
    compiler = tmp_path / "bicep"
    compiler.write_text("#!/bin/sh\necho 'main.bicep(1,1) : Warning BCP037: no such property' >&2\n")
    compiler.chmod(0o755)

    with pytest.raises(compile_templates.TemplateError, match="BCP037"):
        compile_templates.compile_templates(str(compiler))


@pytest.mark.parametrize("file", sorted(INFRA.rglob("*.bicep")), ids=str)
def test_every_parameter_and_output_is_described(file: Path) -> None:
    described = False
    for line in file.read_text(encoding="utf-8").splitlines():
        described = described or line.startswith("@description(")
        if re.match(r"(param|output) ", line):
            assert described, f"{file}: {line}"
        if not line.strip() or re.match(r"(param|output|var|resource|module|type|func) ", line):
            described = False


def test_every_resource_is_tagged_for_azd_and_the_site_once_with_its_service() -> None:
    groups = of_type("Microsoft.Resources/resourceGroups")
    services = [resource for resource in LOCAL if "azd-service-name" in resource.get("tags", {})]

    assert [group["tags"] for group in groups] == [{"azd-env-name": "local"}] * 3
    assert [(service["type"], service["tags"]["azd-service-name"]) for service in services] == [
        (SITE, "service")
    ]
    declared = yaml.safe_load(Path("azure.yaml").read_text(encoding="utf-8"))["services"]
    assert list(declared) == ["service"]
    assert declared["service"]["remoteBuild"] is False


def test_the_package_is_built_for_the_python_of_the_app() -> None:
    template = json.loads((INFRA / "main.json").read_text(encoding="utf-8"))["parameters"]["pythonVersion"]
    python = template["defaultValue"]

    assert f"'TIDEGATE_PYTHON', '{python}'" in (INFRA / "main.bicepparam").read_text(encoding="utf-8")
    assert f"TIDEGATE_PYTHON:-{python}" in (INFRA / "hooks/prepackage.sh").read_text(encoding="utf-8")
    assert f"else {{ '{python}' }}" in (INFRA / "hooks/prepackage.ps1").read_text(encoding="utf-8")


def test_the_hooks_exist_for_both_shells() -> None:
    azd = yaml.safe_load(Path("azure.yaml").read_text(encoding="utf-8"))

    for hooks in (azd["hooks"], azd["services"]["service"]["hooks"]):
        for hook in hooks.values():
            assert Path(hook["posix"]["run"]).stat().st_mode & 0o111
            assert Path(hook["windows"]["run"]).is_file()


def test_flex_consumption_gets_its_runtime_and_package_in_function_app_config_and_no_old_setting() -> None:
    app = one(SITE)["properties"]

    assert one("Microsoft.Web/serverfarms")["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert app["functionAppConfig"]["runtime"] == {"name": "python", "version": "3.12"}
    assert app["functionAppConfig"]["scaleAndConcurrency"]["instanceMemoryMB"] == 2048
    authentication = app["functionAppConfig"]["deployment"]["storage"]["authentication"]
    assert authentication["type"] == "UserAssignedIdentity"
    refused = r"FUNCTIONS_|WEBSITE_|AzureWebJobsStorage$|SCM_|ENABLE_ORYX"
    assert [name for name in settings() if re.match(refused, name)] == []


def test_the_settings_are_those_of_the_file_and_have_no_key_and_no_secret() -> None:
    assert list(settings()) == [entry["name"] for entry in SETTINGS]
    assert settings()["NOTIFY_URL"] == "[parameters('notifyUrl')]"
    text = json.dumps(EVERYTHING)
    assert [
        word for word in ("listKeys", "AccountKey", "SharedAccessKey", "accountKey") if word in text
    ] == []


def test_the_settings_are_described_and_are_all_that_tidegate_yml_needs() -> None:
    page = Path("docs/configuration.md").read_text(encoding="utf-8")
    variables = re.findall(r"\$\{(\w+)\}", Path("tidegate.yml").read_text(encoding="utf-8"))

    assert [name for name in settings() if f"`{name}`" not in page] == []
    assert set(variables) <= set(settings())


def test_telemetry_without_keys_has_the_authentication_string_and_the_role() -> None:
    (insights,) = (
        component
        for component in of_type("Microsoft.Insights/components")
        if component["properties"].get("DisableLocalAuth")
    )
    text = settings()["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]

    assert "Authorization=AAD" in text
    assert ".clientId" in text
    assert "Monitoring Metrics Publisher" in roles_at(insights["id"])


def roles_at(scope: str) -> list[str]:
    names = {guid: name for name, guid in ROLES["roles"].items()}
    return [
        names[assignment["properties"]["roleDefinitionId"].rpartition("/")[2]]
        for assignment in of_type(ROLE_ASSIGNMENT, EVERYTHING)
        if f"[extensionResourceId('{scope}', " in assignment["id"]
        or assignment["id"].startswith(f"{scope}/providers/Microsoft.Auth")
    ]


def test_every_role_assignment_has_its_principal_type_and_its_reason() -> None:
    assignments = of_type(ROLE_ASSIGNMENT, EVERYTHING)

    assert len(assignments) > 30
    for assignment in assignments:
        properties = assignment["properties"]
        assert properties["principalType"] in ("ServicePrincipal", "User", "Group")
        assert properties["description"]
        assert properties["roleDefinitionId"].rpartition("/")[2] in ROLES["roles"].values()


def test_the_templates_assign_what_the_file_says_and_no_more() -> None:
    clusters = len(of_type(f"{WORKSPACE}/computes"))
    times = {"development-cluster": clusters, "production-cluster": 0, "event-grid": 3, "scientists": 0}
    optional = {"registry", "feed-container", "lake"}
    reasons = Counter[str]()
    for entry in ROLES["assignments"]:
        local = entry["identity"] not in ("ingestion", "synapse") and entry["scope"] not in optional
        if local and "assigned_by" not in entry:
            reasons[entry["why"]] += times.get(entry["identity"], 1)

    assigned = Counter(assignment["properties"]["description"] for assignment in of_type(ROLE_ASSIGNMENT))

    assert assigned == +reasons


def test_roles_wait_for_the_resources_that_they_are_for() -> None:
    modules = json.loads((INFRA / "main.json").read_text(encoding="utf-8"))["resources"]
    made = {
        "monitoring",
        "serviceStorage",
        "newFeedStorage",
        "newDevelopment",
        "newProduction",
        "customTopic",
    }

    for name in ("appRoles", "peopleRoles"):
        assert made <= set(modules[name]["dependsOn"])
    for name in ("developmentComputes", "productionComputes"):
        workspace = name.replace("Computes", "").capitalize()
        assert {f"new{workspace}", "newFeedStorage"} <= set(modules[name]["dependsOn"])
    assert {"serviceStorage", "newFeedStorage"} <= set(modules["systemTopics"]["dependsOn"])
    assert {"appRoles", "serviceStorage"} <= set(modules["functionApp"]["dependsOn"])


def test_no_role_is_at_a_group_or_at_the_subscription() -> None:
    for assignment in of_type(ROLE_ASSIGNMENT, EVERYTHING):
        scope = assignment["id"].removeprefix("[extensionResourceId('").partition("'")[0]
        assert "/resourceGroups/" in scope
        assert "/providers/" in scope


def test_nobody_who_trains_has_a_role_in_production_but_reader() -> None:
    for entry in ROLES["assignments"]:
        if entry["identity"] in ("development-cluster", "scientists", "development-workspace"):
            assert not entry["scope"].startswith("production") or entry["role"] == "Reader"


def test_the_workspaces_open_their_storage_as_themselves_and_the_storage_has_no_keys_and_no_hierarchy() -> (
    None
):
    accounts = {
        account["id"]: account["properties"] for account in of_type("Microsoft.Storage/storageAccounts")
    }

    assert len(accounts) == 4
    for properties in accounts.values():
        assert properties["allowSharedKeyAccess"] is False
        assert properties["allowBlobPublicAccess"] is False
        assert properties["minimumTlsVersion"] == "TLS1_2"
        assert properties["networkAcls"]["bypass"] == "AzureServices"
        assert not properties.get("isHnsEnabled")
    for workspace in of_type(WORKSPACE):
        assert workspace["identity"] == {"type": "SystemAssigned"}
        assert workspace["properties"]["systemDatastoresAuthMode"] == "identity"
        assert workspace["properties"]["storageAccount"] in accounts


def test_images_come_from_a_registry_without_a_user_and_each_cluster_may_pull_them() -> None:
    registries = of_type("Microsoft.ContainerRegistry/registries")
    clusters = of_type(f"{WORKSPACE}/computes")

    assert [registry["properties"]["adminUserEnabled"] for registry in registries] == [False, False]
    pulls = [role for registry in registries for role in roles_at(registry["id"]) if role == "AcrPull"]
    assert len(pulls) == len(clusters) == 3
    assert {cluster["identity"]["type"] for cluster in clusters} == {"SystemAssigned"}


def test_vaults_have_roles_and_names_that_can_change() -> None:
    vaults = of_type("Microsoft.KeyVault/vaults")
    names = (INFRA / "names.bicep").read_text(encoding="utf-8")

    assert len(vaults) == 2
    for vault in vaults:
        assert vault["properties"]["enableRbacAuthorization"] is True
        assert vault["properties"]["enablePurgeProtection"] is True
        assert "accessPolicies" not in vault["properties"]
        assert len(vault["name"]) + 3 <= 24
    assert names.count("-${token}${suffix}'") == 4


def test_a_source_has_one_system_topic_in_its_group_and_region_and_an_existing_one_can_be_named() -> None:
    topics = of_type("Microsoft.EventGrid/systemTopics")
    locations = {resource["id"]: resource["location"] for resource in LOCAL if "location" in resource}
    parameters = json.loads((INFRA / "main.json").read_text(encoding="utf-8"))["parameters"]

    sources = [topic["properties"]["source"] for topic in topics]
    assert len(sources) == len(set(sources)) == 3
    for topic, source in zip(topics, sources, strict=True):
        assert topic["location"] == locations[source]
        assert topic["id"].partition("/providers/")[0] == source.partition("/providers/")[0]
        assert topic["identity"] == {"type": "SystemAssigned"}
    assert set(parameters["existingTopics"]["properties"]) == {"storage", "development", "production"}


def test_subscriptions_are_a_template_of_their_own_and_those_of_the_file() -> None:
    assert of_type("Microsoft.EventGrid/systemTopics/eventSubscriptions") == []
    declared = yaml.safe_load((INFRA / "subscriptions.yaml").read_text(encoding="utf-8"))
    functions = [
        resource["properties"]["destination"]["properties"]["resourceId"] for resource in SUBSCRIPTIONS
    ]

    assert [function.rpartition("/functions/")[2] for function in functions] == [
        entry["function"] for entry in declared
    ]
    assert {function.partition("/functions/")[0] for function in functions} == {one(SITE)["id"]}
    for resource, entry in zip(SUBSCRIPTIONS, declared, strict=True):
        properties = resource["properties"]
        assert properties["filter"] == entry["filter"]
        assert properties["retryPolicy"] == entry["retryPolicy"]
        store = properties["deadLetterWithResourceIdentity"]["deadLetterDestination"]["properties"]
        container = f"{store['resourceId']}/blobServices/default/containers/{store['blobContainerName']}"
        assert roles_at(container) == ["Storage Blob Data Contributor"] * 3
        assert container in {resource["id"] for resource in LOCAL}


def test_the_clusters_are_those_of_the_files_from_which_the_service_makes_them() -> None:
    for cluster in of_type(f"{WORKSPACE}/computes"):
        name = cluster["name"].rpartition("/")[2]
        declared = yaml.safe_load(Path(f"src/assets/compute/{name}.yml").read_text(encoding="utf-8"))
        properties = cluster["properties"]["properties"]
        assert properties["vmSize"] == declared["size"]
        assert properties["vmPriority"].lower() == declared["tier"].replace("_", "")
        assert properties["scaleSettings"]["minNodeCount"] == 0
        assert properties["scaleSettings"]["maxNodeCount"] == declared["max_instances"]


def test_tidepool_knows_each_role_that_the_templates_assign() -> None:
    known = {role.name: role.id for role in ROLES_OF_TIDEPOOL}

    assert ROLES["roles"].items() <= known.items()


def test_files_of_feeds_can_be_restored() -> None:
    (feeds,) = (
        service
        for service in of_type("Microsoft.Storage/storageAccounts/blobServices")
        if "stfeed" in service["id"]
    )

    assert feeds["properties"]["deleteRetentionPolicy"] == {"enabled": True, "days": 30}
    assert feeds["properties"]["containerDeleteRetentionPolicy"] == {"enabled": True, "days": 30}


def test_secure_parameters_are_secure_in_the_compiled_template() -> None:
    parameters = json.loads((INFRA / "main.json").read_text(encoding="utf-8"))["parameters"]

    assert [name for name, spec in parameters.items() if spec.get("type", "").startswith("secure")] == [
        "notifyUrl"
    ]


def test_ingestion_writes_the_marker_after_the_copy() -> None:
    (pipeline,) = of_type("Microsoft.DataFactory/factories/pipelines", OPTIONAL["ingestion"])
    copy, marker = pipeline["properties"]["activities"]

    assert copy["type"] == "Copy"
    assert marker["dependsOn"] == [{"activity": copy["name"], "dependencyConditions": ["Succeeded"]}]
    assert "'_SUCCESS'" in marker["typeProperties"]["url"]["value"]


def test_doctor_reads_the_same_files() -> None:
    roles = infra_files.needed_roles("app")

    assert {role.role for role in roles if role.scope == "feed-storage"} == {"Storage Blob Data Reader"}
    assert all(role.why for role in roles)
    assert len(infra_files.declared_subscriptions("storage")) == 1


def test_every_role_of_the_file_is_named_with_a_scope_and_a_reason() -> None:
    entries: list[Mapping[str, Any]] = ROLES["assignments"]
    keys = [(entry["identity"], entry["role"], entry["scope"]) for entry in entries]

    assert len(keys) == len(set(keys))
    assert {entry["role"] for entry in entries} == set(ROLES["roles"])
    assert {entry["scope"] for entry in entries} == set(ROLES["scopes"])


def test_existing_workspaces_storage_and_topics_are_used_in_their_own_regions() -> None:
    topics = {topic["name"]: topic for topic in of_type("Microsoft.EventGrid/systemTopics", EXISTING)}

    assert of_type(WORKSPACE, EXISTING) == []
    assert [group["name"] for group in of_type("Microsoft.Resources/resourceGroups", EXISTING)] == [
        "rg-existing-service"
    ]
    assert len(of_type("Microsoft.Storage/storageAccounts", EXISTING)) == 1
    assert sorted(topic["location"] for topic in topics.values()) == ["eastus", "japaneast"]
    assert {topic["id"].split("/")[4] for topic in topics.values()} == {"rg-training", "rg-live"}
    (cluster,) = of_type(f"{WORKSPACE}/computes", EXISTING)
    assert (cluster["name"], cluster["location"]) == ("mlw-training/cpu", "eastus")


def test_an_existing_topic_may_write_dead_letters() -> None:
    principals = [
        assignment["properties"]["principalId"]
        for assignment in of_type(ROLE_ASSIGNMENT, EXISTING)
        if "tidegate-deadletter" in assignment["id"]
    ]

    assert len(principals) == 3
    assert any("/systemTopics/evgst-images'" in principal for principal in principals)


def test_signing_in_lets_requests_pass_that_nobody_signed_in_for() -> None:
    (authentication,) = of_type(f"{SITE}/config", EXISTING)

    assert authentication["name"].endswith("/authsettingsV2")
    assert authentication["properties"]["globalValidation"] == {
        "requireAuthentication": False,
        "unauthenticatedClientAction": "AllowAnonymous",
    }
    (local,) = of_type(f"{SITE}/config")
    assert local["properties"]["platform"] == {"enabled": True}


def test_tidepool_can_evaluate_what_the_compiler_left_as_expressions() -> None:
    nodes = list(expressions([LOCAL, SUBSCRIPTIONS]))  # it refuses a function that it does not know

    assert len(nodes) > 50


def test_the_page_names_every_variable_that_azd_passes() -> None:
    page = Path("docs/azure.md").read_text(encoding="utf-8")
    parameters = (INFRA / "main.bicepparam").read_text(encoding="utf-8")

    assert set(re.findall(r"'(TIDEGATE_\w+)'", parameters)) == set(re.findall(r"\bTIDEGATE_\w+", page))
