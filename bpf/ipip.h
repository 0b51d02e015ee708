/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What bpf/ipip.bpf.c and the agent have in common. Addresses have 16 bytes, IPv4 as ::ffff:a.b.c.d. */
#pragma once

#include <linux/types.h>

struct ipip_key {
  __u32 length; /* of the prefix, in bits of the 128 */
  __u8 address[16];
};

/* Who is behind a prefix. */
struct ipip_owner {
  __be32 endpoint; /* IPv4, on the underlay */
  __u32 own;       /* this node */
};

/* A container at a bridge. */
struct ipip_port_key {
  __u32 bridge; /* index */
  __u8 mac[6];
  __u8 zero[2];
};

enum ipip_count { IPIP_SENT, IPIP_RECEIVED, IPIP_STRANGERS, IPIP_COUNTS };

struct ipip_counters {
  __u64 packets, bytes; /* of the inner packets */
};
