"""`sync.toml`: what it may say, and that no secret is in it, in a message or in a picture."""

from pathlib import Path

import pytest

from service.errors import InvalidInput
from service.sync.configured import Configured, read_configured

GOOD = """
[service]
url = "http://127.0.0.1:8000"

[[accounts]]
id = "desk-7"
exchange = "binanceusdm"
api_key_env = "BINANCE_KEY"
secret_file = "{secret}"
weights = {{ BTC = 0.95 }}

[[accounts]]
id = "whale"
exchange = "hyperliquid"
wallet_address = "0xabc"
every_s = 5
"""
ENVIRONMENT = {"BINANCE_KEY": "k3y-of-mine", "PLIMSOLL_TOKEN": "t0ken-of-mine"}


def read(folder: Path, text: str) -> Configured:
    (folder / "secret").write_text("s3cret-of-mine\n")
    file = folder / "sync.toml"
    file.write_text(text.format(secret=folder / "secret"))
    return read_configured(file, ENVIRONMENT)


def test_keys_come_from_variables_and_files_and_are_in_no_picture(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD)
    desk, whale = found.accounts
    assert dict(desk.keys) == {"apiKey": "k3y-of-mine", "secret": "s3cret-of-mine"}
    assert dict(whale.keys) == {"walletAddress": "0xabc"}
    assert (desk.venue, whale.venue, whale.every_s) == ("binance", "hyperliquid", 5.0)
    assert dict(desk.terms.weights) == {"BTC": 0.95}
    assert (found.url, found.token) == ("http://127.0.0.1:8000", "t0ken-of-mine")
    for secret in ("k3y", "s3cret", "t0ken", "0xabc"):
        assert secret not in repr(found)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('api_key = "k3y-of-mine"', "name a variable"),
        ('secret = "s3cret-of-mine"', "name a variable"),
        ('exchange = "nasdaq"', "exchange is one of"),
        ('exchange = "kucoinfutures"', "exchange is one of"),
        ('venue = "nasdaq"', "venue"),
        ('id = "a/b"', "id"),
        ("every_s = 0.5", "every_s"),
        ('api_key_env = "NOT_THERE"', "NOT_THERE is not set"),
        ('secret_file = "/not/there"', "cannot be read"),
        ('symbols = ["BTC/USDT:USDT"]', "symbols"),
        ("weights = { BTC = 1.5 }", "weights"),
        ("[[accounts]]\nid = 'x'\nexchange = 'okx'", "listed twice"),
    ],
)
def test_what_it_may_not_say_is_told_without_repeating_a_secret(
    tmp_path: Path, line: str, said: str
) -> None:
    lines = {"id": "id = 'x'", "exchange": "exchange = 'okx'"}
    name = line.split(" ", maxsplit=1)[0]
    text = "\n".join(
        ["[[accounts]]", *(value for key, value in lines.items() if key != name), line]
    )
    file = tmp_path / "sync.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput) as refused:
        read_configured(file, ENVIRONMENT)
    assert said in refused.value.detail
    assert "of-mine" not in refused.value.detail


@pytest.mark.parametrize("text", ["", "accounts = []", "[[accounts]]", "not toml = ="])
def test_a_file_without_accounts_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "sync.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput):
        read_configured(file, {})
    with pytest.raises(InvalidInput):
        read_configured(tmp_path / "missing.toml", {})
