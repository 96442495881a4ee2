"""The examples that a user's own repository can begin with, and what its files say of them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """An example: its folder in `examples`, its tidegate.yml in a checkout, and whether it has a demo.

    `what` it does, what `make up` shows at `first`, and how to go on `after` it are texts of the README. The
    test uploads the `file` to the `path` in the `container`, for the `feed`. Its jobs need the `packages`,
    besides those of Tidepool.
    """

    folder: str
    configuration: str
    what: str
    first: str
    after: str
    feed: str
    container: str
    path: str
    file: str
    demo: bool = True
    packages: tuple[str, ...] = ()


TEXTS = ("folder", "what", "first", "after", "feed", "container", "path", "file")
EXAMPLES = {
    "images": Example(
        folder="digits",
        configuration="tidegate.yml",
        what="""\
Files arrive in a container. Tidegate registers each month of them, scores it with a pipeline of Azure Machine
Learning, and judges and rolls out new models.""",
        first="a first model",
        after="`make demo` shows months and models from their arrival to their predictions.",
        feed="digits",
        container="images",
        path="202609",
        file="a.png",
    ),
    "tables": Example(
        folder="tables",
        configuration="examples/tables/tidegate.yml",
        what="""\
Tables of orders (Parquet, CSV) arrive in a container. Tidegate registers each month of them, and publishes a
prediction for each row. New versions of the model are judged on a table of later orders.""",
        first="a first model, and scores a month",
        after="""\
`examples/tables/training` trains the model, and `examples/tables/orders.py` makes the orders. Replace both
by yours, and name your feed, your model and its holdout in `tidegate.yml`.""",
        feed="orders",
        container="orders",
        path="202610",
        file="north/a.parquet",
        demo=False,
    ),
    "many-models": Example(
        folder="sales",
        configuration="examples/sales/tidegate.yml",
        what="""\
Sales of stores and products arrive in a container. Tidegate trains a model for each combination, keeps them
as one version of a model set, judges it key by key, and publishes forecasts.""",
        first="a first set of 40 models",
        after="`make demo` shows a set of 200 models from its first training to its renewal.",
        feed="sales",
        container="images",
        path="sales/202610",
        file="a.parquet",
        packages=("cloudpickle>=3", "duckdb>=1.1", "lightgbm>=4.6"),
    ),
}
