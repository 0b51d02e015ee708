// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// At the exits of containers' bridges: what came out of a tunnel and is for a container there goes into the container's
// link without the bridge in between. What another program took out of a tunnel keeps the mark that it is inside another
// packet (skb->encapsulation), which no program can wipe off, and for such packets a bridge has no offloads: Linux would
// cut what sender or network card have put together, and sum each piece. Small packets, too, so that all have the same
// way. The link's own queue still holds.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "tunnel_port.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __type(key, struct tunnel_port_key);
  __type(value, __u32);
  __uint(max_entries, 1 << 16);
  __uint(map_flags, BPF_F_NO_PREALLOC);
} ports SEC(".maps");

SEC("tc")
int twill_port(struct __sk_buff *skb) {
  struct tunnel_port_key key = {.tunnel = skb->ingress_ifindex, .bridge = skb->ifindex};
  if (bpf_skb_load_bytes(skb, 0, key.mac, sizeof key.mac)) return TC_ACT_UNSPEC;
  const __u32 *port = bpf_map_lookup_elem(&ports, &key);
  return port ? bpf_redirect(*port, 0) : TC_ACT_UNSPEC;
}

char terms[] SEC("license") = "GPL";
