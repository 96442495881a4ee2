import pytest

from tidegate.errors import ConfigError
from tidegate.settings import Settings


def test_everything_wrong_is_reported_at_once() -> None:
    environ = {"TIDEGATE_CHECK_DELAY_S": "ten", "TIDEGATE_EVENTS_ENDPOINT": "http://example.org"}

    with pytest.raises(ConfigError) as raised:
        Settings.from_env(environ)

    for name in ("AzureWebJobsStorage__accountName", "TIDEGATE_CHECK_DELAY_S", "TIDEGATE_EVENTS_ENDPOINT"):
        assert name in str(raised.value)


def test_the_environment_does_not_show() -> None:
    settings = Settings.from_env({"AZURE_STORAGE_ACCOUNT": "stmain", "NOTIFY_URL": "json://secret"})

    assert settings.storage_account == "stmain"
    assert "secret" not in repr(settings)


def test_defaults_need_only_the_account() -> None:
    settings = Settings.from_env({"AzureWebJobsStorage__accountName": "stmain"})

    assert settings.config_file.name == "tidegate.yml"
    assert settings.check_delay.total_seconds() == 10
