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


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, None),
        ({"WEBSITE_HOSTNAME": "tidegate-x7.azurewebsites.net"}, "https://tidegate-x7.azurewebsites.net"),
        ({"WEBSITE_HOSTNAME": "localhost:7071"}, "http://localhost:7071"),
        (
            {"WEBSITE_HOSTNAME": "a.azurewebsites.net", "TIDEGATE_PUBLIC_URL": "https://ml.example.com"},
            "https://ml.example.com",
        ),
    ],
)
def test_links_lead_to_where_the_host_says_unless_told_otherwise(
    environ: dict[str, str], url: str | None
) -> None:
    assert Settings.from_env({"AZURE_STORAGE_ACCOUNT": "stmain", **environ}).public_url == url


def test_defaults_need_only_the_account() -> None:
    settings = Settings.from_env({"AzureWebJobsStorage__accountName": "stmain"})

    assert settings.config_file.name == "tidegate.yml"
    assert settings.check_delay.total_seconds() == 10


@pytest.mark.parametrize(
    ("environ", "threads"),
    [
        ({}, None),
        ({"FUNCTIONS_WORKER_RUNTIME": "python", "PYTHON_THREADPOOL_THREAD_COUNT": "32"}, 32),
    ],
)
def test_the_threads_of_the_worker_are_known_within_it(environ: dict[str, str], threads: int | None) -> None:
    assert Settings.from_env({"AZURE_STORAGE_ACCOUNT": "stmain", **environ}).threads == threads
