"""The forms of addresses, subnets and dates in an inventory. Each checker raises ValueError with what was expected."""

from __future__ import annotations

import datetime
import ipaddress
import re

import jsonschema  # type: ignore[import-untyped]  # its stubs are not among our requirements

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
HOST_NAME = re.compile(
    r"^(?=.{1,253}$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*\.?$"
)


def parse_ip(text: str) -> Address | None:
    """The address in one form: ``::ffff:10.0.0.1`` is 10.0.0.1, ``FD00::01`` is fd00::1; null where it is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def parse_subnet(text: str) -> Network | None:
    """The subnet, or null where it is none or where host bits are set."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def check_ip(value: object) -> bool:
    """A usable IPv4 or IPv6 address, alone."""
    if not isinstance(value, str):
        return True  # the type is another keyword's business
    if "://" in value:
        raise ValueError("an address without 'https://' and path")
    if "/" in value:
        raise ValueError("an address without a prefix length")
    if value.startswith("[") or value.endswith("]"):
        raise ValueError("an IPv6 address without brackets")
    address = parse_ip(value)
    if address is None:
        if re.fullmatch(r"\d+(\.\d+){3}", value) and re.search(r"(^|\.)0\d", value):
            raise ValueError("an IPv4 address without leading zeros")
        raise ValueError("an IPv4 or IPv6 address")
    if address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
        raise ValueError("the address of one device (this one is unspecified, multicast or broadcast)")
    return True


def check_address(value: object) -> bool:
    """As ``check_ip``, or a host name."""
    if not isinstance(value, str):
        return True
    if HOST_NAME.match(value) and not re.fullmatch(r"[\d.]+", value):
        return True
    if re.fullmatch(r"[^:]+:\d+", value):
        raise ValueError("an address without port; the port has its own key")
    try:
        return check_ip(value)
    except ValueError as error:
        if str(error) == "an IPv4 or IPv6 address":
            raise ValueError("an IPv4 or IPv6 address or a host name") from None
        raise


def check_subnet(value: object) -> bool:
    """A network address with prefix length and no host bits."""
    if not isinstance(value, str):
        return True
    if "/" not in value:
        raise ValueError("a subnet with its prefix length, as 10.0.0.0/24")
    if parse_subnet(value) is None:
        try:
            network = ipaddress.ip_network(value, strict=False)
        except ValueError:
            raise ValueError("a subnet with its prefix length, as 10.0.0.0/24") from None
        raise ValueError(f"a subnet without host bits: {network}")
    return True


def check_date(value: object) -> bool:
    """A day as ``2027-03-31``."""
    if isinstance(value, str) and parse_date(value) is None:
        raise ValueError("a day as 2027-03-31")
    return True


def parse_date(text: str) -> datetime.date | None:
    """The day, or null where the text is none."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return None
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None


FORMATS = jsonschema.FormatChecker(formats=())
for _name, _check in (
    ("npuforge-ip", check_ip),
    ("npuforge-address", check_address),
    ("npuforge-subnet", check_subnet),
    ("npuforge-date", check_date),
):
    FORMATS.checks(_name, raises=ValueError)(_check)
