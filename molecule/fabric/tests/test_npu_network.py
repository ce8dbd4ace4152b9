"""Looks at the node itself, and knows nothing of our modules."""

import ipaddress

FIRST = ipaddress.ip_address("10.88.0.101")


def settings(host):
    lines = host.file("/etc/hccn.conf").content_string.splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_every_port_has_its_address_of_the_plan(host):
    node = int(host.run("hostname -s").stdout.strip().removeprefix("node"))
    known = settings(host)
    for device in range(8):
        assert known[f"address_{device}"] == str(FIRST + 8 * (node - 1) + device)
        assert known[f"netmask_{device}"] == "255.255.255.0"
        assert known[f"gateway_{device}"] == known[f"netdetect_{device}"] == "10.88.0.1"


def test_every_port_is_lossless_at_priority_4(host):
    known = settings(host)
    for device in range(8):
        assert known[f"mtu_{device}"] == "4200"
        assert known[f"bitmap_{device}"] == "0,0,0,0,1,0,0,0"
        assert known[f"dscp_tc_{device}"].rstrip(",") == "33:3"
        assert known.get(f"tls_enable_{device}", "0") == "0"


def test_what_was_not_ours_is_still_there(host):
    assert settings(host)["send_arp_status_0"] == "1"


def test_a_checkpoint_of_the_file_was_kept(host):
    assert host.run("ls /etc/hccn.conf.npuforge-*").stdout.split()


def test_the_frameworks_find_their_environment(host):
    text = host.file("/etc/npuforge/hccl.env").content_string
    assert "HCCL_RDMA_TC=132" in text
    assert "HCCL_RDMA_SL=4" in text
