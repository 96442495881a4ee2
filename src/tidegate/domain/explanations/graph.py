"""Explanations: what led to something and what came of it, as a graph of facts from the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.links import activity_url
from tidegate.domain.effects import Effect
from tidegate.messages.commands import FROM_TIMER

FactValue = str | int | float | bool | None
NodeKind = Literal[
    "cause", "files", "scoring", "signal", "job", "run", "model", "verdict", "approval", "promotion",
    "rollout", "champion", "activity", "effect",
]  # fmt: skip


_CAUSE = "cause "  # begins the id of the node of a cause


@dataclass(frozen=True)
class Node:
    """A fact of the ledger. `id` is unique in an explanation, and `url` is its path in the API."""

    id: str
    kind: NodeKind
    title: str
    at: datetime | None = None
    by: str | None = None
    url: str | None = None
    facts: dict[str, FactValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Edge:
    """The cause `source` led to `target`."""

    source: str
    target: str


@dataclass(frozen=True)
class Graph:
    """Nodes and the edges between them. Graphs are added: a node that both have is there once."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()

    def __add__(self, other: "Graph") -> "Graph":
        nodes = {node.id: node for node in (*other.nodes, *self.nodes)}
        return Graph(tuple(nodes.values()), tuple(dict.fromkeys((*self.edges, *other.edges))))

    def led_to(self, source: str, *targets: str) -> "Graph":
        """Return the graph with edges from a node to others."""
        return self + Graph(edges=tuple(Edge(source, target) for target in targets))

    @property
    def in_time(self) -> list[Node]:
        """Return the nodes, oldest first. Those without a time come first."""
        return sorted(self.nodes, key=lambda node: node.at.timestamp() if node.at else 0.0)

    @property
    def known_edges(self) -> list[Edge]:
        """Return the edges between nodes that are there."""
        ids = {node.id for node in self.nodes}
        return [edge for edge in self.edges if edge.source in ids and edge.target in ids]


def cause_node(cause: str, effects: Sequence[Effect]) -> Node:
    """Return the node of an event, a request or a tick, from what is recorded of it."""
    id, at = cause_id(cause), effects[0].at if effects else None
    origin = next((effect.origin for effect in effects if effect.origin), None)
    if origin is None:
        title = "The timer" if cause.startswith(FROM_TIMER) else f"The cause {cause}"
        return Node(id, "cause", title, at=at, facts={"id": cause})
    requested = origin.by or origin.reason
    title = f"{origin.by or 'A caller'} requested: {origin.what}" if requested else origin.what
    facts: dict[str, Any] = {"id": cause, "reason": origin.reason}
    if origin.first or origin.last:
        # Another process may have received some of the events of a look.
        facts |= {"events_at_least": origin.events, "first": origin.first, "last": origin.last}
    return Node(id, "cause", title, at=at, by=origin.by, facts=known(facts))


def caused(cause: str | None, *targets: str) -> Graph:
    """Return the edges from a cause to what it led to."""
    return Graph().led_to(cause_id(cause), *targets) if cause else Graph()


def activity_graph(activity: Activity) -> Graph:
    """Return the node of an activity, with the channels that received it."""
    facts = {
        "id": activity.short_id,
        "kind": activity.kind,
        "text": activity.text,
        "sent": len(activity.sent),
        "replayed_by": activity.replayed_by,
    }
    id, url = f"activity {activity.short_id}", activity_url(activity)
    node = Node(id, "activity", activity.title, at=activity.at, url=url, facts=known(facts))
    return Graph((node,)) + caused(activity.cause, node.id)


def effect_graph(effect: Effect) -> Graph:
    """Return the node of an effect whose subject has no records of its own that are shown."""
    node = Node(f"effect {effect.id}", "effect", f"{effect.command} {effect.subject}", at=effect.at)
    return Graph((node,)) + caused(effect.cause, node.id)


def causes_of(graph: Graph) -> list[str]:
    """Return the causes that edges of the graph begin at and that have no node yet."""
    known = {node.id for node in graph.nodes}
    sources = (edge.source for edge in graph.edges if edge.source.startswith(_CAUSE))
    return [source.removeprefix(_CAUSE) for source in dict.fromkeys(sources) if source not in known]


def cause_id(cause: str) -> str:
    return f"{_CAUSE}{cause}"


def known(facts: Mapping[str, Any]) -> dict[str, FactValue]:
    """Return the facts that have a value."""
    return {name: value for name, value in facts.items() if value not in (None, "")}
