"""What all tests share.

Tidepool's fixtures (`tidepool`, `workspace`, `storage_account` ...) are its pytest plugin's.
"""

from hypothesis import HealthCheck, settings

# No example is too slow: the machine that runs the tests may have other things to do.
settings.register_profile(
    "unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")
