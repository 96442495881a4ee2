"""The generated parts of the documentation of Tidepool: what it emulates, by its routes and declarations.

`make docs` rewrites them.
"""

import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.support.declared_properties import SHARED, Leaf, leaves
from tests.support.installation import ROOT
from tidepool.arm.requests import Routes
from tidepool.composition import Composition
from tidepool.declarations.catalog import RESOURCES
from tidepool.declarations.jobs import DATA_TYPES
from tidepool.declarations.words import Table, Treatment

PAGE = ROOT / "docs/tidepool.md"
PROPERTIES_PAGE = ROOT / "docs/tidepool-properties.md"
_PART = re.compile(
    r"(<!-- resources: `make docs` writes this table -->\n).*?(<!-- end of resources -->)", re.DOTALL
)
_VERBS = ("LIST", "GET", "PUT", "PATCH", "DELETE")
_DATA_TYPES = re.compile(rf"\(({'|'.join(DATA_TYPES)})\)")
# The words of kinds that have no declaration. Routes have them in lower case.
_WORDS = (
    "Microsoft.EventGrid/systemTopics",
    "Microsoft.Insights/metricDefinitions",
    "Microsoft.Resources/resourceGroups",
    "Microsoft.Storage/storageAccounts",
    "Microsoft.Authorization/roleDefinitions",
    "locations/operationResults/operationsStatus/vmSizes",
)
_INTRODUCTION = """# Properties of requests to Tidepool

`make docs` writes this page from `src/tidepool/declarations/`. It has each property of a PUT or PATCH
request to Azure Resource Manager, as Microsoft's public type definitions name it. A type that a property
chooses is in parentheses, `*` is a name that the user chooses, and `(data)` is each type of data or model.
Tidepool answers 501 to a property that is refused or that is not on this page, with its name. Properties
that Azure sets are ignored, as in Azure.
"""


def page(text: str, routes: Routes) -> str:
    """Return docs/tidepool.md with its generated table."""
    return _PART.sub(lambda match: f"{match[1]}{_resources(routes)}{match[2]}", text)


def properties_page() -> str:
    """Return docs/tidepool-properties.md."""
    return _INTRODUCTION + "".join(_section(kind, table) for kind, table in _declared())


def _declared() -> Iterator[tuple[str, Table]]:
    """Yield each declaration. The assets of a registry are those of a workspace."""
    for kind, table in RESOURCES.items():
        if "/registries/" not in kind or "tempdatarefs" in kind:
            yield kind, table


def _resources(routes: Routes) -> str:
    requests: dict[str, list[str]] = defaultdict(list)
    for kind, verb in routes:
        requests[kind].append(verb)
    # Kinds such as workspaces/data/versions and workspaces/models/versions share a row if their requests are
    # the same.
    rows: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for kind, verbs in sorted(requests.items()):
        words = _short(_spelled(kind)).split("/")
        outer, name, inner = ("", *words, "") if len(words) == 1 else (*words[:2], "/".join(words[2:]))
        rows[outer, inner, _verbs(verbs)].append(name)
    return "| resource | requests |\n| --- | --- |\n" + "".join(
        f"| {_row(outer, names, inner)} | {verbs} |\n" for (outer, inner, verbs), names in rows.items()
    )


def _row(outer: str, names: list[str], inner: str) -> str:
    name = names[0] if len(names) == 1 else f"{{{', '.join(names)}}}"
    return "/".join(filter(None, (outer, name, inner)))


def _spelled(kind: str) -> str:
    words = {word.lower(): word for kind in (*RESOURCES, *_WORDS) for word in kind.split("/")}
    return "/".join(words.get(word, word) for word in kind.split("/"))


def _verbs(verbs: list[str]) -> str:
    known = [verb for verb in _VERBS if verb in verbs]
    return ", ".join([*known, *(f"`{verb}`" for verb in sorted(verbs) if verb not in _VERBS)])


def _short(kind: str) -> str:
    return kind.removeprefix("Microsoft.MachineLearningServices/")


def _section(kind: str, table: Table) -> str:
    by_note: dict[tuple[Treatment, str], dict[str, None]] = defaultdict(dict)
    for leaf in leaves(table, set()):
        for treatment, note in _notes(leaf):
            by_note[treatment, note][_name(leaf)] = None
    lines = [f"\n## {_short(kind)}\n"]
    used = sorted(
        {name for (treatment, _), names in by_note.items() if treatment is Treatment.USED for name in names}
    )
    lines.append(f"Used: {', '.join(used)}.\n\n" if used else "")
    for treatment, title in ((Treatment.STORED, "stored only"), (Treatment.REFUSED, "refused")):
        rows = [(note, names) for (kind_, note), names in by_note.items() if kind_ is treatment]
        if rows:
            lines.append(f"| {title} | because |\n| --- | --- |\n")
            lines += [f"| {', '.join(names)} | {note} |\n" for note, names in rows]
            lines.append("\n")
    return "".join(lines).rstrip("\n") + "\n"


def _notes(leaf: Leaf) -> Iterator[tuple[Treatment, str]]:
    declared = leaf.declared
    if declared.treatment in (Treatment.USED, Treatment.STORED):
        yield declared.treatment, "" if declared.treatment is Treatment.USED else declared.note
    if declared.only:
        allowed = ", ".join(
            f"`{value}`".replace("True", "true").replace("False", "false") for value in declared.only
        )
        yield Treatment.REFUSED, f"{declared.reason}. Accepted: {allowed}"
    elif declared.treatment is Treatment.REFUSED:
        yield Treatment.REFUSED, declared.reason


def _name(leaf: Leaf) -> str:
    texts = {"field": ".{0}", "member": ".*", "item": ".*", "choice": "({1})"}
    steps = (step for step in leaf.path if step[-1] != SHARED)
    name = "".join(texts[step[0]].format(*step[1:]) for step in steps)
    name = name.removeprefix(".properties").removeprefix(".")
    return f"`{_DATA_TYPES.sub('(data)', name)}`"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        routes = Composition(Path(folder), 0).router.routes
    PAGE.write_text(page(PAGE.read_text(), routes))
    PROPERTIES_PAGE.write_text(properties_page())


if __name__ == "__main__":
    main()
