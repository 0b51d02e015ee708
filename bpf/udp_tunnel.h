/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the programs in udp_tunnel.bpf.c and who loads them have in common. Addresses are of 16 bytes; IPv4's are the last four
 * after ::ffff (RFC 4291, 2.5.5.2), so that there is one map and one way to compare. */
#pragma once

#include <linux/types.h>

enum { UDP_TUNNEL_OWN = 0xffffffffU };

/* Who is behind a prefix. */
struct udp_tunnel_owner {
  __u8 endpoint[16]; /* on the underlay */
  __u32 index;       /* of the peer's counters; UDP_TUNNEL_OWN: this node */
  __u32 by_user;     /* nothing is sent to it from here: it would not complete checksums */
};

/* What a peer has sent lately: when the last one came, in ns. */
struct udp_tunnel_received {
  __u64 combined; /* of several datagrams that had been put together on the way */
  __u64 whole;    /* that had not been cut for the way */
  __u64 segments; /* of TCP, that are worth putting together */
};

struct udp_tunnel_counters {
  __u64 sent_packets, sent_bytes, received_packets, received_bytes;
};
