"""How the command line shows models and verdicts. Asks nothing."""

from collections.abc import Sequence
from typing import Any

from rich.markup import escape

from tidegate.cli.tables import console, make_table, short_time, show_activities

_COLOURS = {
    "registered": "blue",
    "evaluating": "yellow",
    "passed": "yellow",
    "promoting": "yellow",
    "challenger": "yellow",
    "champion": "green",
    "observed": "dim",
    "retired": "dim",
}


def show_models(models: Sequence[dict[str, Any]]) -> None:
    if not models:
        console.print("No model has a policy: see models in docs/configuration.md.")
        return
    table = make_table("model", "champion", "previous", "on its way", "gate", "approval")
    for model in models:
        champion, previous = model["champion"] or {}, model["previous"] or {}
        table.add_row(
            model["name"],
            champion.get("version", ""),
            previous.get("version", ""),
            *(model[key] or "" for key in ("rolling", "mode", "approval")),
        )
    console.print(table)


def show_model(model: dict[str, Any]) -> None:
    champion = model["champion"]
    console.print(f"[bold]{model['name']}[/]")
    if champion:
        since = f"since {short_time(champion['since'])}, by {escape(champion['by'])}"
        console.print(f"champion: {champion['version']} ({champion['source']} in development), {since}")
    else:
        console.print("champion: none yet")
    if model["versions"]:
        table = make_table("version", "state", "registered", "verdict", "why not")
        for one in model["versions"]:
            table.add_row(
                one["version"],
                _state(one["state"]),
                short_time(one["registered_at"]),
                one["verdict_id"] or "",
                escape(one["error"] or ""),
            )
        console.print(table)
    show_activities(model["activities"])


def show_version(version: dict[str, Any]) -> None:
    console.print(f"[bold]{version['model']}:{version['version']}[/]  {_state(version['state'])}")
    for past in version["history"]:
        console.print(
            f"[dim]before: verdict {past['verdict']['id']}, {past['state']}. {escape(past['why'])}[/]"
        )
    if version["error"]:
        console.print(f"[red]{escape(version['error'])}[/]")
    verdict = version["verdict"]
    if verdict is None:
        console.print("It has no verdict yet.")
        return
    beside = f"champion {verdict['champion']}" if verdict["champion"] else "no champion yet"
    console.print(f"verdict {verdict['id']}: on {verdict['data']}, beside {beside}, job {verdict['job']}")
    table = make_table("", "metric", "slice", "rule", "why")
    for line in verdict["rules"]:
        sign = "[green]✓[/]" if line["passed"] else "[red]✗[/]"
        table.add_row(sign, line["metric"], escape(line["slice"] or ""), line["rule"], escape(line["why"]))
    console.print(table)
    if approval := version["approval"]:
        word = "approved" if approval["approved"] else "refused"
        console.print(f"{word} by {escape(approval['by'])}: {escape(approval['reason'])}")


def show_judging(version: dict[str, Any]) -> None:
    console.print(f"[green]✓[/] {version['model']}:{version['version']} is going to be judged")
    console.print(f"  look: tidegate model {version['model']} {version['version']}")


def show_decision(version: dict[str, Any]) -> None:
    approval, name = version["approval"], f"{version['model']}:{version['version']}"
    word = "approved" if approval["approved"] else "refused"
    console.print(f"[green]✓[/] {name} is {word} by {escape(approval['by'])} (verdict {approval['verdict']})")
    console.print(f"  look: tidegate model {version['model']} {version['version']}")


def show_rollback(rollback: dict[str, Any]) -> None:
    console.print(f"[green]✓[/] {rollback['model']} goes back to {rollback['to']}")
    console.print(f"  look: tidegate model {rollback['model']}")


def _state(state: str) -> str:
    return f"[{_COLOURS.get(state, 'red')}]{state}[/]"
