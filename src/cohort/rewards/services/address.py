"""Where a service is: one strict reading of its URL, and the addresses that may be connected to.

A public address may be reached by name. This machine and its private network are reached only where
the URL itself is written with that address (or `localhost`): no name, whoever answers for it, leads
there. Link-local addresses, where clouds keep their credentials, are never connected to, nor is any
address that wraps another. A name is resolved once for a connection, and the address that was checked
is the one connected to; a second reading of the URL by another parser does not happen.

The record behind it: CVE-2026-24779 (two parsers, one backslash), GHSA-3f6c-7fw2-ppm4.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from cohort.errors import RewardError

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
"""Host and port to addresses; raises OSError. It may take its time: it runs in a thread of its own."""

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>(?:/[\w.~!$&'()*+,;=:@%/-]*)?(?:\?[\w.~!$&'()*+,;=:@%/?-]*)?)",
    re.ASCII,
)
_LABEL = re.compile("[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LIKE_A_NUMBER = re.compile("0[xX][0-9A-Fa-f]*|[0-9]+")
LONGEST_URL, LONGEST_NAME = 2000, 253
FORM = 'a URL is like "https://host/path" or "http://127.0.0.1:8000/path"'

METADATA = frozenset(
    map(
        ip_address,
        ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"),
    )
)
"""Services of clouds that hand out credentials and are not link-local."""
WRAPPING = tuple(
    IPv6Network(net)
    for net in (
        "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16",
        "2001::/32",
    )
)  # fmt: skip
"""IPv6 addresses that hold an IPv4 address, which something on the way would unwrap."""
NOWHERE = (IPv4Network("0.0.0.0/8"), IPv4Network("240.0.0.0/4"), IPv4Network("192.0.0.0/24"))


class Forbidden(Exception):
    """A name that leads where nothing is sent."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A service's URL in its parts. `shown` is what messages say of it: no path, no query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def address(self) -> Address | None:
        """The address that the URL is written with; None where it names a host."""
        with suppress(ValueError):
            return ip_address(self.host)
        return ip_address("127.0.0.1") if self.host == "localhost" else None

    @property
    def shown(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://{_bracketed(self.host)}:{self.port}"

    @property
    def header(self) -> str:
        """The host as a request names it."""
        standard = self.port == (443 if self.scheme == "https" else 80)
        return _bracketed(self.host) + ("" if standard else f":{self.port}")


def destination(url: object, path: str = "") -> Destination:
    """A URL of a recipe with a path added. Raises RewardError, without repeating the URL."""
    if not isinstance(url, str) or not url:
        raise RewardError("the reward has no url", f"give the url of the service; {FORM}")
    match = _URL.fullmatch(url) if len(url) <= LONGEST_URL else None
    if match is None:
        raise RewardError(
            "the reward's url is not of the form that is asked (no user, no password, no fragment, "
            "no backslash, ASCII only)",
            FORM,
        )
    scheme, host, port = match["scheme"], match["host"].strip("[]").lower(), match["port"]
    number = int(port) if port else (443 if scheme == "https" else 80)
    if not 0 < number < 1 << 16:
        raise RewardError(f"the reward's url has the port {number}", FORM)
    before, mark, query = match["target"].partition("?")
    made = Destination(
        scheme, host, number, (before.rstrip("/") if path else before or "/") + path + mark + query
    )
    reason = _why_no_host(host, "[" in match["host"])
    if made.address is not None and not reason:
        reason = refused(made.address, named=True)
    if reason:
        raise RewardError(f"the reward's url leads to {made.shown}: {reason}", FORM)
    return made


def refused(address: Address, *, named: bool) -> str:
    """Why an address is not connected to; empty where it may be. named: the URL is written with it."""
    wrapping = isinstance(address, IPv6Address) and any(address in net for net in WRAPPING)
    if wrapping and not (address.is_loopback or address.is_unspecified):
        return "it wraps another address, which must be written itself"
    if address.is_link_local or address in METADATA:
        return "that is where clouds keep their credentials"
    if address.is_multicast or address.is_unspecified or any(address in net for net in NOWHERE):
        return "that is no single machine"
    if not named and not address.is_global:
        return "a name leads to a private address; write the address itself if it is meant"
    return ""


def system_resolve(host: str, port: int) -> list[str]:
    """The addresses that the system's resolver knows."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


async def addresses(of: Destination, resolve: Resolve) -> list[str]:
    """The addresses of a destination that may be connected to, in order, each once.

    Raises OSError where the name is nobody's, Forbidden where one of its addresses is refused.
    """
    if of.address is not None:
        return [str(of.address)]
    found = list(dict.fromkeys(await _in_a_thread(resolve, of.host, of.port)))
    for text in found:
        try:
            reason = refused(ip_address(text), named=False)
        except ValueError:
            reason = "its resolver names what is no address"
        if reason:
            raise Forbidden(reason)
    if not found:
        raise OSError("no addresses")
    return found


async def _in_a_thread(resolve: Resolve, host: str, port: int) -> Sequence[str]:
    """What a resolver says. A thread that nobody waits for at the end, unlike those of the loop."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Sequence[str]] = loop.create_future()

    def tell(found: Sequence[str], error: OSError | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(found)
        else:
            future.set_exception(error)

    def ask() -> None:
        found: Sequence[str] = ()
        error = None
        try:
            found = resolve(host, port)
        except (OSError, UnicodeError) as raised:
            error = OSError(*raised.args[:2])
        with suppress(RuntimeError):  # the loop is closed: the deadline came first
            loop.call_soon_threadsafe(tell, found, error)

    threading.Thread(target=ask, daemon=True, name="resolver").start()
    return await future


def _why_no_host(host: str, bracketed: bool) -> str:
    if bracketed:
        with suppress(ValueError):
            IPv6Address(host)
            return ""
        return "what stands in brackets is no IPv6 address"
    labels = host.split(".")
    if _LIKE_A_NUMBER.fullmatch(labels[-1]):
        with suppress(ValueError):
            IPv4Address(host)
            return ""
        return "a host that ends in a number is an IPv4 address: four numbers without leading zeros"
    if len(host) > LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        return "that is no name of a host"
    if host.endswith(".localhost"):
        return "write localhost, or the address"
    return ""


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
