"""What makes Azure find no functions in an app, and what does not."""

import itertools
import textwrap
from pathlib import Path

import pytest

from tidepool.functions.index import DEFAULT_SCRIPT, SCRIPT_SETTING, IndexedFunction, index

_numbers = itertools.count()

HEAD = """
from typing import List
import azure.functions as func
app = func.FunctionApp()
"""


@pytest.fixture
def indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Indexes an app of this text, under a module name of its own."""

    def run(text: str, head: str = HEAD) -> dict[str, IndexedFunction]:
        script = f"index_case_{next(_numbers)}.py"
        (tmp_path / script).write_text(head + textwrap.dedent(text))
        monkeypatch.setenv(SCRIPT_SETTING, script)
        monkeypatch.syspath_prepend(tmp_path)
        return {function.name: function for function in index(tmp_path)}

    return run


GOOD = {
    "Event Grid": """
        @app.event_grid_trigger(arg_name="event")
        def good(event: func.EventGridEvent): ...
    """,
    "no annotation": """
        @app.event_grid_trigger(arg_name="event")
        def good(event): ...
    """,
    "cloud event": """
        @app.event_grid_trigger(arg_name="event")
        async def good(event: func.CloudEvent, context: func.Context): ...
    """,
    "the body as a string": """
        @app.queue_trigger(arg_name="msg", queue_name="q", connection="C")
        def good(msg: str): ...
    """,
    "outputs": """
        @app.queue_trigger(arg_name="msg", queue_name="q", connection="C")
        @app.queue_output(arg_name="out", queue_name="o", connection="C")
        def good(msg: func.QueueMessage, out: func.Out[List[str]]) -> None: ...
    """,
    "a returned output": """
        @app.timer_trigger(arg_name="timer", schedule="0 * * * * *")
        @app.queue_output(arg_name="$return", queue_name="o", connection="C")
        def good(timer: func.TimerRequest) -> str: ...
    """,
    "a name of its own": """
        @app.function_name("good")
        @app.route("x")
        def other(req: func.HttpRequest) -> func.HttpResponse: ...
    """,
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_what_the_worker_accepts(indexed, text: str) -> None:  # type: ignore[no-untyped-def]
    assert list(indexed(text)) == ["good"]


BAD = {
    "a list of events": (
        """
        @app.event_grid_trigger(arg_name="event")
        def bad(event: List[func.EventGridEvent]): ...
        """,
        "does not match its Python annotation",
    ),
    "another trigger's type": (
        """
        @app.event_grid_trigger(arg_name="event")
        def bad(event: func.QueueMessage): ...
        """,
        'type of event binding in the function definition "eventGridTrigger" does not match',
    ),
    "a parameter without a binding": (
        """
        @app.event_grid_trigger(arg_name="event")
        def bad(event: func.EventGridEvent, more: str): ...
        """,
        "declared in Python but not in the function definition.*more",
    ),
    "a binding without a parameter": (
        """
        @app.event_grid_trigger(arg_name="event")
        def bad(ev: func.EventGridEvent): ...
        """,
        "declared in Python but not|but not in Python",
    ),
    "Out on an input": (
        """
        @app.queue_trigger(arg_name="msg", queue_name="q", connection="C")
        def bad(msg: func.Out[str]): ...
        """,
        "annotation is azure.functions.Out in Python",
    ),
    "an output without Out": (
        """
        @app.queue_trigger(arg_name="msg", queue_name="q", connection="C")
        @app.queue_output(arg_name="out", queue_name="o", connection="C")
        def bad(msg: func.QueueMessage, out: str): ...
        """,
        "not a subclass of azure.functions.Out",
    ),
    "list[str] as an output": (
        """
        @app.queue_trigger(arg_name="msg", queue_name="q", connection="C")
        @app.queue_output(arg_name="out", queue_name="o", connection="C")
        def bad(msg: func.QueueMessage, out: func.Out[list[str]]): ...
        """,
        "cannot load the bad function",
    ),
    "a foreign context": (
        """
        @app.event_grid_trigger(arg_name="event")
        def bad(event: func.EventGridEvent, context: str): ...
        """,
        "expected to be of type azure.functions.Context",
    ),
    "a wrong return type": (
        """
        @app.route("x")
        def bad(req: func.HttpRequest) -> int: ...
        """,
        'return annotation "int" does not match binding type "http"',
    ),
    "an annotation that does not exist": (
        """
        @app.event_grid_trigger(arg_name="event")
        def bad(event: "func.Nothing"): ...
        """,
        "Nothing",
    ),
    "a bad name": (
        """
        @app.function_name("1st")
        @app.event_grid_trigger(arg_name="event")
        def bad(event: func.EventGridEvent): ...
        """,
        "'1st' is not a valid function name",
    ),
    "the name host": (
        """
        @app.event_grid_trigger(arg_name="event")
        def host(event: func.EventGridEvent): ...
        """,
        "'host' is not a valid function name",
    ),
    "one name twice": (
        """
        @app.event_grid_trigger(arg_name="event")
        def bad(event: func.EventGridEvent): ...

        @app.event_grid_trigger(arg_name="event")
        def bad(event: func.EventGridEvent): ...
        """,
        "does not have a unique function name",
    ),
    "no trigger": (
        """
        @app.queue_output(arg_name="out", queue_name="o", connection="C")
        def bad(out: func.Out[str]): ...
        """,
        "does not have a trigger",
    ),
    "two apps": ("more = func.FunctionApp()", "More than one FunctionApp"),
    "no app": ("del app", "Could not find top level function app instances"),
    "an import that fails": ("import not_there", "No module named 'not_there'"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_what_makes_azure_find_nothing(indexed, text: str, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Exception, match=message):
        indexed(text)


@pytest.mark.parametrize("script", ["../function_app.py", "folder/app.py", "app.txt"])
def test_the_script_file_is_a_name_not_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setenv(SCRIPT_SETTING, script)

    with pytest.raises(Exception, match=r"must be the name of a \.py file"):
        index(tmp_path)


def test_a_folder_without_the_script_has_no_functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SCRIPT_SETTING, raising=False)

    with pytest.raises(Exception, match=f"has no file {DEFAULT_SCRIPT}"):
        index(tmp_path)
