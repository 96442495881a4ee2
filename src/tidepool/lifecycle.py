"""Start and stop the components of a Tidepool, in the order that they need."""

import asyncio

from tidepool.azureml import curated
from tidepool.composition import Composition


class Lifecycle:
    """The start and the end of one composition."""

    def __init__(self, composition: Composition) -> None:
        self._composition = composition
        self._scheduling: asyncio.Task[None] | None = None

    async def start(self, control_port: int) -> None:
        """Open the proxy, start Azurite and create the registry of curated environments.

        The managed identity endpoint listens on `control_port`.
        """
        composition = self._composition
        ports = {name: await composition.proxy.listen(name) for name in ("developer", "compute")}
        composition.environment.set_ports(control_port=control_port, proxy_ports=ports)
        self._scheduling = asyncio.create_task(composition.scheduler.run())
        await composition.azurite.start(composition.accounts.secret)
        await composition.storage.forget_lost_messages()
        composition.azurite.keep_alive(composition.storage.forget_lost_messages)
        self._create_curated_environments()
        composition.online.serving.revive()

    async def start_events(self) -> None:
        """Resume the events and jobs of a former process.

        The app that receives the events must already run.
        """
        self._composition.eventgrid.start()
        await self._composition.jobs.recover()
        self._composition.schedule_runs.revive()
        self._composition.subscribed_apps.remove_former()

    async def stop(self) -> None:
        composition = self._composition
        composition.proxy.close()
        await composition.jobs.stop()
        await composition.online.serving.stop()
        await composition.tracking.stop()
        await composition.forks.stop()
        await composition.sites.close()
        await composition.eventgrid.close()
        if self._scheduling is not None:
            self._scheduling.cancel()
        await composition.azurite_client.close()
        await composition.azurite.stop()
        composition.store.close()

    def _create_curated_environments(self) -> None:
        composition = self._composition
        composition.registries.create(curated.REGISTRY)
        curated.store_newest(composition.store, composition.scheduler.now())
