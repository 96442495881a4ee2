"""What `tidepool up` makes: the resources of templates, and the functions app in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tidepool.arm.resource_groups import resources_in
from tidepool.arm.snapshot_runs import keep_outputs, template_outputs
from tidepool.arm.snapshots import read_snapshot_file
from tidepool.composition import Composition
from tidepool.default_resources import DEFAULT_SITE, STORAGE_ACCOUNT, WORKSPACES, workspace_id
from tidepool.errors import AzureError
from tidepool.functions.site_resources import SITES
from tidepool.functions.sites import SiteSpec
from tidepool.store import Store

_DEFAULT = Path(__file__).with_name("default.snapshot.json")


@dataclass(frozen=True)
class Estate:
    """The templates, with their secure parameters, and the folder of the functions app."""

    templates: tuple[Path, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    app_dir: Path | None = None

    async def deploy(self, composition: Composition) -> None:
        """Run the first template, start the app on the site that the template made, and run the others.

        An event subscription needs the function that it delivers to, so its template comes after the app.
        Without templates, a new Tidepool gets the default resources.
        """
        first, *others = self.templates or (None,)
        if first is not None:
            await self._run(composition, first)
        elif not template_outputs(composition.store):
            await self._make_defaults(composition)
        if self.app_dir is not None:
            await composition.subscribed_apps.start(site_spec(composition.store, self.app_dir))
        for file in others:
            if file is not None:
                await self._run(composition, file)

    async def _make_defaults(self, composition: Composition) -> None:
        """Make the default resources. Clusters in their workspaces get roles, as administrators give them."""
        for name in WORKSPACES:
            composition.default_roles.give_to_clusters(workspace_id(name), reads=[STORAGE_ACCOUNT])
        await self._run(composition, _DEFAULT)

    async def _run(self, composition: Composition, file: Path) -> None:
        outputs = await composition.snapshots.run(read_snapshot_file(file), self.parameters)
        keep_outputs(composition.store, outputs)


def site_spec(store: Store, app_dir: Path) -> SiteSpec:
    """Return the app to start: on the site of a template, if there is one, or else with default settings.

    Raise AzureError 400 if there are several sites.
    """
    sites = list(resources_in(store, SITES))
    if len(sites) > 1:
        names = ", ".join(site["name"] for site in sites)
        raise AzureError(400, "InvalidTemplate", f"The app can run on one site, and there are: {names}.")
    if sites:
        return SiteSpec(
            name=sites[0]["name"],
            app_dir=app_dir,
            settings={},
            topics={},
            resource_id=sites[0]["id"],
            is_default=True,
        )
    return SiteSpec(name=DEFAULT_SITE, app_dir=app_dir, settings={}, topics={}, is_default=True)
