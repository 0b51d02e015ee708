/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What bpf/fast_path.bpf.c and the agent have in common. Addresses have 16 bytes, IPv4 as ::ffff:a.b.c.d. */
#pragma once

#include <linux/types.h>

/* The link that leads to a peer, by its subnets: the underlay, or a tunnel. */
struct fast_path_peer {
  __u32 link;
  __u32 raw; /* packets are without Ethernet headers there */
};

/* A container of this node, by each of its addresses. */
struct fast_path_container {
  __u32 link;        /* index of the node's end of its veth */
  __u32 mtu;
  __u8 mac[6];       /* its own */
  __u8 gateway[6];   /* where it sends what the node is to route */
};

/* The roads, as indexes of the counters. */
enum fast_path_road { FAST_PATH_LOCAL, FAST_PATH_OUT, FAST_PATH_IN, FAST_PATH_ROADS };

struct fast_path_counters {
  __u64 packets, bytes;
};
