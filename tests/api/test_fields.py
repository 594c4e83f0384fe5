"""`?fields=` answers what the whole answer says of these fields, and nothing else."""

import random
from collections.abc import Iterator
from typing import Any

import httpx
import pyarrow as pa
import pytest

from service.contract.chosen import EVERYTHING, NOTHING, read_chosen
from service.errors import InvalidInput
from tests.api.test_arrow import TYPE, body
from tests.api.test_columns import INSTRUMENTS, as_rows, call
from tests.api.workers import errors_of

pytestmark = pytest.mark.anyio

ROWS = {"accounts": as_rows(), "instruments": INSTRUMENTS, "gap": {"movePct": -20}}
KEYS = {"accounts": ["id"], "pools": ["accountId"], "positions": ["row"]}
PATH = "/v1/evaluate"


async def told(client: httpx.AsyncClient, asked: dict[str, Any], query: str = "") -> Any:
    response = await client.post(f"{PATH}{query}", json=asked)
    assert response.status_code == 200, response.text
    return response.json()


def paths_of(answer: Any, before: str = "") -> Iterator[str]:
    """Yield every field of an answer, those of records inside too."""
    for name, value in answer.items():
        yield before + name
        inside = value[0] if isinstance(value, list) and value else value
        if isinstance(inside, dict):
            yield from paths_of(inside, f"{before}{name}.")


def part_of(answer: Any, paths: list[list[str]]) -> Any:
    """Return the fields of a record, or of each record of a list, that paths name."""
    if isinstance(answer, list):
        return [part_of(each, paths) for each in answer]
    if answer is None or [] in paths:
        return answer
    rests = {name: [rest for first, *rest in paths if first == name] for name in answer}
    return {name: part_of(answer[name], rest) for name, rest in rests.items() if rest}


async def test_some_fields_are_what_the_whole_answer_says(alone: httpx.AsyncClient) -> None:
    whole = (await told(alone, ROWS))["accounts"]
    assert whole[0]["pools"][0]["toRestore"]["reduce"], "a list inside of a list is among them"
    every, source = list(paths_of(whole[0])), random.Random(5)
    assert len(every) > 90
    some = [source.sample(every, size) for size in (2, 3, 5, 8, 20)]
    for paths in [*([path] for path in every), *some]:
        found = await told(alone, ROWS, f"?fields={','.join(paths)}")
        wanted = [["id"], *(path.split(".") for path in paths)]
        assert found["accounts"] == part_of(whole, wanted), paths
        assert found["problems"] == []


async def test_columns_have_the_tables_of_which_something_is_asked(
    alone: httpx.AsyncClient,
) -> None:
    whole = await told(alone, call())
    for table, name, field in (
        ("positions", "positions.liquidationPrice", "liquidationPrice"),
        ("positions", "positions.notional", "notional"),
        ("pools", "pools.maxLoss", "maxLoss"),
        ("pools", "pools.toRestore.deposit", "toRestoreDeposit"),
        ("reductions", "toRestore.reduce.contracts", "contracts"),
    ):
        found = await told(alone, call(), f"?fields={name}")
        columns = [*KEYS.get(table, ["accountId"]), field]
        expected = {"accounts": {"id": whole["accounts"]["id"]}}
        expected[table] = {column: whole[table][column] for column in columns}
        assert found == {"timestamp": found["timestamp"], **expected}


async def test_arrow_answers_the_fields_of_its_table(alone: httpx.AsyncClient) -> None:
    async def streams(query: str) -> list[pa.Table]:
        response = await alone.post(f"{PATH}{query}", content=body(), headers=TYPE)
        assert response.status_code == 200, response.text
        source = pa.BufferReader(response.content)
        found = []
        while source.tell() < len(response.content):
            found.append(pa.ipc.open_stream(source).read_all())
        return found

    (whole,) = await streams("")
    (some,) = await streams("?fields=positions.liquidationPrice,positions.marginRatio")
    names = ["row", "marginRatio", "liquidationPrice"]
    assert some.column_names == names
    assert some.to_pylist() == whole.select(names).to_pylist()
    several = await streams("?fields=level,positions.notional&table=all")
    assert [each.column_names for each in several] == [["id", "level"], ["row", "notional"]]


async def test_a_table_that_nothing_is_asked_of_is_refused(alone: httpx.AsyncClient) -> None:
    path = f"{PATH}?fields=level"
    response = await alone.post(path, content=body(), headers=TYPE)
    assert errors_of(response) == [("?table", "nothing_asked")]


@pytest.mark.parametrize(
    "fields",
    ["level,", "nobody", "level.of", "positions.", "positions,positions.nobody", "findings.code"],
)
async def test_an_unknown_field_is_refused(alone: httpx.AsyncClient, fields: str) -> None:
    response = await alone.post(f"{PATH}?fields={fields}", json=ROWS)
    assert response.status_code == 422
    assert errors_of(response) == [("?fields", "unknown_field")]


async def test_other_parameters_are_refused_and_an_empty_one_is_none(
    alone: httpx.AsyncClient,
) -> None:
    response = await alone.post(f"{PATH}?field=level", json=ROWS)
    assert errors_of(response) == [("?", "unknown_parameter")]
    whole, empty = await told(alone, ROWS), await told(alone, ROWS, "?fields=")
    assert empty["accounts"] == whole["accounts"]


def test_all_of_a_field_stays_all_of_it() -> None:
    chosen = read_chosen("positions.symbol,positions,pools.level")
    assert chosen.inside("positions") is EVERYTHING
    assert chosen.inside("toRestore") is NOTHING
    assert chosen.inside("pools").has_any("side", "level")
    assert not chosen.inside("pools").has_any("side", "symbol")
    assert EVERYTHING.has_any("anything")


def test_a_long_wrong_name_is_not_repeated_at_length() -> None:
    with pytest.raises(InvalidInput) as refused:
        read_chosen("x" * 10_000)
    assert len(str(refused.value)) < 300
