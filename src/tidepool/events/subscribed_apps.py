"""Functions apps, and the event subscriptions in the file `infra/subscriptions.yaml` of each app."""

from pathlib import Path

from tidepool.arm.resource_groups import resources_in
from tidepool.default_resources import DEFAULT_SITE, site_id
from tidepool.events.eventgrid import EventGrid
from tidepool.functions.host import FunctionsApp
from tidepool.functions.site_resources import SITES
from tidepool.functions.sites import Sites, SiteSpec
from tidepool.store import Store

_SUBSCRIPTIONS = Path("infra/subscriptions.yaml")


class SubscribedApps:
    """Functions apps that start and stop with their event subscriptions.

    `azd up` deploys both together, too.
    """

    def __init__(self, *, store: Store, sites: Sites, eventgrid: EventGrid) -> None:
        self._store = store
        self._sites = sites
        self._eventgrid = eventgrid

    async def start(self, spec: SiteSpec) -> FunctionsApp:
        """Start an app, then subscribe it to its events, unless a template made its site."""
        app = await self._sites.start(spec)
        file = spec.app_dir / _SUBSCRIPTIONS
        if file.exists() and not spec.resource_id:
            # A topic cannot have two subscriptions of the same name, so additional apps use a prefix.
            prefix = "" if spec.name == DEFAULT_SITE else f"{spec.name}-"
            await self._eventgrid.subscribe_file(
                file, topics=spec.all_topics, site=site_id(spec.name), prefix=prefix
            )
        return app

    async def stop(self, name: str) -> None:
        """Delete the subscriptions of an app, then stop it. Raise ValueError if it does not run."""
        name = self._sites.get(name).name
        self._eventgrid.unsubscribe_app(name)
        await self._sites.stop(name)

    def remove_former(self) -> None:
        """Delete the subscriptions of additional apps that an earlier process of Tidepool ran.

        The sites of templates stay, and so do their subscriptions.
        """
        kept = {DEFAULT_SITE, *self._sites.apps, *(site["name"] for site in resources_in(self._store, SITES))}
        for name in self._eventgrid.apps_with_subscriptions() - kept:
            self._eventgrid.unsubscribe_app(name)
