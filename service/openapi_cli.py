"""`plimsoll openapi`: the contract as programs read it; needs no service."""

from pathlib import Path
from typing import Annotated

import typer

from service.terminal import fail


def openapi(
    check: Annotated[bool, typer.Option("--check", help="Write nothing, fail when old.")] = False,
    folder: Annotated[Path, typer.Option(help="Where they are.")] = Path("openapi"),
) -> None:
    """Write openapi.json and asyncapi.json, the contract as programs read it."""
    from service import app as rooms  # noqa: PLC0415 - costs a second

    documents = {folder / name: text for name, text in rooms.contract_documents().items()}
    old = [
        str(path)
        for path, text in documents.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if check and old:
        fail(f"not up to date: {', '.join(old)}; run `plimsoll openapi`")
    if not check:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in documents.items():
            path.write_text(text, encoding="utf-8")
    typer.echo(f"{', '.join(map(str, documents))}: {'written' if old else 'up to date'}")
