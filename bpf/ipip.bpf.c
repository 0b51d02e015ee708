// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// IPIP without the kernel's driver, with the same bytes on the wire: IPv4 in IPv4 (RFC 2003) and IPv6 in IPv4 (RFC 4213). One
// program at the exit of the tunnel's device, which is a device in name only, and one at the entrance of the underlay's link.
// What is for no peer, or does not fit the path, is left to the device, which drops it.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "address.bpf.h"
#include "ipip.h"

enum { FAMILY_INET = 2, DEFAULT_TTL = 64 };
enum { DECAP_L3_IPV4 = 1 << 7, DECAP_L3_IPV6 = 1 << 8 };       // BPF_F_ADJ_ROOM_..., Linux 6.3
enum { NOT_ECT = 0, ECT1 = 1, ECT0 = 2, CE = 3, ECN = 3 };     // RFC 3168
enum { MOST_BYTES = 65535 - sizeof(struct iphdr) };

// Set before loading.
const volatile __u32 tunnel_link = 0;
const volatile __u32 underlay_link = 0;
const volatile __be32 local = 0;

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __type(key, struct prefix_key);
  __type(value, struct ipip_owner);
  __uint(max_entries, 1 << 20);
  __uint(map_flags, BPF_F_NO_PREALLOC);
} owners SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __type(key, __u32);
  __type(value, struct ipip_counters);
  __uint(max_entries, IPIP_COUNTS);
} counters SEC(".maps");

struct inner {
  __u8 source[16] __attribute__((aligned(8)));
  __u8 destination[16] __attribute__((aligned(8)));
  __u8 tos;  // or IPv6's traffic class
  __u8 v6;
};

static __always_inline int read_inner(struct __sk_buff *skb, __u32 offset, struct inner *inner) {
  union {
    struct iphdr v4;
    struct ipv6hdr v6;
  } header;
  if (bpf_skb_load_bytes(skb, offset, &header.v4, sizeof header.v4)) return -1;
  if (header.v4.version == 4) {
    map_address(inner->source, &header.v4.saddr);
    map_address(inner->destination, &header.v4.daddr);
    inner->tos = header.v4.tos;
    inner->v6 = 0;
    return 0;
  }
  if (header.v4.version != 6 || bpf_skb_load_bytes(skb, offset, &header.v6, sizeof header.v6)) return -1;
  __builtin_memcpy(inner->source, &header.v6.saddr, 16);
  __builtin_memcpy(inner->destination, &header.v6.daddr, 16);
  inner->tos = header.v6.priority << 4 | header.v6.flow_lbl[0] >> 4;
  inner->v6 = 1;
  return 0;
}

static __always_inline const struct ipip_owner *find_owner(const __u8 *address) {
  return find_prefix(&owners, address);
}

static __always_inline void count(struct __sk_buff *skb, __u32 what, __u32 headers) {
  struct ipip_counters *counter = bpf_map_lookup_elem(&counters, &what);
  if (!counter) return;
  counter->packets += skb->gso_segs > 1 ? skb->gso_segs : 1;
  counter->bytes += skb->len - headers;
}

static __always_inline __u16 checksum(const struct iphdr *header) {
  __u32 sum = bpf_csum_diff(0, 0, (__be32 *)header, sizeof *header, 0);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return ~sum;
}

struct headers {
  __u16 unused;  // aligns what follows the Ethernet header
  struct ethhdr ethernet;
  struct iphdr ip;
};

SEC("tc")
int twill_ipip_send(struct __sk_buff *skb) {
  struct inner inner = {};
  struct headers outer = {};
  if (skb->len > MOST_BYTES || read_inner(skb, 0, &inner)) return TC_ACT_UNSPEC;
  const struct ipip_owner *peer = find_owner(inner.destination);
  if (!peer || peer->own) return TC_ACT_UNSPEC;
  struct bpf_fib_lookup way = {.family = FAMILY_INET, .ifindex = underlay_link, .ipv4_src = local};
  way.ipv4_dst = peer->endpoint;
  way.tot_len = skb->gso_size ? 0 : skb->len + sizeof outer.ip;
  outer.ip.daddr = peer->endpoint;
  outer.ip.saddr = local;
  const long found = bpf_fib_lookup(skb, &way, sizeof way, BPF_FIB_LOOKUP_OUTPUT);
  if (found != BPF_FIB_LKUP_RET_SUCCESS && found != BPF_FIB_LKUP_RET_NO_NEIGH) return TC_ACT_UNSPEC;
  count(skb, IPIP_SENT, 0);
  const __u16 length = skb->len + sizeof outer.ip;
  if (bpf_skb_change_head(skb, sizeof outer.ethernet, 0)) return TC_ACT_SHOT;
  if (bpf_skb_adjust_room(skb, sizeof outer.ip, BPF_ADJ_ROOM_MAC,
                          BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_NO_CSUM_RESET))
    return TC_ACT_SHOT;
  outer.ethernet.h_proto = bpf_htons(ETH_P_IP);
  outer.ip.version = 4;
  outer.ip.ihl = 5;
  outer.ip.tos = inner.tos;  // RFC 6040, 4.1: all of it, in the normal mode
  outer.ip.ttl = DEFAULT_TTL;
  outer.ip.protocol = inner.v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
  outer.ip.frag_off = bpf_htons(0x4000);  // don't fragment
  outer.ip.tot_len = bpf_htons(length);
  outer.ip.check = checksum(&outer.ip);
  if (bpf_skb_store_bytes(skb, 0, &outer.ethernet, sizeof outer.ethernet + sizeof outer.ip, 0)) return TC_ACT_SHOT;
  // One that waits for ARP needs a route of its own, which comes with the kernel's own look-up only.
  if (found == BPF_FIB_LKUP_RET_NO_NEIGH) return bpf_redirect_neigh(way.ifindex, 0, 0, 0);
  struct bpf_redir_neigh hop = {.nh_family = FAMILY_INET, .ipv4_nh = way.ipv4_dst};
  return bpf_redirect_neigh(way.ifindex, &hop, sizeof hop, 0);
}

// The inner packet's ECN field after the outer one's (RFC 6040, 4.2). Below 0: it is to be dropped.
static __always_inline int merge_ecn(__u8 inner, __u8 outer) {
  if (outer == CE) return inner == NOT_ECT ? -1 : CE;
  if (outer == ECT1 && inner == ECT0) return ECT1;
  return inner;
}

// `offset`: of the inner header.
static __always_inline int set_ecn(struct __sk_buff *skb, __u32 offset, const struct inner *inner, __u8 ecn) {
  const __u8 tos = (inner->tos & ~ECN) | ecn;
  if (tos == inner->tos) return 0;
  if (!inner->v6) {
    const __be16 before = bpf_htons(inner->tos), after = bpf_htons(tos);
    if (bpf_l3_csum_replace(skb, offset + 10, before, after, sizeof before)) return -1;
    return bpf_skb_store_bytes(skb, offset + 1, &tos, 1, 0);
  }
  __u8 second;
  if (bpf_skb_load_bytes(skb, offset + 1, &second, 1)) return -1;
  second = tos << 4 | (second & 0x0f);
  return bpf_skb_store_bytes(skb, offset + 1, &second, 1, 0);
}

SEC("tc")
int twill_ipip_recv(struct __sk_buff *skb) {
  struct headers outer;
  struct inner inner = {};
  const __u32 size = sizeof outer - sizeof outer.unused;
  if (skb->vlan_present || skb->protocol != bpf_htons(ETH_P_IP)) return TC_ACT_UNSPEC;
  if (bpf_skb_load_bytes(skb, 0, &outer.ethernet, size)) return TC_ACT_UNSPEC;
  if ((outer.ip.protocol != IPPROTO_IPIP && outer.ip.protocol != IPPROTO_IPV6) || outer.ip.version != 4 ||
      outer.ip.ihl != 5 || outer.ip.frag_off & bpf_htons(0x3fff) || outer.ip.daddr != local)
    return TC_ACT_UNSPEC;
  if (read_inner(skb, size, &inner) || inner.v6 != (outer.ip.protocol == IPPROTO_IPV6)) return TC_ACT_UNSPEC;
  const struct ipip_owner *own = find_owner(inner.destination);
  if (!own || !own->own) return TC_ACT_UNSPEC;  // of another tunnel, perhaps
  const struct ipip_owner *peer = find_owner(inner.source);
  const int ecn = merge_ecn(inner.tos & ECN, outer.ip.tos & ECN);
  if (!peer || peer->own || peer->endpoint != outer.ip.saddr || ecn < 0) {
    count(skb, IPIP_STRANGERS, size);
    return TC_ACT_SHOT;
  }
  count(skb, IPIP_RECEIVED, size);
  if (set_ecn(skb, size, &inner, ecn)) return TC_ACT_SHOT;
  // Linux before 6.3 refuses this flag, and does without it when the family stays the same.
  const __u64 family = inner.v6 ? DECAP_L3_IPV6 : 0;
  if (bpf_skb_adjust_room(skb, -(int)sizeof outer.ip, BPF_ADJ_ROOM_MAC,
                          BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET | family))
    return TC_ACT_SHOT;
  return bpf_redirect(tunnel_link, BPF_F_INGRESS);
}

// bpf_fib_lookup() is for programs under this license only.
char terms[] SEC("license") = "GPL";
