"""The documentation page of the API: Swagger UI from a Python package, without files from another host.

The page works behind a function key, because it repeats its own query (`?code=...`) in the address of each
file that the page loads.
"""

import base64
import hashlib
from importlib.resources import files

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, Response

_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_SCRIPT = """
const query = location.search, key = new URLSearchParams(query).get("code");
const load = (tag, values) => document.head.appendChild(Object.assign(document.createElement(tag), values));
const show = () => {
  const ui = SwaggerUIBundle({
    url: "openapi.json" + query, dom_id: "#api", deepLinking: true, validatorUrl: null,
    onComplete: () => key && ui.preauthorizeApiKey("functionKey", key),
  });
};
load("link", {rel: "icon", href: "docs/favicon-32x32.png" + query});
load("link", {rel: "stylesheet", href: "docs/swagger-ui.css" + query});
load("script", {src: "docs/swagger-ui-bundle.js" + query, onload: show});
"""
_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Tidegate API</title></head>
<body>
<main id="api">Loading ... Without JavaScript, read <a href="openapi.json">openapi.json</a>.</main>
<script>{_SCRIPT}</script>
</body>
</html>
"""
_SCRIPT_HASH = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    f"script-src 'self' 'sha256-{_SCRIPT_HASH}'",
    "Referrer-Policy": "no-referrer",  # the page's address contains the function key
    "Cache-Control": "no-store",
}

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def docs() -> HTMLResponse:
    return HTMLResponse(_PAGE, headers=_HEADERS)


@router.get("/docs/{name}")
def asset(name: str) -> Response:
    if name not in _ASSETS:
        raise HTTPException(404)
    content = (files("fastapi_swagger") / "resources" / name).read_bytes()
    return Response(content, media_type=_ASSETS[name], headers={"Cache-Control": "private, max-age=86400"})
