"""A Tidepool with a fault of its own: it ignores one property of requests.

Python imports this module at its start if its folder is in PYTHONPATH. The file `TIDEPOOL_IGNORES` has the
name of the test that a declaration names, and the name of the property. It may change at any time.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

if "tidepool.supervisor" in sys.orig_argv and "TIDEPOOL_IGNORES" in os.environ:
    from tidepool.declarations import checks
    from tidepool.declarations.words import Property, Table

    FILE = Path(os.environ["TIDEPOOL_IGNORES"])
    _read = checks._Reader.table

    def _without_ignored(
        reader: checks._Reader, table: Table, body: Mapping[str, Any], path: str
    ) -> dict[str, Any]:
        test, _, name = FILE.read_text().partition(" ")
        declared = table.get(name)
        if isinstance(body, Mapping) and isinstance(declared, Property) and declared.note == test:
            body = {key: value for key, value in body.items() if key.lower() != name.lower()}
        return _read(reader, table, body, path)

    setattr(checks._Reader, "table", _without_ignored)  # noqa: B010  # to mypy, a method is no variable
