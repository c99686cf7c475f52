"""Sources are asked only at listed hosts, over https, at public addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.git.cli import Git
from raibid.mirror.errors import RefusedSourceError
from raibid.mirror.guard import GITHUB, AllowedHost, Guard, not_public
from raibid.mirror.sides import Side

from tests.mirror.gitea_of_git import Upstream

PUBLIC = "140.82.121.3"
INSIDE = AllowedHost(name="git.corp.example", port=8443, private=True)


def resolving(*addresses: str) -> Callable[[str, int], tuple[str, ...]]:
    return lambda host, port: addresses


def guard(*addresses: str) -> Guard:
    return Guard([GITHUB, INSIDE], resolving(*addresses or (PUBLIC,)))


def test_a_listed_host_at_a_public_address_may_be_asked() -> None:
    source = guard().check("https://github.com/acme/anvil.git")
    assert (source.host, source.port, source.addresses) == ("github.com", 443, (PUBLIC,))


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://gitlab.com/acme/anvil.git", id="a-host-that-is-not-listed"),
        pytest.param("https://github.com.evil.example/a/b", id="a-listed-host-as-prefix"),
        pytest.param("https://evil.example#github.com/a/b", id="a-listed-host-as-fragment"),
        pytest.param("https://github.com@evil.example/a/b", id="a-listed-host-as-user"),
        pytest.param("https://github.com./a/b", id="a-final-dot"),
        pytest.param("https://github.com:22/a/b", id="another-port"),
        pytest.param("http://github.com/a/b", id="no-tls"),
        pytest.param("ssh://git@github.com/a/b", id="ssh-that-is-not-listed"),
        pytest.param("git@github.com:a/b.git", id="scp"),
        pytest.param("file:///etc/passwd", id="a-file"),
        pytest.param("ext::sh -c id", id="a-command"),
        pytest.param("https://user:secret@github.com/a/b", id="a-password"),
        pytest.param("https://-oProxyCommand=id/a", id="an-option"),
        pytest.param("https://github.com/a\n/b", id="a-control-character"),
        pytest.param("https://github.com/../../b", id="dots"),
        pytest.param("https://github.com/a/b?token=1", id="a-query"),
        pytest.param("https://github.com", id="no-repository"),
        pytest.param("https://[::1]:99999999/a", id="no-such-port"),
        pytest.param("https://[2606:50c0:8000::64]/a/b", id="an-ipv6-address"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_source_of_another_form_is_refused_without_asking_anybody(url: str) -> None:
    def never(host: str, port: int) -> list[str]:
        raise AssertionError(f"{host} was looked up")

    with pytest.raises(RefusedSourceError) as refused:
        Guard([GITHUB, INSIDE], never).check(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "loopback"),
        ("10.1.2.3", "private"),
        ("192.168.1.1", "private"),
        ("169.254.169.254", "link-local"),
        ("100.64.0.1", "private"),
        ("224.0.0.1", "multicast"),
        ("0.0.0.0", "unspecified"),
        ("::1", "loopback"),
        ("fd00::1", "private"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("::ffff:10.0.0.1", "private"),
        ("::10.0.0.1", "reserved"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("64:ff9b:1::1", "reserved"),
        ("2002:7f00:1::", "loopback"),
        ("nonsense", "no address"),
    ],
)
def test_an_address_that_is_not_public_says_why(address: str, reason: str) -> None:
    assert not_public(address) == reason


@pytest.mark.parametrize("address", [PUBLIC, "2606:50c0:8000::64", "64:ff9b::8c52:7903"])
def test_a_public_address_is_public(address: str) -> None:
    assert not_public(address) == ""


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(RefusedSourceError, match=r"10\.0\.0\.1"):
        guard(PUBLIC, "10.0.0.1").check("https://github.com/acme/anvil.git")


def test_a_host_of_ones_own_may_be_private_where_the_file_says_so() -> None:
    assert guard("10.0.0.1").check("https://git.corp.example:8443/a/b").addresses == ("10.0.0.1",)


@pytest.mark.parametrize("answer", [OSError("no such name"), ()], ids=["an-error", "nothing"])
def test_a_name_without_an_address_is_refused(answer: OSError | tuple[str, ...]) -> None:
    def resolve(host: str, port: int) -> tuple[str, ...]:
        if isinstance(answer, OSError):
            raise answer
        return answer

    with pytest.raises(RefusedSourceError, match=r"github\.com has no address"):
        Guard(resolve=resolve).check("https://github.com/a/b")


def test_git_asks_the_addresses_that_were_checked_and_follows_nobody() -> None:
    settings = guard(PUBLIC, "2606:50c0:8000::64").check("https://github.com/a/b").git_settings
    assert settings["http.curloptResolve"] == f"github.com:443:{PUBLIC},[2606:50c0:8000::64]"
    assert settings["http.followRedirects"] == "false"
    assert {key: value for key, value in settings.items() if key.startswith("protocol.")} == {
        "protocol.allow": "never",
        "protocol.https.allow": "always",
    }


def test_git_goes_to_the_next_address_when_the_first_one_does_not_answer(tmp_path: Path) -> None:
    with Upstream(tmp_path / "upstream") as upstream:
        sha = upstream.push("anvil", "one")
        port = upstream.host[1]
        host = AllowedHost(name="forge.example", port=port, schemes=frozenset({"http"}), private=True)
        url = f"http://forge.example:{port}/anvil.git"
        source = Guard([host], resolving("127.0.0.2", "127.0.0.1")).check(url)
        assert Side(url, Git(source.git_settings)).refs() == {"refs/heads/main": sha}


INNER = st.ip_addresses(v=4)
WRAPPED = [
    lambda inner: str(inner),
    lambda inner: f"::ffff:{inner}",
    lambda inner: str(ipaddress.IPv6Address((0x2002 << 112) | (int(inner) << 80))),
    lambda inner: str(ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) | int(inner))),
]


@given(INNER, st.sampled_from(WRAPPED))
def test_wrapping_makes_no_private_address_public(
    inner: ipaddress.IPv4Address, wrap: Callable[[ipaddress.IPv4Address], str]
) -> None:
    if not inner.is_global or inner.is_multicast:
        assert not_public(wrap(inner))


def spellings(number: int) -> list[str]:
    """What some resolvers take for an IPv4 address."""
    parts = [number >> shift & 255 for shift in (24, 16, 8, 0)]
    return [
        str(number),
        hex(number),
        f"0{number:o}",
        ".".join(map(hex, parts)),
        ".".join(f"0{part:o}" for part in parts),
        f"{parts[0]}.{number & 0xFFFFFF}",
    ]


@given(INNER, st.integers(0, 5))
def test_an_address_in_other_spellings_is_no_hosts_name(inner: ipaddress.IPv4Address, form: int) -> None:
    spelled = spellings(int(inner))[form]
    listed = Guard([AllowedHost(name=spelled)], resolving(PUBLIC))
    if spelled != str(inner):
        with pytest.raises(RefusedSourceError):
            listed.check(f"https://{spelled}/a/b")


@given(st.text(max_size=60))
def test_any_text_is_a_source_of_a_listed_host_or_refused(text: str) -> None:
    for url in (text, f"https://{text}", f"https://{text}/a/b", f"https://github.com{text}"):
        try:
            source = guard().check(url)
        except RefusedSourceError:
            continue
        assert source.host in ("github.com", "git.corp.example")
