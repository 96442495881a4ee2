"""The deployment package of this checkout, which is what the tests run."""

from functools import cache
from pathlib import Path

from tidegate.installation.package import unpacked


@cache
def app_folder() -> Path:
    """Return the folder of the unpacked package, built once in a session for the Python of the tests."""
    return unpacked()
