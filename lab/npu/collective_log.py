"""HCCL's error log, as far as links that do not come up are concerned.

Shapes: the pages on EI0006 and EI0015 of the HCCL guide, whose samples are logs of all_reduce_test, and the message
catalogue of HCCL. A rank's process and thread numbers are made up.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lab.npu.ranks import Member

PORT = 16666
RULE = "|----------------------|---------------|----------------------|--------------|------------|------------|"
HEAD = "|  dest_ip(user_rank)  |   dest_port   |  src_ip(user_rank)   |   src_port   |   MyRole   |   Status   |"


@dataclass(frozen=True)
class Side:
    """One end of a link: the rank, its server's address, and its device with address and TLS switch."""

    member: Member
    host: str
    device: int
    address: str
    tls: bool


def line(member: Member, program: str, where: str, text: str) -> str:
    """``[ERROR] HCCL(pid,program):2026-11-24-06:04:05.123.456 [file.cc:1] [thread]text``."""
    now = time.time()
    micros = f"{int(now * 1e6) % 1000000:06d}"
    stamp = f"{time.strftime('%Y-%m-%d-%H:%M:%S', time.localtime(now))}.{micros[:3]}.{micros[3:]}"
    process = 40000 + member.rank
    return f"[ERROR] HCCL({process},{program}):{stamp} [{where}] [{process + 96}]{text}\n"


def unlinked(program: str, own: Side, peer: Side, client: bool) -> Iterator[str]:
    """What one end of a link tells when it did not come up in time (EI0006). ``client``: it was this end's to call."""
    rank, other, role = own.member.rank, peer.member.rank, "client" if client else "server"
    first, second = (own, peer) if client else (peer, own)
    timeout = f"timeout[{own.member.value('HCCL_CONNECT_TIMEOUT')} s]"
    link = (
        f"   |  {peer.address}({other})   |  {PORT}  |   {own.address}({rank})   |  {PORT + 1 if client else 0}  |"
        f"  {role}  | time out |   {'ENABLE' if own.tls else 'DISABLE'}  | LinkInfo"
    )
    parameters = (
        f"createLink para:rank[{rank}]-localUserrank[{rank}]-localIpAddr[{own.host}/{own.device}], remoteRank[{other}]-"
        f"remoteUserrank[{other}]-remoteIpAddr[{peer.host}/{peer.device}], machineType[{int(client)}], linkMode[1], "
        f"isUsedRdma[1], tag[{program}_{first.host}]"
    )
    detected = (
        f"This node (server {own.host}, device ID {own.device}) detects that srcRank (server {first.host}, device ID "
        f"{first.device}) fails to connect to dstRank (server {second.host}, device ID {second.device}). Continue to "
        "analyze the fault based on the logs of srcRank and dstRank."
    )
    rows = [
        ("816", f"[Wait][LinkEstablish]wait socket establish timeout, role[{int(client)}] rank[{rank}] {timeout}"),
        ("880", "[Wait][LinksEstablishCompleted] is failed. ret[9]."),
        ("642", "   _________________________LINK_ERROR_INFO___________________________"),
        ("643", f"   |  comm error, device[{own.device}]"),
        ("645", f"   {HEAD}    TlsStatus   |"),
        ("647", f"   {RULE}----------------|"),
        ("599", link),
    ]
    for number, text in rows:
        yield line(own.member, program, f"hccl_socket_manager.cc:{number}", text)
    failed = f"[InitChannelStage][Timeout]Transport init error! {parameters}"
    yield line(own.member, program, "transport_manager.cc:886", failed)
    reason = f"Communication_Error_Get_Socket(EI0006): Getting socket times out. Reason: {detected}"
    yield line(own.member, program, "detect_connect_anomalies.cc:132", reason)


def incomplete(program: str, member: Member, missing: Sequence[Member]) -> Iterator[str]:
    """What a rank tells when others never came to the root's socket (EI0015)."""
    stage = "[InitGroupStage][RanktableDetect]"
    seconds = member.value("HCCL_CONNECT_TIMEOUT")
    agents = "".join(f"{other.rank}," for other in missing)
    yield line(
        member,
        program,
        "topoinfo_exchange_server.cc:314",
        f"{stage}topo exchange server get socket timeout! timeout[{seconds} s]",
    )
    yield line(
        member,
        program,
        "topoinfo_exchange_base.cc:145",
        f'{stage} TopoDetect ERROR occur !!! fault_type[1], fault_info["Failed to connect agent[{agents}]"]',
    )
