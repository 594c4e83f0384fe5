"""`plimsoll evaluate`: a request in a file, answered without a service or by a running one."""

import asyncio
from pathlib import Path
from typing import Annotated, Literal

import httpx
import msgspec
import typer

from service.contract.evaluation import EvaluateAnswer
from service.demo.answers import pool_table, position_table, problem_lines
from service.demo.listener import Service, web_address
from service.terminal import DEFAULT_URL, Token, fail, log, out, settings_of

JSON = "application/json"


def evaluate(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A request, as JSON.")],
    url: Annotated[str | None, typer.Option(help="Ask this service and use its marks.")] = None,
    token: Token = None,
    output: Annotated[
        Literal["table", "json"], typer.Option("--output", "-o", help="How to show the answer.")
    ] = "table",
) -> None:
    """Evaluate the accounts in a file, written as in POST /v1/evaluate; needs no service."""
    with log.status("evaluating"):
        try:
            response = asyncio.run(_evaluate(file.read_bytes(), url, token))
        except httpx.TransportError as error:
            fail(f"no service answers at {url}: {error}")
    if output == "json":
        typer.echo(response.content)
    if not response.is_success:
        fail(response.text if output == "table" else f"answered {response.status_code}")
    if output == "table":
        answer = msgspec.json.decode(response.content, type=EvaluateAnswer)
        out.print(pool_table(answer), "", position_table(answer))
        for problem in problem_lines(answer):
            log.print(problem, style="red", highlight=False)


async def _evaluate(body: bytes, url: str | None, token: str | None) -> httpx.Response:
    address = "/v1/evaluate"
    if url is not None:
        async with Service(web_address(url), token).client(60.0) as client:
            return await client.post(address, content=body, headers={"Content-Type": JSON})
    from service import app as rooms  # noqa: PLC0415 - a second, not with `--url`

    # Nobody else calls the service inside this process: it needs no keys.
    settings = settings_of().model_copy(update={"require_keys": False, "bootstrap_key": None})
    inside = httpx.ASGITransport(app=rooms.build_api(settings))
    async with httpx.AsyncClient(transport=inside, base_url=DEFAULT_URL) as client:
        return await client.post(address, content=body, headers={"Content-Type": JSON})
