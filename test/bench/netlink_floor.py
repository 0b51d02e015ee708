# SPDX-License-Identifier: Apache-2.0
"""What a tunnel's peers cost in the kernel alone: the requests of `ip -batch` and `bridge -batch`, written beforehand and sent
without waiting for an answer to each. Each route has a metric of its own, as Twill's have (docs/adr/0002)."""
import socket
import struct
import time

# linux/netlink.h, linux/rtnetlink.h, linux/neighbour.h
RTM_NEWROUTE, RTM_NEWNEIGH = 24, 28
NEW = 1 | 0x200 | 0x400  # NLM_F_REQUEST, NLM_F_EXCL, NLM_F_CREATE
AF_BRIDGE, NUD_PERMANENT, NTF_SELF, NDA_DST, NDA_LLADDR = 7, 0x80, 2, 1, 2
RT_TABLE_MAIN, RTPROT_BOOT, RTN_UNICAST, RTNH_F_ONLINK, RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY = 254, 3, 1, 4, 1, 4, 5, 6
CHUNK = 32 * 1024  # bytes of one send()


def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def message(kind, body, *attributes):
    body += b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body), kind, NEW, 0, 0) + body


def neighbour(link, mac, address, family=socket.AF_INET, flags=0):
    return message(RTM_NEWNEIGH, struct.pack("=BxxxiHBx", family, link, NUD_PERMANENT, flags),
                   attribute(NDA_DST, address), attribute(NDA_LLADDR, mac))


def route(link, subnet, length, hop):
    return message(RTM_NEWROUTE, struct.pack("=BBBBBBBBI", socket.AF_INET, length, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, 0, RTN_UNICAST,
                                             RTNH_F_ONLINK),
                   attribute(RTA_DST, subnet), attribute(RTA_GATEWAY, hop), attribute(RTA_OIF, struct.pack("=i", link)),
                   attribute(RTA_PRIORITY, subnet))


def seconds(link, peers):
    """How long `peers`, as (subnet, MAC, public address), take to be programmed at a vxlan device."""
    link = socket.if_nametoindex(link)
    chunks = [b""]
    for subnet, mac, public in peers:
        address, length = subnet.split("/")
        hop, mac = socket.inet_aton(address), bytes.fromhex(mac.replace(":", ""))
        if len(chunks[-1]) > CHUNK:
            chunks.append(b"")
        chunks[-1] += (neighbour(link, mac, hop) + route(link, hop, int(length), hop) +
                       neighbour(link, mac, socket.inet_aton(public), AF_BRIDGE, NTF_SELF))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        begin = time.monotonic()
        for chunk in chunks:
            kernel.send(chunk)
        end = time.monotonic()
        kernel.setblocking(False)
        try:
            kind, code = struct.unpack_from("=4xH10xi", kernel.recv(65536))
            raise OSError(f"the kernel refuses a request: message {kind}, error {-code}")
        except BlockingIOError:
            return end - begin
