"""Tables and lines of the command line about models and verdicts."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from tidegate.cli.partition_tables import say_earlier, show_activities
from tidegate.cli.tables import console, make_table, short_time

_COLOURS = {
    "registered": "blue",
    "evaluating": "yellow",
    "passed": "yellow",
    "promoting": "yellow",
    "challenger": "yellow",
    "champion": "green",
    "observed": "dim",
    "assembled": "dim",
    "retired": "dim",
}
# Texts after a limit that say what the metric is compared with, for the rules about the champion.
_LIMIT_NOTES = {
    "champion_tolerance": ", from the champion's value",
    "min_improvement": " better than the champion",
    "non_inferiority": " for the difference to the champion",
}
# Rules that state something instead of comparing a metric.
_STATEMENTS = {"subject": "holdout", "no champion": "champion"}


def show_models(models: Sequence[dict[str, Any]]) -> None:
    if not models:
        console.print("No model has a policy. Add one under models in tidegate.yml: docs/configuration.md.")
        return
    table = make_table("model", "champion", "previous", "in promotion", "gate", "approval")
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
    say_earlier(model, "versions")
    if model["versions"]:
        table = make_table("version", "state", "registered", "verdict", "problem")
        for version in model["versions"]:
            table.add_row(
                version["version"],
                _state(version["state"]),
                short_time(version["registered_at"]),
                version["verdict_id"] or "",
                escape(version["error"] or ""),
            )
        console.print(table)
    say_earlier(model, "activities")
    show_activities(model["activities"])


def show_version(version: dict[str, Any]) -> None:
    console.print(f"[bold]{version['model']}:{version['version']}[/]  {_state(version['state'])}")
    for past in version["history"]:
        console.print(
            f"[dim]earlier verdict {past['verdict']['id']}, {past['state']}: {escape(past['why'])}[/]"
        )
    if version["assembled_into"]:
        console.print(f"The winners of its keys are {version['model']}:{version['assembled_into']}.")
    if version["assembled_from"]:
        console.print(f"The winners of {version['model']}:{version['assembled_from']}, key by key.")
    if version["error"]:
        console.print(f"[red]{escape(version['error'])}[/]")
    verdict = version["verdict"]
    if verdict is None:
        console.print("It has no verdict yet.")
        return
    comparison = f"compared with champion {verdict['champion']}" if verdict["champion"] else "no champion yet"
    console.print(f"verdict {verdict['id']}: on {verdict['data']}, {comparison}, job {verdict['job']}")
    console.print(rules_table(verdict["rules"]))
    if approval := version["approval"]:
        decision = "approved" if approval["approved"] else "refused"
        console.print(f"{decision} by {escape(approval['by'])}: {escape(approval['reason'])}")


def rules_table(rules: Iterable[dict[str, Any]]) -> Table:
    """Return the lines of a verdict as a table: rule, value, limit and result."""
    table = make_table("rule", "value>", "limit", "result")
    for rule in rules:
        result = "[green]✓ pass[/]" if rule["passed"] else "[red]✗ fail[/]"
        table.add_row(escape(_rule_name(rule)), _number(rule["value"]), escape(_limit(rule)), result)
    return table


def show_judging(version: dict[str, Any]) -> None:
    console.print(f"[green]✓[/] {version['model']}:{version['version']} will be judged again")
    console.print(f"  follow it with: tidegate model {version['model']} {version['version']}")


def show_decision(version: dict[str, Any]) -> None:
    approval, name = version["approval"], f"{version['model']}:{version['version']}"
    decision = "approved" if approval["approved"] else "refused"
    console.print(
        f"[green]✓[/] {name} is {decision} by {escape(approval['by'])} (verdict {approval['verdict']})"
    )
    console.print(f"  follow it with: tidegate model {version['model']} {version['version']}")


def show_retraining(requested: dict[str, Any]) -> None:
    console.print(
        f"[green]✓[/] {requested['model']} is trained on {escape(', '.join(requested['data']))}, "
        f"job {requested['job']}",
        soft_wrap=True,
    )
    console.print(f"  follow it with: tidegate model {requested['model']}")


def show_job_end(job: dict[str, Any]) -> None:
    """Print how a job ended that the command has waited for."""
    reason = f": {escape(job['reason'])}" if job["reason"] else ""
    colour = "green" if job["end"] == "completed" else "red"
    console.print(f"{job['name']} is [{colour}]{job['end']}[/]{reason}", soft_wrap=True)


def show_rollback(rollback: dict[str, Any]) -> None:
    console.print(f"[green]✓[/] {rollback['model']} is rolled back to {rollback['to']}")
    console.print(f"  follow it with: tidegate model {rollback['model']}")


def _rule_name(rule: dict[str, Any]) -> str:
    """Return `accuracy`, or `accuracy, night` for a slice. A rule about no metric has its own name."""
    if not rule["metric"]:
        return _STATEMENTS.get(rule["rule"], str(rule["rule"]))
    name = f"{rule['metric']}, {rule['slice']}" if rule["slice"] else str(rule["metric"])
    return f"training: {name}" if rule["rule"].startswith("training ") else name


def _limit(rule: dict[str, Any]) -> str:
    """Return `at least 0.8` or `at most 0.1`, or the verdict's text if there are no numbers to compare."""
    value, threshold, note = rule["value"], rule["threshold"], _LIMIT_NOTES.get(rule["rule"], "")
    if threshold is None and note and rule["passed"]:
        return "none, as there is no champion yet"
    if value is None or threshold is None:
        return str(rule["why"])
    least = rule["passed"] == (value >= threshold)
    return f"{'at least' if least else 'at most'} {_number(threshold)}{note}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _state(state: str) -> str:
    return f"[{_COLOURS.get(state, 'red')}]{state}[/]"
