"""Properties of the parts of validation: formats, the nearest known word, what is shown, secrets found in files."""

from __future__ import annotations

import ipaddress
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from controller.validate import formats
from controller.validate.model import HIDDEN, Mistake, Place, edits, is_secret_key, merge, nearest, show
from controller.validate.sources import Sources
from controller.validate.structure import definitions

KEYS = sorted(
    {key for kind in ("site", "npu_server", "switch") for key in definitions()[kind]["properties"] if len(key) >= 8}
)
SECRET_TEXT = st.text(alphabet="abcdefghijkmnpqrstuvwxyzABCDEFGH23456789!#%+=", min_size=8, max_size=30)
ANY_YAML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.text(max_size=60) | st.from_regex(r"[0-9a-fA-F:.\[\]/]{1,40}", fullmatch=True))
def test_a_format_is_met_or_refused_with_a_sentence(text: str) -> None:
    for check in (formats.check_ip, formats.check_address, formats.check_subnet, formats.check_date):
        try:
            assert check(text)
        except ValueError as error:
            assert 5 < len(str(error)) < 120


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_all_spellings_of_an_address_are_one(address: formats.Address) -> None:
    spellings = {str(address), address.exploded, str(address).upper(), address.exploded.upper()}
    if isinstance(address, ipaddress.IPv4Address):
        spellings.add(f"::ffff:{address}")
    mapped = getattr(address, "ipv4_mapped", None)
    assert {formats.parse_ip(text) for text in spellings} == {mapped or address}


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_host_bits_in_a_subnet_are_refused_with_the_right_one(address: ipaddress.IPv4Address, length: int) -> None:
    network = ipaddress.ip_network(f"{address}/{length}", strict=False)
    assert formats.check_subnet(str(network))
    if network.network_address != address:
        with pytest.raises(ValueError, match=str(network).replace(".", r"\.")):
            formats.check_subnet(f"{address}/{length}")


@pytest.mark.parametrize("text", ["10.0.0.1", "fd00::1", "fe80::1%eth0", "node1", "bmc-1.example.org", "127.77.1.11"])
def test_addresses(text: str) -> None:
    assert formats.check_address(text)


@pytest.mark.parametrize(
    "text",
    ["10.0.0.01", "10.0.0", "10.0.0.256", "[fd00::1]", "10.0.0.1/24", "https://10.0.0.1", "::", "224.0.0.1",
     "10.0.0.1:443", "a b", "-node", ""],
)  # fmt: skip
def test_no_addresses(text: str) -> None:
    with pytest.raises(ValueError):
        formats.check_address(text)


@given(st.sampled_from(KEYS), st.data())
def test_a_slip_of_the_finger_finds_its_key(key: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(key) - 2))
    typo = data.draw(
        st.sampled_from(
            [key[:at] + key[at + 1 :], key[:at] + key[at + 1] + key[at] + key[at + 2 :], key[:at] + "q" + key[at:]]
        )
    )
    assume(typo not in KEYS)
    found = nearest(typo, KEYS)
    assert found is not None
    assert edits(typo, found, 9) <= edits(typo, key, 9) == 1 or typo == key


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_distance_is_a_distance(left: str, right: str) -> None:
    distance = edits(left, right, 99)
    assert distance == edits(right, left, 99)
    assert (distance == 0) == (left == right)
    assert abs(len(left) - len(right)) <= distance <= max(len(left), len(right))
    assert edits(left, right, 2) == min(distance, 2)


@given(SECRET_TEXT, ANY_YAML)
def test_a_secret_is_never_shown(secret: str, value: Any) -> None:
    assume(secret not in str(value))
    for wrapped in (secret, f"x {secret} y", [value, secret], {"a": {"b": secret}}):
        assert secret not in show(wrapped, "bmc_user", [secret])
        assert secret not in show(wrapped, "bmc_password")
    assert secret not in show({"snmp": {"community": secret}, "other": value}, "local_snmp")
    assert len(show(value, "key")) <= 100 and "\n" not in show(value, "key")


@pytest.mark.parametrize("key", ["bmc_password", "ansible_become_pass", "vault_anything", "snmp_community", "token"])
def test_secret_keys(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize(
    "key", ["bmc_user", "site_name", "ansible_ssh_private_key_file", "bmc_ca_file", "passthrough_mode"]
)
def test_no_secret_keys(key: str) -> None:
    assert not is_secret_key(key)


def sources_of(documents: dict[str, str]) -> Sources:
    with tempfile.TemporaryDirectory() as directory:
        for name, text in documents.items():
            file = Path(directory) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", errors="surrogatepass")
        return Sources([directory])


@given(SECRET_TEXT, st.sampled_from(["bmc_password", "vault_x", "snmp.community", "users.admin.token"]), ANY_YAML)
def test_a_plain_secret_is_found_wherever_it_is_and_not_repeated(secret: str, path: str, noise: Any) -> None:
    document: Any = secret
    for key in reversed(path.split(".")):
        document = {key: document, "noise": noise} if key != "noise" else {key: document}
    text = yaml.safe_dump(document)
    for name in ("group_vars/all.yml", "group_vars/all/site.yml", "host_vars/node1.yml"):
        found = [mistake for mistake in sources_of({name: text}).mistakes if "plain text" in mistake.expected]
        assert [mistake.value for mistake in found if mistake.key == path.rsplit(".", maxsplit=1)[-1]] == [HIDDEN]
        assert all(secret not in str(mistake) for mistake in found)
    inventory = yaml.safe_dump({"all": {"hosts": {"node1": document}}})
    assert any("plain text" in mistake.expected for mistake in sources_of({"hosts.yml": inventory}).mistakes)


@given(st.text(max_size=200) | ANY_YAML.map(yaml.safe_dump))
def test_no_text_breaks_the_reader(text: str) -> None:
    sources_of({"hosts.yml": text, "group_vars/all.yml": text, "host_vars/node1/a.yaml": text, "hosts": text})


def test_a_secret_that_names_another_one_is_fine() -> None:
    fine = """
a_password: "{{ vault_a }}"
b_password: "{{ lookup('file', '/run/secret') }}"
c_password: !vault |
  x
d_password:
"""
    assert sources_of({"group_vars/all.yml": fine}).mistakes == []


def test_one_wrong_line_is_one_mistake_whoever_inherits_it() -> None:
    place = Place("group_vars/all.yml", 3)
    rows = [Mistake((name,), "bmc_port", "0", "a port", place) for name in ("node1", "node2", "node1")]
    rows.append(Mistake(("node1",), "bmc_port", "0", "a port", Place("hosts.yml", 9)))
    merged = merge(rows)
    assert [(mistake.hosts, str(mistake.place)) for mistake in merged] == [
        (("node1", "node2"), "group_vars/all.yml:3"),
        (("node1",), "hosts.yml:9"),
    ]


def test_the_reference_names_every_key() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/inventory.md").read_text(encoding="utf-8")
    for kind in ("site", "npu_server", "switch", "network", "waiver"):
        for key in definitions()[kind]["properties"]:
            assert key in text, f"{kind}: {key} is not in docs/inventory.md"
