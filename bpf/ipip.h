/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What bpf/ipip.bpf.c and the agent have in common. Addresses have 16 bytes, IPv4 as ::ffff:a.b.c.d. */
#pragma once

#include <linux/types.h>

/* Who is behind a prefix. */
struct ipip_owner {
  __be32 endpoint; /* IPv4, on the underlay */
  __u32 own;       /* this node */
};

enum ipip_count { IPIP_SENT, IPIP_RECEIVED, IPIP_STRANGERS, IPIP_COUNTS };

struct ipip_counters {
  __u64 packets, bytes; /* of the inner packets */
};
