"""The facts of models for explanations: run, verdict, approval, promotion, rollout and champion."""

from tidegate.domain.activities.links import model_url, version_url
from tidegate.domain.explanations.graph import Edge, FactValue, Graph, Node, caused, known
from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.lifecycle.records import Model, ModelVersion
from tidegate.domain.lifecycle.training_records import SignalRecord


def model_graph(record: ModelVersion) -> Graph:
    """Return the nodes of a model version: its run, data, verdict, approval, promotion and rollout."""
    name = model_reference(record.model, record.version)
    url, id = version_url(record.model, record.version), model_id(record.model, record.version)
    commit = next(
        (
            text
            for tags in (record.source.properties, record.source.tags)
            for key, text in tags.items()
            if key.endswith("git.commit")
        ),
        None,
    )
    facts = {
        "state": record.state.value,
        "uri": record.source.uri,
        "error": record.error,
        "assembled_from": record.assembled_from,
    }
    model = Node(id, "model", f"Model {name}", at=record.registered_at, url=url, facts=known(facts))
    run_facts = {"run": record.source.run, "code": commit, "data": _data_of(record.source.data)}
    run = Node(f"run {name}", "run", f"Training run of {name}", facts=known(run_facts))
    graph = Graph((run, model)).led_to(run.id, model.id)
    return graph + _verdict_graph(record, name, id) + _promotion_graph(record, name, id)


def _verdict_graph(record: ModelVersion, name: str, model: str) -> Graph:
    verdict, approval, graph = record.verdict, record.approval, Graph()
    url = version_url(record.model, record.version)
    if verdict:
        failed = [rule.metric or rule.rule for rule in verdict.rules if not rule.passed]
        facts = {
            "id": verdict.id,
            "passed": verdict.passed,
            "rules": len(verdict.rules),
            "failed": ", ".join(failed[:10]) or None,
            "holdout": verdict.data,
            "champion": verdict.champion or "none",
            "job": verdict.job,
        }
        title = f"{name} {'passed' if verdict.passed else 'did not pass'} the gate"
        node = Node(f"verdict {name}", "verdict", title, at=verdict.at, url=url, facts=known(facts))
        graph += Graph((node,)).led_to(model, node.id) + caused(verdict.cause, node.id)
    if approval:
        word = "approved" if approval.approved else "refused"
        node = Node(
            f"approval {name}",
            "approval",
            f"{approval.by} {word} {name}",
            at=approval.at,
            by=approval.by,
            url=url,
            facts={
                "reason": approval.reason,
                "signed_in": approval.by_source == "entra",
                "verdict": approval.verdict,
            },
        )
        graph += Graph((node,)).led_to(f"verdict {name}", node.id)
    return graph


def _promotion_graph(record: ModelVersion, name: str, model: str) -> Graph:
    promotion, rollout, graph = record.promotion, record.rollout, Graph()
    url = version_url(record.model, record.version)
    if promotion:
        facts = {
            "via": promotion.via,
            "production_version": promotion.production_version,
            "files": promotion.files,
            "bytes": promotion.bytes,
        }
        at = promotion.ended_at or promotion.begun_at
        title, before = f"Copy of {name} to production", "approval" if record.approval else "verdict"
        node = Node(f"promotion {name}", "promotion", title, at=at, url=url, facts=known(facts))
        graph += Graph((node,)).led_to(f"{before} {name}", node.id).led_to(model, node.id)
        graph += caused(promotion.cause, node.id)
    if rollout:
        facts = {
            "endpoint": rollout.endpoint,
            "deployment": rollout.deployment,
            "phase": rollout.phase,
            "percent": rollout.steps[-1].percent if rollout.steps else None,
            "why": rollout.why,
        }
        at = rollout.ended_at or rollout.began_at
        node = Node(f"rollout {name}", "rollout", f"Rollout of {name}", at=at, url=url, facts=known(facts))
        graph += Graph((node,)).led_to(f"promotion {name}", node.id)
    return graph


def champion_graph(model: Model) -> Graph:
    """Return the node of a model's champion."""
    champion = model.champion
    if champion is None:
        title = f"{model.model} has no champion"
        return Graph((Node(champion_id(model.model), "champion", title, url=model_url(model.model)),))
    facts: dict[str, FactValue] = {
        "production_version": champion.version,
        "by": champion.by,
        "previous": model.previous.source if model.previous else None,
    }
    title = f"{model_reference(model.model, champion.source)} is champion"
    url = model_url(model.model)
    node = Node(champion_id(model.model), "champion", title, at=champion.since, url=url, facts=known(facts))
    before = (f"{kind} {model_reference(model.model, champion.source)}" for kind in ("promotion", "rollout"))
    return Graph((node,)) + Graph(edges=tuple(Edge(source, node.id) for source in before))


def signal_graph(model: str, signal: SignalRecord, *trainings: str) -> Graph:
    """Return the node of a drift signal or a person's request, with the scoring that was measured for it."""
    facts = {
        "id": signal.id,
        "about": signal.about,
        "breached": signal.breached,
        "taken": signal.taken,
        "why": signal.why,
    }
    by, result = signal.evidence.get("by"), signal.evidence.get("result")
    title = f"Signal {signal.id} of {model}"
    node = Node(f"signal {model}:{signal.id}", "signal", title, signal.at, by, model_url(model), known(facts))
    graph = Graph((node,)).led_to(node.id, *trainings) + caused(signal.cause, node.id)
    return graph.led_to(f"scoring {result}", node.id) if result else graph


def model_id(model: str, version: str) -> str:
    return f"model {model_reference(model, version)}"


def _data_of(data: dict[str, str] | str) -> str | None:
    if isinstance(data, str):
        return data or None
    return ", ".join(f"{name}: {reference}" for name, reference in sorted(data.items())) or None


def champion_id(model: str) -> str:
    return f"champion {model}"
