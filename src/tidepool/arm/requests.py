"""Resource ids and requests of Azure Resource Manager, parsed."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tidepool.access.principals import Principal
from tidepool.errors import AzureError
from tidepool.store import Document

MANAGEMENT = "https://management.azure.com"
ML = "Microsoft.MachineLearningServices"

_VERBS = {"PUT": "write", "PATCH": "write", "DELETE": "delete", "GET": "read", "HEAD": "read"}


@dataclass(frozen=True)
class ArmPath:
    """A path `{scope}/providers/{provider}/{type}/{name}/{type}/{name}...`.

    A last type without a name is a collection or an action. `scope` is the text before the last
    `/providers/`: the id of a resource group, or of the resource that this resource extends.
    """

    text: str
    scope: str
    provider: str
    types: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Return `provider/type/type` in lower case, which is the key in the tables of routes."""
        return "/".join((self.provider, *self.types)).lower()

    @property
    def is_collection(self) -> bool:
        return len(self.types) > len(self.names)

    @property
    def root(self) -> str:
        """Return the id of the outermost resource, such as the workspace or the registry."""
        return self.ancestor(1)

    def ancestor(self, depth: int) -> str:
        """Return the id that ends after the first `depth` pairs of type and name."""
        if depth == 0:
            return self.scope
        pairs = zip(self.types[:depth], self.names[:depth], strict=True)
        return f"{self.scope}/providers/{self.provider}/" + "/".join("/".join(pair) for pair in pairs)

    def action(self, method: str, verb: str = "") -> str:
        """Return the action that a role must allow, such as `.../workspaces/data/versions/write`."""
        operation = "/".join((self.provider, *self.types))
        return f"{operation}/{verb}/action" if verb else f"{operation}/{_VERBS.get(method, 'action')}"


def parse(path: str) -> ArmPath:
    """Parse an id. Subscriptions and resource groups are resources of Microsoft.Resources."""
    text = "/" + path.strip("/")
    scope, separator, rest = text.rpartition("/providers/")
    segments = rest.split("/") if separator else ["Microsoft.Resources", *text.strip("/").split("/")]
    return ArmPath(
        text=text,
        scope=scope if separator else "",
        provider=segments[0],
        types=tuple(segments[1::2]),
        names=tuple(segments[2::2]),
    )


# The versions of the API and of hashes, the direction of an order, without which it has no meaning, and
# whether connections of a hub are listed, which Tidepool does not have.
_WITHOUT_EFFECT = ("api-version", "hashVersion", "orderByAsc", "includeAll")


class Query(dict[str, str]):
    """The parameters of a request, and which of them its handler has read, one by one."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        super().__init__(parameters)
        self._read = set(_WITHOUT_EFFECT)

    def __getitem__(self, name: str) -> str:
        self._read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._read.add(name)
        return super().get(name, default)

    def unread(self) -> list[str]:
        return [name for name, value in self.items() if value and name not in self._read]


@dataclass(frozen=True)
class Call:
    """A request to a resource, with its sender, query and body."""

    path: ArmPath
    principal: Principal
    query: Query
    body: Document = field(default_factory=dict)
    host: str = MANAGEMENT

    @property
    def url(self) -> str:
        return f"{self.host}{self.path.text}"

    @property
    def properties(self) -> Document:
        properties = self.body.get("properties")
        return properties if isinstance(properties, dict) else {}


Handler = Callable[[Call], Awaitable[Response]]
# Keys are (kind in lower case, verb). A verb is GET, LIST, PUT, PATCH, DELETE, or the name of an action
# in lower case.
Routes = dict[tuple[str, str], Handler]


def kind(*types: str, provider: str = ML) -> str:
    return "/".join((provider, *types)).lower()


# A text, a comment, or the name `template` without quotes.
_LENIENT = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/|(?<=[{,\s])template(?=\s*:)', re.DOTALL)


def parse_json(text: str) -> Any:
    """Parse JSON as Azure Resource Manager does: with comments, and with a name `template` without quotes.

    azure-cli sends such a body, because it sends the file of a template as it is.
    """
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(_LENIENT.sub(_strict, text))


def _strict(match: re.Match[str]) -> str:
    part = match[0]
    return part if part.startswith('"') else '"template"' if part == "template" else ""


async def read_json(request: Request) -> Document:
    """Return the body as an object, which is empty if there is no body.

    Raise AzureError 400 if the body is not a JSON object.
    """
    raw = await request.body()
    if not raw:
        return {}
    try:
        body: Any = parse_json(raw.decode())
    except ValueError as error:
        raise AzureError(
            400,
            "InvalidRequestContent",
            f"The request content was invalid and could not be deserialized: {error}",
        ) from error
    if not isinstance(body, dict):
        raise AzureError(400, "InvalidRequestContent", "The request content must be a JSON object.")
    return body


def resource(resource_id: str, properties: Document, **more: Any) -> Document:
    """Return a resource with the outer fields that all resources of Resource Manager have."""
    path = parse(resource_id)
    return {
        "id": resource_id,
        "name": path.names[-1],
        "type": "/".join((path.provider, *path.types)),
        "properties": properties,
        **more,
    }


def listed(items: list[Document], query: Mapping[str, str], url: str, page: int = 100) -> JSONResponse:
    """Return one page of a collection: `$top` items from `$skip` on, and the link to the next page.

    `count` is the size of a page.
    """
    start = _number(query, "$skip", 0)
    size = min(page, _number(query, "$top", page), _number(query, "count", page))
    answer: Document = {"value": items[start : start + size]}
    if not query.get("$top") and start + size < len(items):
        answer["nextLink"] = f"{url}?{urlencode({**query, '$skip': start + size})}"
    return JSONResponse(answer)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    value = query.get(name) or str(default)
    if not value.isdecimal():
        raise AzureError(400, "InvalidQueryParameter", f"'{name}' is '{value}': it must be a number.")
    return int(value)


def name_in(resource_id: str, type_: str) -> str:
    """Return the name that follows `/{type}/` in an id, or an empty string."""
    match = re.search(rf"/{type_}/([^/]+)", resource_id, re.IGNORECASE)
    return match[1] if match else ""
