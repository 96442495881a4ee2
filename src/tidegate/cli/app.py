"""The command line `tidegate`: deploy and doctor use Azure's SDKs, the others the service's API."""

import gc
import os
import sys
from collections.abc import Sequence

try:
    import typer
    from rich.console import Console  # noqa: F401 - imported here, so that one message names what is missing
except ImportError:  # Azure installs the service without these packages
    sys.exit(
        "The command line needs packages that the service does not. "
        "Install them in a checkout of Tidegate: pip install -e '.[cli]', or with its wheel: "
        "pip install 'tidegate-VERSION.whl[cli]'"
    )

from tidegate.api_client import UnreachableError
from tidegate.cli import (
    backfills,
    check,
    cost,
    explain,
    failures,
    init,
    installation,
    jobs,
    members,
    models,
    partitions,
    pauses,
    status,
    tables,
)
from tidegate.cli.options import EXIT_CODES, FAILED, UNREACHABLE
from tidegate.errors import TidegateError, TransientError

# With this environment variable, an error that was not expected is shown with its traceback.
_TRACEBACK = "TIDEGATE_TRACEBACK"

app = typer.Typer(
    help="Install the service, look at partitions and models, and act on them.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
MODULES = (
    status,
    partitions,
    models,
    members,
    jobs,
    failures,
    explain,
    cost,
    check,
    backfills,
    pauses,
    installation,
    init,
)
for module in MODULES:
    module.add_to(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. Without `arguments`, use the arguments of the process."""
    gc.set_threshold(50_000, 20, 20)  # fewer collections while Azure's SDKs are imported
    try:
        app(arguments)
    except (UnreachableError, TransientError) as error:
        _end(str(error), UNREACHABLE)
    except TidegateError as error:
        _end(str(error), FAILED)
    except Exception as error:
        if os.environ.get(_TRACEBACK):
            raise
        _end(
            f"An error that was not expected, {type(error).__name__}: {error}. "
            f"Set {_TRACEBACK}=1 to see where it comes from.",
            FAILED,
        )


def _end(problem: str, code: int) -> None:
    tables.errors.print(problem, style="red", markup=False, soft_wrap=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
