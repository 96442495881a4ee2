"""The command that shows what jobs cost."""

from typing import Annotated, Any

import typer
from rich.markup import escape

from tidegate.cli.ids import parse_model, without_quotes
from tidegate.cli.options import EXIT_CODES, AsJson, Key, Url, client, print_json
from tidegate.cli.tables import console, make_table
from tidegate.cli.watching import Watch, show_or_watch


def add_to(app: typer.Typer) -> None:
    app.command(epilog=f"Example: tidegate cost --feed digits --month 202611\n\n{EXIT_CODES}")(cost)


def cost(  # noqa: PLR0913, PLR0917 - options of a command
    feed: Annotated[str, typer.Option(help="Only the partitions of this feed.", show_default=False)] = "",
    model: Annotated[str, typer.Option(help="Only this model.", show_default=False)] = "",
    month: Annotated[str, typer.Option(help="Only this month, such as 202611.", show_default=False)] = "",
    watch: Watch = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Show what partitions and models cost by month, estimated from node-seconds and prices."""
    api = client(url, key)
    pasted = {"feed": feed, "model": parse_model(model)[0], "month": month.replace("-", "")}
    query = {name: without_quotes(text) for name, text in pasted.items() if text}

    def show() -> None:
        costs = api.get("/api/costs", **query)
        print_json(costs) if as_json else _show(costs)

    show_or_watch(show, watch=watch, as_json=as_json)


def _show(costs: dict[str, Any]) -> None:
    if not costs["rows"]:
        console.print("No job has cost anything.")
        return
    currency = costs["currency"] or "no prices"
    table = make_table("month", "what", "node-hours>", f"{currency}>", "jobs>", "running>")
    for row in costs["rows"]:
        what = f"{row['feed']} {row['partition']}" if row["kind"] == "partition" else f"model {row['model']}"
        table.add_row(row["month"], escape(what), *_cells(row["estimate"]))
    table.add_row("", "[bold]total[/]", *_cells(costs["total"]))
    console.print(table)
    total = costs["total"]
    console.print("These are estimates, from the times of the steps and the prices in tidegate.yml.")
    for cluster, hours in total["no_price"].items():
        console.print(f"[yellow]![/] {escape(cluster)} has no price: {hours:.2f} node-hours are not in it.")
    if total["unknown"]:
        console.print(f"[yellow]![/] What {total['unknown']} jobs took is not known.")


def _cells(estimate: dict[str, Any]) -> list[str]:
    amount, hours = f"{estimate['amount']:.2f}", f"{estimate['node_hours']:.2f}"
    return [hours, amount, str(estimate["jobs"]), str(estimate["running"])]
