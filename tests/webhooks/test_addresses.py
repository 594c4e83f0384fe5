"""No call goes to an address that is not public: by URL, by name, by a name that changes."""

import ipaddress

import pytest

from service.contract.webhooks import check_url, is_public
from service.errors import InvalidInput
from service.webhooks.sender import Rules, Sender
from tests.webhooks.receiver import Receiver

pytestmark = pytest.mark.anyio

PUBLIC = ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::1"]
REFUSED = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.1.2.3",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::7f00:1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "2002:7f00:1::",
    "2001::1",
    "2001:db8::1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_called(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", REFUSED)
async def test_others_may_not_and_nobody_is_connected_to(address: str, receiver: Receiver) -> None:
    assert not is_public(ipaddress.ip_address(address))

    async def resolve(_host: str, _port: int) -> list[str]:
        return ["8.8.8.8", address]

    async with Sender(Rules(allow_http=True), resolve) as sender:
        outcome = await sender.post(f"http://name.test:{receiver.port}/", {}, b"{}")
    assert outcome.error == "the host has an address that is not public"


@pytest.mark.parametrize(
    "host", ["a..b", "a" * 64 + ".test", "-", "%", '"', "x\\y", "{}", "[v1.x]"]
)
async def test_a_host_that_cannot_be_one_is_an_outcome(host: str) -> None:
    async with Sender(Rules()) as sender:
        outcome = await sender.post(f"https://{host}/in", {}, b"{}")
    assert outcome.error


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f.1", "2130706433", "[::1]"])
async def test_every_spelling_of_loopback_is_refused(host: str, receiver: Receiver) -> None:
    async with Sender(Rules(allow_http=True)) as sender:
        outcome = await sender.post(f"http://{host}:{receiver.port}/in", {}, b"{}")
    assert outcome.error
    assert not receiver.paths


async def test_the_connection_is_made_to_the_address_that_was_looked_at(
    receiver: Receiver,
) -> None:
    """A name that leads elsewhere the second time is not asked a second time."""
    asked = []

    async def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["203.0.113.1"]

    receiver.secret = "whsec_bmV3"
    async with Sender(Rules(allow_http=True, allow_private=True), resolve) as sender:
        outcome = await sender.post(f"http://rebinding.test:{receiver.port}/in", {}, b"{}")
    assert outcome.error == "answered 401", "unsigned, but it got there"
    assert asked == ["rebinding.test"]


async def test_plain_http_is_not_sent_unless_allowed(receiver: Receiver) -> None:
    async with Sender(Rules(allow_private=True)) as sender:
        assert (await sender.post(receiver.url, {}, b"{}")).error == "the URL is not https"
    assert not receiver.paths


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "HTTPS://example.com/",
        "ftp://example.com/",
        "https://",
        "https:///path",
        "https://user:secret@example.com/",
        "https://example.com/#part",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://example.com/\r\nx: y",
        "https://bücher.example/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[half",
        "//example.com/",
        "example.com",
    ],
)
def test_such_urls_are_refused_when_they_are_given(url: str) -> None:
    with pytest.raises(InvalidInput):
        check_url(url, allow_http=False, allow_private=False)


def test_settings_allow_what_they_say_and_no_more() -> None:
    assert check_url("https://example.com:8443/a?b=c", allow_http=False, allow_private=False)
    assert check_url("http://example.com/", allow_http=True, allow_private=False)
    assert check_url("https://10.0.0.1/", allow_http=False, allow_private=True)
    with pytest.raises(InvalidInput):
        check_url("http://10.0.0.1/", allow_http=False, allow_private=True)
