"""The calls that docs/health.md and docs/likelihood.md show are answered as they say."""

import re
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

pytestmark = pytest.mark.anyio

DOCS = Path(__file__).parents[2] / "docs"
CURL = re.compile(r"curl -s http://127\.0\.0\.1:8000(\S+) .*? -d '(.*?)'", re.DOTALL)


def calls(name: str) -> list[tuple[str, Any]]:
    """Return paths and bodies of the calls of a page, in order."""
    text = (DOCS / name).read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    found = [CURL.search(block) for block in blocks]
    return [(one[1], orjson.loads(one[2])) for one in found if one is not None]


async def asked(client: httpx.AsyncClient, path: str, body: Any) -> Any:
    response = await client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def check_shown(name: str, *figures: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    for figure in figures:
        assert figure in text, figure


async def test_the_health_page(alone: httpx.AsyncClient) -> None:
    (path, body), _ = calls("health.md")
    late, costly = (await asked(alone, path, body))["accounts"][0]["findings"]
    assert (late["code"], costly["code"]) == (
        "stop_loss_beyond_liquidation",
        "stop_loss_above_budget",
    )
    stop, cut = costly["changes"]
    check_shown(
        "health.md",
        f"{late['limit']:,.0f}",
        f"{costly['measured']:,.2f}",
        f"{stop['amount']:,.2f}",
        f"{cut['amount']:.3f}",
    )
    (position,) = body["accounts"][0]["positions"]
    stopped = [body["accounts"][0] | {"positions": [position | {"stopLossPrice": stop["amount"]}]}]
    (answer,) = (await asked(alone, path, body | {"accounts": stopped}))["accounts"]
    assert answer["findings"] == []
    less = position | {"contracts": position["contracts"] - cut["amount"]}
    reduced = [body["accounts"][0] | {"positions": [less]}]
    (answer,) = (await asked(alone, path, body | {"accounts": reduced}))["accounts"]
    assert costly["code"] not in [one["code"] for one in answer["findings"]]


async def test_the_sizing_page(alone: httpx.AsyncClient) -> None:
    _, (path, body) = calls("health.md")
    found = await asked(alone, path, body)
    assert found["lossAtStop"] == pytest.approx(300)
    check_shown(
        "health.md",
        f"{found['contracts']:.3f} contracts",
        f"{found['leverage']:.2f} times",
        f"{found['margin']:.2f} of margin",
        f"{found['liquidationPrice']:,.0f}",
    )


async def test_the_likelihood_page(alone: httpx.AsyncClient) -> None:
    ((path, body),) = calls("likelihood.md")
    found = (await asked(alone, path, body))["accounts"][0]["likelihood"]
    assert 0 < found["owing"]["atMost"] < found["liquidation"]["atMost"] < 1
    check_shown(
        "likelihood.md",
        f"{found['liquidation']['atMost']:.1%}".replace("%", " %"),
        f"{found['owing']['atMost']:.1%}".replace("%", " %"),
    )
