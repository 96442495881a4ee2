"""The start of the functions worker on an app's own packages, and on no others.

`python -P -S worker_start.py PACKAGES --socket FD APP_DIR` is run as a script. The flag -S keeps away the
packages of Tidepool's own environment: a dependency that the app's folder lacks is missing here, as in Azure.
"""

import sys
from pathlib import Path


def main(packages: str, *arguments: str) -> None:
    source = str(Path(__file__).resolve().parents[2])
    sys.path[:0] = [packages, source]
    from tidepool.functions import worker

    sys.path.remove(source)
    worker.main(list(arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
