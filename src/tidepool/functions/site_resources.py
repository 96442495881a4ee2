"""Functions apps as resources: Microsoft.Web in Azure Resource Manager.

A site that a template made has no code. `tidepool up --app` puts the folder of an app on it.
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from tidepool.access.principals import with_object_ids
from tidepool.arm.requests import Call, Routes, kind, listed, resource
from tidepool.arm.resource_groups import name_taken, resources_in
from tidepool.errors import AzureError, not_emulated, not_found, refused_property
from tidepool.functions.sites import Sites
from tidepool.store import Document, Store

PROVIDER = "Microsoft.Web"
SITES = f"{PROVIDER}/sites"
_PYTHONS = ("3.10", "3.11", "3.12", "3.13")
_MEMORIES = (512, 2048, 4096)
# https://learn.microsoft.com/azure/azure-functions/flex-consumption-how-to#set-scale-and-concurrency
_INSTANCES = (1, 1000)
_CONCURRENCY = (1, 1000)
# Settings that Flex Consumption refuses, because functionAppConfig has them.
# https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations
# https://learn.microsoft.com/azure/app-service/app-service-key-vault-references
_REFERENCES = ("@Microsoft.KeyVault(", "@Microsoft.AppConfiguration(")
_NOT_ON_FLEX = ("FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION", "WEBSITE_RUN_FROM_PACKAGE")


class SiteRoutes:
    """The routes of functions apps and of their policies for passwords."""

    def __init__(self, *, store: Store, sites: Sites) -> None:
        self._store = store
        self._sites = sites

    def routes(self) -> Routes:
        sites = kind("sites", provider=PROVIDER)
        config = kind("sites", "config", provider=PROVIDER)
        policies = kind("sites", "basicPublishingCredentialsPolicies", provider=PROVIDER)
        return {
            (sites, "LIST"): self._list,
            (sites, "GET"): self._get,
            (sites, "PUT"): self._put,
            (kind("sites", "functions", provider=PROVIDER), "LIST"): self._functions,
            (config, "list"): self._settings,
            (config, "GET"): self._get_config,
            (config, "PUT"): self._put_authentication,
            (policies, "GET"): self._get_policy,
            (policies, "PUT"): self._put_policy,
        }

    async def _list(self, call: Call) -> Response:
        return listed(list(resources_in(self._store, SITES, call.path.scope)), call.query, call.url)

    async def _get(self, call: Call) -> Response:
        return JSONResponse(self._existing(call.path.text))

    async def _put(self, call: Call) -> Response:
        name, existing = call.path.names[0], self._store.get(call.path.text)
        properties = dict(call.properties)
        self._check(call, properties)
        config = dict(properties.pop("siteConfig", None) or {})
        settings = config.pop("appSettings", None)
        document = resource(
            call.path.text,
            {
                **((existing or {}).get("properties") or {}),
                **{key: value for key, value in properties.items() if value is not None},
                "siteConfig": config,
                "defaultHostName": f"{name}.azurewebsites.net",
                "state": "Running",
                "provisioningState": "Succeeded",
            },
            kind=call.body.get("kind"),
            location=call.body.get("location"),
            tags=call.body.get("tags") or {},
            identity=with_object_ids(call.path.text, call.body.get("identity")),
        )
        self._store.put(call.path.text, document)
        if settings is not None:
            values = {str(item["name"]): str(item.get("value") or "") for item in settings}
            await self._sites.deploy_settings(name, values)
        return JSONResponse(document, status_code=200 if existing else 201)

    async def _settings(self, call: Call) -> Response:
        """Return the app settings, as `az functionapp config appsettings list` asks for them."""
        self._existing(call.path.root)
        if call.path.names[1].lower() != "appsettings":
            raise not_emulated("POST", call.url)
        settings = self._sites.deployed_settings(call.path.names[0])
        return JSONResponse({**resource(call.path.text, settings), "name": "appsettings"})

    async def _get_config(self, call: Call) -> Response:
        self._existing(call.path.root)
        return JSONResponse(self._existing(call.path.text))

    async def _put_authentication(self, call: Call) -> Response:
        """Turn App Service's authentication on or off."""
        self._existing(call.path.root)
        site, name = call.path.names
        if name.lower() != "authsettingsv2":
            raise not_emulated("PUT", call.url)
        document = resource(call.path.text, call.properties)
        self._store.put(call.path.text, document)
        platform = call.properties.get("platform") or {}
        await self._sites.turn_authentication(site, on=platform.get("enabled") is True)
        return JSONResponse(document)

    async def _functions(self, call: Call) -> Response:
        """List the functions of an app. A site without an app has none."""
        self._existing(call.path.root)
        app = self._sites.apps.get(call.path.names[0])
        names = app.status()["functions"] if app else []
        items = [resource(f"{call.path.text}/{name}", {"name": name, "isDisabled": False}) for name in names]
        return listed(items, call.query, call.url)

    async def _get_policy(self, call: Call) -> Response:
        self._existing(call.path.root)
        return JSONResponse(self._store.get(call.path.text) or resource(call.path.text, {"allow": True}))

    async def _put_policy(self, call: Call) -> Response:
        self._existing(call.path.root)
        if call.path.names[1].lower() not in ("ftp", "scm"):
            raise not_found(call.path.text)
        document = resource(call.path.text, call.properties)
        self._store.put(call.path.text, document)
        return JSONResponse(document)

    def _existing(self, resource_id: str) -> Document:
        document = self._store.get(resource_id)
        if document is None:
            raise not_found(resource_id)
        return document

    def _check(self, call: Call, properties: Mapping[str, Any]) -> None:
        """Raise AzureError if Azure would refuse a site."""
        name = call.path.names[0]
        if name_taken(self._store, call.path.text):
            raise AzureError(409, "Conflict", f"Website with given name {name} already exists.")
        if not call.body.get("location"):
            raise AzureError(
                400, "LocationRequired", "The location property is required for this definition."
            )
        plan = str(properties.get("serverFarmId") or "")
        if self._store.get(plan) is None:
            raise AzureError(404, "NotFound", f"Cannot find the plan (serverFarmId) '{plan}'.")
        _check_config(properties.get("functionAppConfig") or {})
        for item in (properties.get("siteConfig") or {}).get("appSettings") or []:
            if not item.get("name"):
                raise _invalid("siteConfig.appSettings: a setting has a value and no name.")
            if item["name"] in _NOT_ON_FLEX:
                raise _invalid(f"siteConfig.appSettings: Flex Consumption refuses {item['name']}.")
            if str(item.get("value")).startswith(_REFERENCES):
                reason = "app settings are not read from key vaults and app configurations"
                raise refused_property(f"siteConfig.appSettings.{item['name']}", item["value"], reason)


def _check_config(config: Mapping[str, Any]) -> None:
    """Raise AzureError 400 for a value of `functionAppConfig` that Azure would refuse."""
    runtime, scale = config.get("runtime") or {}, config.get("scaleAndConcurrency") or {}
    http = (scale.get("triggers") or {}).get("http") or {}
    _one_of("runtime.version", runtime.get("version"), _PYTHONS)
    _one_of("scaleAndConcurrency.instanceMemoryMB", scale.get("instanceMemoryMB"), _MEMORIES)
    _between("scaleAndConcurrency.maximumInstanceCount", scale.get("maximumInstanceCount"), _INSTANCES)
    _between(
        "scaleAndConcurrency.triggers.http.perInstanceConcurrency",
        http.get("perInstanceConcurrency"),
        _CONCURRENCY,
    )


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value is not None and value not in allowed:
        listed_values = ", ".join(map(str, allowed))
        raise _invalid(f"functionAppConfig.{name} is {value!r}; it must be one of {listed_values}.")


def _between(name: str, value: int | None, limits: tuple[int, int]) -> None:
    lowest, highest = limits
    if value is not None and not lowest <= value <= highest:
        raise _invalid(f"functionAppConfig.{name} is {value}; it must be from {lowest} to {highest}.")


def _invalid(message: str) -> AzureError:
    return AzureError(400, "BadRequest", message)
