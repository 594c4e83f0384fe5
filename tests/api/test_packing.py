"""The contract's documents come as gzip to who takes it; answers never do."""

import httpx
import pytest

pytestmark = pytest.mark.anyio

PACKED = {"accept-encoding": "gzip"}
PLAIN = {"accept-encoding": "identity"}


@pytest.mark.parametrize("path", ["/openapi.json", "/asyncapi", "/asyncapi.json"])
async def test_a_document_is_packed_for_who_takes_it(alone: httpx.AsyncClient, path: str) -> None:
    packed = await alone.get(path, headers=PACKED)
    plain = await alone.get(path, headers=PLAIN)
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.headers["vary"].lower() == plain.headers["vary"].lower() == "accept-encoding"
    assert packed.content == plain.content  # httpx has unpacked it
    assert 4 * int(packed.headers["content-length"]) < len(plain.content)


async def test_an_answer_is_not(alone: httpx.AsyncClient) -> None:
    accounts = [{"id": f"a{number}", "balances": []} for number in range(500)]
    answer = await alone.post("/v1/evaluate", json={"accounts": accounts}, headers=PACKED)
    assert answer.status_code == 200
    assert len(answer.content) > 50_000
    assert "content-encoding" not in answer.headers
    refused = await alone.post(
        "/v1/evaluate", content=b"{}", headers={"content-encoding": "gzip", **PACKED}
    )
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")
