/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What bpf/tunnel_port.bpf.c and the agent have in common. */
#pragma once

#include <linux/types.h>

/* A container at a bridge, for what came out of a tunnel. Its value is the index of the node's end of its veth. */
struct tunnel_port_key {
  __u32 tunnel; /* index of the tunnel's device */
  __u32 bridge; /* index */
  __u8 mac[6];
  __u8 zero[2];
};
