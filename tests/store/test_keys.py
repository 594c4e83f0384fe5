"""Names of keys: slots, fields that cannot be taken for one another, shards that spread."""

import binascii
import re
from collections import Counter
from pathlib import Path

import pytest

from service.store import keys
from service.store.commands import load_script
from service.store.keys import ShardKeys

SCRIPTS = sorted((Path(keys.__file__).parent / "scripts").glob("*.lua"))


def slot(key: str) -> int:
    """The slot of a key by the cluster specification: of the part in braces alone."""
    tag = re.search(r"\{([^}]+)\}", key)
    assert tag is not None
    return binascii.crc_hqx(tag[1].encode(), 0) % 16_384


def names_of(shard: int) -> list[str]:
    shard_keys = ShardKeys(shard)
    return [getattr(shard_keys, name) for name in ShardKeys.__slots__[1:]]


@pytest.mark.parametrize("shard", [0, 7, 63, 100, 1_023])
def test_a_shards_keys_live_in_one_slot(shard: int) -> None:
    assert len({slot(name) for name in names_of(shard)}) == 1


def test_shards_live_in_slots_of_their_own() -> None:
    assert len({slot(ShardKeys(shard).state) for shard in range(64)}) == 64
    assert len({name for shard in range(1_024) for name in names_of(shard)}) == 14 * 1_024


def test_the_market_lives_in_one_slot() -> None:
    market = [value for name, value in vars(keys).items() if name.isupper() and "{m" in str(value)]
    assert len(market) >= 11
    assert len({slot(name) for name in [*market, keys.producer("p")]}) == 1


def test_the_table_of_keys_is_complete() -> None:
    table = keys.__doc__ or ""
    for name in ShardKeys.__slots__[1:]:
        assert f"\n{{s07}}:{name} " in table
    for name, value in vars(keys).items():
        if name.isupper() and isinstance(value, str) and value.startswith("{"):
            assert f"\n{value} " in table


def test_fields_are_not_taken_for_one_another() -> None:
    assert keys.source_name("v", "a|b", "") != keys.source_name("v", "a", "b|")
    assert keys.source_name("v", "a", "b|c") != keys.source_name("v", "a|b", "c")
    assert keys.market_of(keys.market_name("binance", "A|B/USDT:USDT")) == (
        "binance",
        "A|B/USDT:USDT",
    )


def test_an_account_key_reads_back() -> None:
    key = keys.tenant_key(keys.DEFAULT_TENANT, "a:b@c")
    assert key == "default/a:b@c"
    assert keys.split_tenant_key(key)[1] == "a:b@c"


def test_accounts_spread_over_the_shards() -> None:
    counts = Counter(keys.shard_of(f"default/bot-{number}", 64) for number in range(64_000))
    assert set(counts) == set(range(64))
    assert max(counts.values()) < 1.2 * min(counts.values())


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_names_its_arguments_first_and_touches_no_other_key(path: Path) -> None:
    lines = path.read_text().splitlines()
    named = [line for line in lines if re.match(r"local \w+ = .*(KEYS|ARGV)\[\d+\]", line)]
    assert lines[: len(named)] == named or lines[len(named)].startswith("local first_")
    text = load_script(path.stem).text
    assert text.count("KEYS[") == sum(line.count("KEYS[") for line in named)
    assert not re.search(r"redis\.call\('(?!TIME|PUBLISH)\w+', ['\"]", text)


def test_a_script_needs_the_preludes_it_uses_and_no_others() -> None:
    preludes = Path(keys.__file__).parent / "preludes"
    functions = {
        path.stem: re.findall(r"^local function (\w+)", path.read_text(), re.MULTILINE)
        for path in preludes.glob("*.lua")
    }
    assert functions.keys() == {"chunks", "numbers", "mark_rules", "mark_gate"}
    for path in SCRIPTS:
        code = path.read_text()
        named = re.search(r"^-- needs: (.+)$", code, re.MULTILINE)
        used = [name for name in functions if any(f"{each}(" in code for each in functions[name])]
        assert sorted(used) == (sorted(named[1].split(", ")) if named else []), path.name
