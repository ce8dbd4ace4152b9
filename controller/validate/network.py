"""Addresses across the inventory: given twice, outside their subnet, overlapping subnets, a BMC that is a host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from .formats import Address, Network, parse_ip, parse_subnet
from .load import HostVars, Loaded
from .model import Mistake, show


@dataclass(frozen=True)
class Use:
    """One address in use: by which host, under which key, in which of the site's networks it should be."""

    host: str
    key: str
    text: str
    address: Address | None  # null for a host name
    network: str

    @property
    def identity(self) -> str:
        return str(self.address) if self.address else self.text.lower().rstrip(".")


def check(loaded: Loaded) -> Iterator[Mistake]:
    """Cross checks of addresses; what is not an address at all is the schema's business and is skipped here."""
    networks = _networks(loaded)
    uses = list(_uses(loaded, networks))
    yield from _twice(loaded, uses)
    yield from _outside(loaded, uses, networks)
    yield from _overlaps(loaded, networks)
    yield from _gateways(loaded, uses, networks)


def _networks(loaded: Loaded) -> dict[str, Network]:
    networks = {}
    declared = loaded.site.values.get("site_networks")
    for name, entry in (declared if isinstance(declared, dict) else {}).items():
        text = entry.get("subnet") if isinstance(entry, dict) else None
        network = parse_subnet(text) if isinstance(text, str) else None
        if network is not None:
            networks[str(name)] = network
    return networks


def _uses(loaded: Loaded, networks: dict[str, Network]) -> Iterator[Use]:
    switch_network = "switch_management" if "switch_management" in networks else "management"
    for host in loaded.hosts.values():
        switch = "switches" in host.groups
        for key, network in (("ansible_host", switch_network if switch else "management"), ("bmc_address", "bmc")):
            if key == "bmc_address" and switch:
                continue
            yield from _use(host, key, host.values.get(key), network)


def _use(host: HostVars, key: str, value: Any, network: str) -> Iterator[Use]:
    if isinstance(value, str) and value:
        yield Use(host.name, key, value, parse_ip(value), network)


def _mistake(loaded: Loaded, use: Use, expected: str) -> Mistake:
    host = loaded.hosts[use.host]
    place = loaded.text.place(use.key, host.name, host.groups)
    return Mistake((use.host,), use.key, show(use.text, use.key, loaded.secrets), expected, place)


def _twice(loaded: Loaded, uses: list[Use]) -> Iterator[Mistake]:
    first: dict[str, Use] = {}
    for use in uses:
        known = first.setdefault(use.identity, use)
        if known is use:
            continue
        keys = {known.key, use.key}
        if keys == {"ansible_host", "bmc_address"}:
            whose = "its own" if known.host == use.host else f"{known.host}'s"
            expected = f"an address of its own: it equals {whose} {known.key} (a BMC is another machine than its host)"
        else:
            expected = f"an address of its own: {known.host} has it as {known.key}"
        yield _mistake(loaded, use, expected)


def _outside(loaded: Loaded, uses: list[Use], networks: dict[str, Network]) -> Iterator[Mistake]:
    for use in uses:
        network = networks.get(use.network)
        if network is None or use.address is None:
            continue
        if use.address not in network:
            yield _mistake(loaded, use, f"an address in site_networks.{use.network}.subnet, {network}")
        elif network.version == 4 and network.prefixlen < 31:
            if use.address == network.network_address:
                yield _mistake(loaded, use, f"the address of a device, not the network address of {network}")
            elif use.address == network.broadcast_address:
                yield _mistake(loaded, use, f"the address of a device, not the broadcast address of {network}")


def _overlaps(loaded: Loaded, networks: dict[str, Network]) -> Iterator[Mistake]:
    for (first, one), (second, other) in combinations(networks.items(), 2):
        if one.version == other.version and one.overlaps(other):
            key = f"site_networks.{second}.subnet"
            expected = f"a subnet that does not overlap site_networks.{first}.subnet, {one}"
            yield Mistake(
                ("all",), key, show(str(other), key), expected, loaded.text.place("site_networks", None, ["all"])
            )


def _gateways(loaded: Loaded, uses: list[Use], networks: dict[str, Network]) -> Iterator[Mistake]:
    users = {use.identity: use for use in uses}
    declared = loaded.site.values.get("site_networks")
    for name, network in networks.items():
        text = declared[name].get("gateway") if isinstance(declared, dict) else None
        gateway = parse_ip(text) if isinstance(text, str) else None
        if gateway is None:
            continue
        key, place = f"site_networks.{name}.gateway", loaded.text.place("site_networks", None, ["all"])
        if gateway not in network:
            yield Mistake(("all",), key, show(text, key), f"an address in the network's own subnet, {network}", place)
        if str(gateway) in users:
            use = users[str(gateway)]
            yield Mistake(
                ("all",), key, show(text, key), f"an address of its own: {use.host} has it as {use.key}", place
            )
