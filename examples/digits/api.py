"""The demo's way to the service's API: the command line's."""

import os

from tidegate.api_client import ApiClient


def api() -> ApiClient:
    """Of the service that the environment names."""
    return ApiClient(os.environ["FUNCTIONS_URL"], os.environ["FUNCTIONS_KEY"])
