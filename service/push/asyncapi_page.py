"""The AsyncAPI document as a page to read: one answer, no script, nothing from anywhere else.

It shows whatever the document says, frame by frame and schema by schema, so that it cannot fall
behind. The policy that goes with it allows the one style sheet below, by its hash, and no more.
"""

import json
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import escape
from typing import Any

Document = dict[str, Any]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem 1.5rem;
  color: #1b1f24; background: #fff }
h2 { border-bottom: 1px solid #c8ccd1; margin-top: 2.5rem }
h3 { margin-bottom: 0 }
code, pre { font: 14px/1.4 ui-monospace, monospace }
pre { background: #f4f5f7; overflow-x: auto; padding: .75rem }
table { border-collapse: collapse; width: 100% }
th, td { border-top: 1px solid #e1e4e8; padding: .25rem .75rem .25rem 0; text-align: left;
  vertical-align: top }
a { color: #0b5cad }
@media (prefers-color-scheme: dark) {
  body { color: #d6dae0; background: #14171b }
  pre { background: #20242a }
  h2, th, td { border-color: #3a4048 }
  a { color: #6fb1f5 }
}
"""
# `img-src data:` is for the empty icon, without which browsers ask for one.
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        f"img-src data:; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_BOUNDS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} in it",
    "minimum": "from {}",
    "maximum": "to {}",
    "pattern": "pattern {}",
}


def render_page(document: Document) -> str:
    """Return the document as HTML; every text of it is escaped."""
    return "\n".join(_page(document)) + "\n"


def _page(document: Document) -> Iterator[str]:
    info = document["info"]
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<link rel="icon" href="data:,"><title>{escape(info["title"])}</title>'
    yield f"<style>{_STYLE}</style></head><body>"
    yield f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>"
    for paragraph in info["description"].split("\n\n"):
        yield f"<p>{_prose(paragraph)}</p>"
    yield (
        '<p>This page shows <a href="/asyncapi.json">the AsyncAPI '
        f"{escape(document['asyncapi'])} document</a>. The REST calls are in the "
        '<a href="/openapi.json">OpenAPI document</a>.</p>'
    )
    for channel in document["channels"].values():
        yield from _channel(channel)
    shown: set[str] = set()
    for operation in document["operations"].values():
        yield f"<h2>{escape(operation['summary'])}</h2>"
        for message in operation["messages"]:
            name = message["$ref"].rpartition("/")[2]
            if name in shown:  # on another channel
                yield f'<h3><a href="#{escape(name)}">{escape(name)}</a></h3>'
            else:
                yield from _message(document, name)
            shown.add(name)
    yield "<h2>What frames are made of</h2>"
    for name, schema in document["components"]["schemas"].items():
        if name not in document["components"]["messages"]:
            yield f'<h3 id="{escape(name)}">{escape(name)}</h3>'
            yield from _schema(schema)
    yield "</body></html>"


def _channel(channel: Document) -> Iterator[str]:
    yield f"<h2><code>{escape(channel['address'])}</code></h2><p>{escape(channel['title'])}.</p>"
    yield "<table><tr><th>closed with</th><th>why</th></tr>"
    for code, reason in channel["x-close-codes"].items():
        yield f"<tr><td><code>{escape(code)}</code></td><td>{escape(reason)}</td></tr>"
    yield "</table>"


def _message(document: Document, name: str) -> Iterator[str]:
    message = document["components"]["messages"][name]
    title = f"{escape(message['title'])} <code>{escape(message['name'])}</code>"
    yield f'<h3 id="{escape(name)}">{title}</h3>'
    yield from _schema(document["components"]["schemas"][name])
    for example in message["examples"]:
        text = json.dumps(example["payload"], indent=2, ensure_ascii=False)
        yield f"<pre>{escape(text)}</pre>"


def _schema(schema: Document) -> Iterator[str]:
    yield f"<p>{_prose(schema.get('description', ''))}</p>"
    yield "<table><tr><th>field</th><th>what</th><th></th></tr>"
    for name, field in schema["properties"].items():
        optional = "" if name in schema["required"] else " (optional)"
        yield (
            f"<tr><td><code>{escape(name)}</code>{optional}</td><td>{_kind(field)}</td>"
            f"<td>{_prose('; '.join(_remarks(field)))}</td></tr>"
        )
    yield "</table>"


def _kind(schema: Document) -> str:
    """Return what a value may be, in words with links."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(f"<code>{escape(json.dumps(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return escape(str(schema.get("type", "anything")))


def _remarks(schema: Document) -> Iterator[str]:
    """Yield what is said of a value and of its parts, and the bounds it must keep."""
    if "description" in schema:
        yield schema["description"]
    for bound, words in _BOUNDS.items():
        if bound in schema:
            yield words.format(schema[bound])
    for part in (*schema.get("anyOf", ()), schema.get("items")):
        if part:
            yield from _remarks(part)


def _prose(text: str) -> str:
    """Return text as HTML; what stands between backticks is code."""
    pieces = escape(text).split("`")
    return "".join(
        f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces)
    )
