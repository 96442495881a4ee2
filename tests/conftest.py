"""Settings of all tests; the fixtures are in `tests.support.fixtures`."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.fixtures"]

# No example is too slow: the machine that runs the tests may have other things to do.
settings.register_profile(
    "unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")
