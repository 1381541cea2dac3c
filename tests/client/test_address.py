"""Where the server is, as people write it."""

from __future__ import annotations

import pytest

from filesrv.client.address import ServerAddress


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("localhost", "localhost", 9000),
        ("files.example.org:1234", "files.example.org", 1234),
        ("192.0.2.1", "192.0.2.1", 9000),
        ("192.0.2.1:80", "192.0.2.1", 80),
        ("[::1]", "::1", 9000),
        ("[::1]:80", "::1", 80),
        ("::1", "::1", 9000),
        ("2001:db8::1", "2001:db8::1", 9000),
        ("fe80::1%eth0", "fe80::1%eth0", 9000),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ("bücher.example", "bücher.example", 9000),
        (" localhost:9001\n", "localhost", 9001),
    ],
)
def test_every_way_of_writing_an_address_is_read(text: str, host: str, port: int) -> None:
    assert ServerAddress.parse(text) == ServerAddress(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":9000",
        "[::1]9000",
        "[::1",
        "[]:9000",
        "h:",
        "h:x",
        "h:0",
        "h:65536",
        "h:+80",
        "h:8_0",
        "h:٨٠",
        "a b",
        "http://h/",
        "[::1]x:80",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        ServerAddress.parse(text)


@pytest.mark.parametrize("text", ["localhost:9000", "[::1]:9000", "192.0.2.1:80"])
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    assert str(ServerAddress.parse(text)) == text
