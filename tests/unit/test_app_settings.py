"""The settings of the function app, compared with those that the templates give it."""

from tidegate.installation.checks.app_settings import problems_of
from tidegate.installation.infra_files import DeclaredSetting, declared_settings

DECLARED = (
    DeclaredSetting("THREADS", value="32"),
    DeclaredSetting("AZURE_CLIENT_ID", source="clientId"),
    DeclaredSetting("AZURE_STORAGE_ACCOUNT", source="feedStorage"),
    DeclaredSetting("NOTIFY_URL"),
)
WHOLE = {
    "THREADS": "32",
    "AZURE_CLIENT_ID": "the app",
    "AZURE_STORAGE_ACCOUNT": "stfeed",
    "NOTIFY_URL": "",
    "OWN": "x",
}


def test_settings_of_the_templates_are_complete_whatever_else_the_app_has() -> None:
    here = {"AZURE_STORAGE_ACCOUNT": "stfeed", "AZURE_CLIENT_ID": "a pipeline", "NOTIFY_URL": "secret"}

    assert list(problems_of(DECLARED, WHOLE, here)) == []
    assert list(problems_of(DECLARED, WHOLE, {})) == []


def test_each_setting_that_is_missing_or_differs_is_named() -> None:
    existing = {"THREADS": "4", "AZURE_STORAGE_ACCOUNT": "stother"}

    assert list(problems_of(DECLARED, existing, {"AZURE_STORAGE_ACCOUNT": "stfeed"})) == [
        "the setting THREADS is '4' instead of '32'",
        "the setting AZURE_CLIENT_ID is missing",
        "the setting AZURE_STORAGE_ACCOUNT is 'stother' instead of 'stfeed'",
        "the setting NOTIFY_URL is missing",
    ]


def test_the_file_of_the_templates_is_read() -> None:
    settings = {setting.name: setting for setting in declared_settings()}

    assert settings["PYTHON_THREADPOOL_THREAD_COUNT"].value == "32"
    assert settings["AzureWebJobsStorage__accountName"].source == "serviceStorage"
    assert settings["NOTIFY_URL"] == DeclaredSetting("NOTIFY_URL")
