"""The budget's unit: a server that does what any must, measured in the same run as ours.

`/empty` is an empty FastAPI route, `/echo` only decodes and encodes the body, `/durable` puts the
body on the disk before it answers.
"""

import os
import tempfile

import orjson
from fastapi import FastAPI, Request, Response


def build_floor() -> FastAPI:
    floor = FastAPI(openapi_url=None)
    journal = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  it lives as long as the process

    @floor.get("/empty")
    async def empty() -> Response:
        return Response()

    @floor.post("/echo")
    async def echo(request: Request) -> Response:
        return Response(orjson.dumps(orjson.loads(await request.body())))

    @floor.post("/durable")
    async def durable(request: Request) -> Response:
        journal.write(await request.body())
        os.fdatasync(journal.fileno())
        return Response()

    return floor
