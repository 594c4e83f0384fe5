"""An API worker that has two routes more: the floors that benchmarks compare its calls with.

`python -m tests.benchmarks.rows_worker STORE_URL PORT`. `GET /floor` answers nothing. What is
`PUT /floor` is what `POST /floor` encodes once it has decoded its own body. What is `PUT /same` is
what `POST /same` answers as it is once it has its own body; it is looked up first of all routes.
"""

import socket
import sys
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response

from service.app import build_api, serve_api
from service.settings import Settings


def add_floors(app: FastAPI) -> None:
    kept: dict[str, Any] = {}
    same = b""

    @app.get("/floor")
    async def nothing() -> Response:
        return Response()

    @app.put("/floor")
    async def keep(request: Request) -> Response:
        kept["answer"] = orjson.loads(await request.body())
        return Response()

    @app.post("/floor")
    async def recode(request: Request) -> Response:
        orjson.loads(await request.body())
        return Response(orjson.dumps(kept["answer"]), media_type="application/json")

    @app.api_route("/same", methods=["PUT", "POST"])
    async def same_bytes(request: Request) -> Response:
        nonlocal same
        body = await request.body()
        if request.method == "PUT":
            same = body
        return Response(same)

    routes = app.router.routes
    routes.insert(0, routes.pop())


def main(store_url: str, port: str) -> None:
    settings = Settings(redis_url=store_url, log_level="warning")
    app = build_api(settings)
    add_floors(app)
    with socket.create_server(("127.0.0.1", int(port))) as listening:
        serve_api(app, settings, listening)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
