// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// The fast path: from container to container past bridge and routing, on one node, and between a container and the link that
// leads to its peer's node: the underlay, or a tunnel, which does its part as ever. Only what is plain goes this way. All else
// is left as it is and goes as if there were no programs: other protocols than TCP and UDP, fragments, what is too large or
// has no hops left, whose source is not the container's own (the spoof guard judges it), and all that belongs to a connection
// that NAT has changed (host ports, service addresses), since the way back has to undo that.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "address.bpf.h"
#include "fast_path.h"

enum { FAMILY_INET = 2, FAMILY_INET6 = 10 };
// RFC 792 and 4443: types up to 127 are errors in ICMPv6.
enum { UNREACHABLE = 3, TIME_EXCEEDED = 11, PARAMETER_PROBLEM = 12, FIRST_QUESTION6 = 128, ICMP_HEADER = 8 };
enum { TRANSLATED = 1 << 4 | 1 << 5 };  // IPS_SRC_NAT | IPS_DST_NAT, linux/netfilter/nf_conntrack_common.h

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __type(key, __u8[16]);
  __type(value, struct fast_path_container);
  __uint(max_entries, 1 << 16);
  __uint(map_flags, BPF_F_NO_PREALLOC);
} containers SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __type(key, struct prefix_key);
  __type(value, struct fast_path_peer);
  __uint(max_entries, 1 << 20);
  __uint(map_flags, BPF_F_NO_PREALLOC);
} peers SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __type(key, __u32);
  __type(value, struct fast_path_counters);
  __uint(max_entries, FAST_PATH_ROADS);
} counters SEC(".maps");

// The kernel's own, as far as they are looked at.
struct nf_conn {
  unsigned long status;
} __attribute__((preserve_access_index));

struct bpf_ct_opts___local {
  __s32 netns_id;
  __s32 error;
  __u8 l4proto;
  __u8 dir;
  __u8 reserved[2];
};

extern struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb, struct bpf_sock_tuple *tuple, __u32 tuple_size,
                                         struct bpf_ct_opts___local *options, __u32 options_size) __ksym;
extern void bpf_ct_release(struct nf_conn *connection) __ksym;

struct packet {
  __u8 source[16] __attribute__((aligned(8)));
  __u8 destination[16] __attribute__((aligned(8)));
  __u32 begin;      // offset of the IP header
  __u32 transport;  // offset of the next one
  __u32 size;       // of the packet, or of each that it will be cut into, from the IP header on
  __u8 protocol;
  __u8 hops;
  __u8 v6;
};

// One IP header that a TCP, UDP or ICMP header follows at once. 0, or it is not plain.
static __always_inline int read_header(struct __sk_buff *skb, __u32 offset, struct packet *packet) {
  const void *begin = (void *)(long)skb->data + offset;
  const void *end = (void *)(long)skb->data_end;
  const struct iphdr *v4 = begin;
  const struct ipv6hdr *v6 = begin;
  if ((void *)(v4 + 1) > end) return -1;
  if (v4->version == 4) {
    if (v4->ihl != 5 || v4->frag_off & bpf_htons(0x3fff)) return -1;
    map_address(packet->source, &v4->saddr);
    map_address(packet->destination, &v4->daddr);
    packet->protocol = v4->protocol;
    packet->hops = v4->ttl;
    packet->v6 = 0;
    packet->transport = offset + sizeof *v4;
    return 0;
  }
  if ((void *)(v6 + 1) > end || v6->version != 6) return -1;
  __builtin_memcpy(packet->source, &v6->saddr, 16);
  __builtin_memcpy(packet->destination, &v6->daddr, 16);
  packet->protocol = v6->nexthdr;
  packet->hops = v6->hop_limit;
  packet->v6 = 1;
  packet->transport = offset + sizeof *v6;
  return 0;
}

// `begin`: of the IP header.
static __always_inline int read_packet(struct __sk_buff *skb, __u32 begin, struct packet *packet) {
  if (skb->vlan_present || (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6))) return -1;
  if (read_header(skb, begin, packet)) return -1;
  packet->begin = begin;
  packet->size = skb->len - begin;
  if (!skb->gso_size) return 0;
  __u8 offset = 8 >> 2 << 4;  // UDP's
  if (packet->protocol == IPPROTO_TCP && bpf_skb_load_bytes(skb, packet->transport + 12, &offset, 1)) return -1;
  packet->size = packet->transport - begin + (offset >> 4 << 2) + skb->gso_size;
  return 0;
}

static __always_inline int is_error(const struct packet *packet, __u8 type) {
  if (packet->v6) return type < FIRST_QUESTION6;
  return type == UNREACHABLE || type == TIME_EXCEEDED || type == PARAMETER_PROBLEM;
}

// The packet that a connection is known by: an ICMP error is about one that has gone the other way.
static __always_inline int find_flow(struct __sk_buff *skb, const struct packet *packet, struct packet *flow) {
  __u8 type;
  *flow = *packet;
  if (packet->protocol == (packet->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
    if (bpf_skb_load_bytes(skb, packet->transport, &type, 1) || !is_error(packet, type)) return -1;
    // Two sizes that the verifier sees, instead of packet->transport.
    const __u32 header = packet->v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
    if (read_header(skb, packet->begin + header + ICMP_HEADER, flow) || flow->v6 != packet->v6) return -1;
  }
  return flow->protocol == IPPROTO_TCP || flow->protocol == IPPROTO_UDP ? 0 : -1;
}

// Whether NAT has to do with it, or cannot be told from it.
static __always_inline int is_translated(struct __sk_buff *skb, const struct packet *packet) {
  struct bpf_ct_opts___local options = {.netns_id = BPF_F_CURRENT_NETNS};
  struct bpf_sock_tuple tuple = {};
  struct packet flow;
  __u32 size = sizeof tuple.ipv4;
  if (find_flow(skb, packet, &flow)) return 1;
  options.l4proto = flow.protocol;
  if (flow.v6) {
    size = sizeof tuple.ipv6;
    __builtin_memcpy(tuple.ipv6.saddr, flow.source, 16);
    __builtin_memcpy(tuple.ipv6.daddr, flow.destination, 16);
    if (bpf_skb_load_bytes(skb, flow.transport, &tuple.ipv6.sport, 4)) return 1;
  } else {
    __builtin_memcpy(&tuple.ipv4.saddr, flow.source + 12, 4);
    __builtin_memcpy(&tuple.ipv4.daddr, flow.destination + 12, 4);
    if (bpf_skb_load_bytes(skb, flow.transport, &tuple.ipv4.sport, 4)) return 1;
  }
  struct nf_conn *connection = bpf_skb_ct_lookup(skb, &tuple, size, &options, sizeof options);
  if (!connection) return 0;
  const unsigned long status = connection->status;
  bpf_ct_release(connection);
  return (status & TRANSLATED) != 0;
}

static __always_inline const struct fast_path_peer *find_peer(const __u8 *address) {
  return find_prefix(&peers, address);
}

static __always_inline int same_mac(const __u8 *one, const __u8 *other) {
  return *(const __u16 *)one == *(const __u16 *)other && *(const __u16 *)(one + 2) == *(const __u16 *)(other + 2) &&
         *(const __u16 *)(one + 4) == *(const __u16 *)(other + 4);
}

// What a router does to a packet: one hop less.
static __always_inline int take_hop(struct __sk_buff *skb, const struct packet *packet) {
  void *begin = (void *)(long)skb->data + packet->begin;
  void *end = (void *)(long)skb->data_end;
  struct iphdr *v4 = begin;
  struct ipv6hdr *header6 = begin;
  if (packet->v6) {
    if ((void *)(header6 + 1) > end) return -1;
    header6->hop_limit--;
    return 0;
  }
  if ((void *)(v4 + 1) > end) return -1;
  v4->ttl--;
  const __u32 sum = v4->check + bpf_htons(0x0100);  // RFC 1141
  v4->check = sum + (sum >= 0xffff);
  return 0;
}

static __always_inline void count(struct __sk_buff *skb, __u32 road) {
  struct fast_path_counters *counter = bpf_map_lookup_elem(&counters, &road);
  if (!counter) return;
  counter->packets += skb->gso_segs > 1 ? skb->gso_segs : 1;
  counter->bytes += skb->len;
}

// Into the container, as if it had come out of the node's end.
static __always_inline int enter(struct __sk_buff *skb, const struct fast_path_container *to, __u32 road) {
  struct ethhdr *ethernet = (void *)(long)skb->data;
  if ((void *)(ethernet + 1) > (void *)(long)skb->data_end) return TC_ACT_SHOT;
  __builtin_memcpy(ethernet->h_dest, to->mac, ETH_ALEN);
  count(skb, road);
  // It was addressed to the container, so that for the node's end it is another's.
  if (skb->pkt_type != PACKET_HOST) bpf_skb_change_type(skb, PACKET_HOST);
  return bpf_redirect_peer(to->link, 0);
}

static __always_inline int set_source(struct __sk_buff *skb, const __u8 *mac) {
  struct ethhdr *ethernet = (void *)(long)skb->data;
  if ((void *)(ethernet + 1) > (void *)(long)skb->data_end) return -1;
  __builtin_memcpy(ethernet->h_source, mac, ETH_ALEN);
  return 0;
}

// The next hop on the link, when the packet fits. Whether its MAC is known; below 0: the kernel sees another way.
static __always_inline int find_hop(struct __sk_buff *skb, const struct packet *packet, __u32 link,
                                    struct bpf_redir_neigh *hop) {
  struct bpf_fib_lookup way = {.tot_len = packet->size, .ifindex = link};
  if (packet->v6) {
    way.family = FAMILY_INET6;
    __builtin_memcpy(way.ipv6_src, packet->source, 16);
    __builtin_memcpy(way.ipv6_dst, packet->destination, 16);
  } else {
    way.family = FAMILY_INET;
    __builtin_memcpy(&way.ipv4_src, packet->source + 12, 4);
    __builtin_memcpy(&way.ipv4_dst, packet->destination + 12, 4);
  }
  const long found = bpf_fib_lookup(skb, &way, sizeof way, 0);
  if (way.ifindex != link) return -1;
  hop->nh_family = way.family;
  __builtin_memcpy(hop->ipv6_nh, way.ipv6_dst, 16);
  return found == BPF_FIB_LKUP_RET_SUCCESS ? 1 : found == BPF_FIB_LKUP_RET_NO_NEIGH ? 0 : -1;
}

// To the node that the destination is on.
static __always_inline int leave(struct __sk_buff *skb, const struct packet *packet) {
  struct bpf_redir_neigh hop = {};
  const struct fast_path_peer *peer = find_peer(packet->destination);
  if (packet->hops < 2 || !peer) return TC_ACT_UNSPEC;
  const __u32 link = peer->link;
  const __u32 raw = peer->raw;
  const int known = find_hop(skb, packet, link, &hop);
  if (known < 0 || is_translated(skb, packet)) return TC_ACT_UNSPEC;
  if (take_hop(skb, packet)) return TC_ACT_UNSPEC;
  count(skb, FAST_PATH_OUT);
  if (raw) return bpf_redirect(link, 0);
  // One that waits for ARP needs a route of its own, which comes with the kernel's own look-up only.
  return known ? bpf_redirect_neigh(link, &hop, sizeof hop, 0) : bpf_redirect_neigh(link, 0, 0, 0);
}

SEC("tc")
int twill_fast_leave(struct __sk_buff *skb) {
  struct packet packet = {};
  struct ethhdr ethernet;
  if (read_packet(skb, ETH_HLEN, &packet) || bpf_skb_load_bytes(skb, 0, &ethernet, sizeof ethernet)) return TC_ACT_UNSPEC;
  const struct fast_path_container *from = bpf_map_lookup_elem(&containers, packet.source);
  if (!from || from->link != skb->ifindex || !same_mac(from->mac, ethernet.h_source)) return TC_ACT_UNSPEC;
  const int routed = same_mac(from->gateway, ethernet.h_dest);
  const struct fast_path_container *to = bpf_map_lookup_elem(&containers, packet.destination);
  if (!to) return routed ? leave(skb, &packet) : TC_ACT_UNSPEC;
  if (packet.size > to->mtu || (routed ? packet.hops < 2 : !same_mac(to->mac, ethernet.h_dest))) return TC_ACT_UNSPEC;
  if (is_translated(skb, &packet)) return TC_ACT_UNSPEC;
  if (routed && (take_hop(skb, &packet) || set_source(skb, to->gateway))) return TC_ACT_UNSPEC;
  return enter(skb, to, FAST_PATH_LOCAL);
}

// What a peer's container sends to one of ours. Null: it is not that, or not plain.
static __always_inline const struct fast_path_container *find_target(struct __sk_buff *skb, __u32 begin,
                                                                     struct packet *packet) {
  if (skb->pkt_type != PACKET_HOST || read_packet(skb, begin, packet) || packet->hops < 2) return 0;
  const struct fast_path_container *to = bpf_map_lookup_elem(&containers, packet->destination);
  const struct fast_path_peer *peer = find_peer(packet->source);
  if (!to || packet->size > to->mtu || !peer || peer->link != skb->ifindex || is_translated(skb, packet)) return 0;
  return to;
}

SEC("tc")
int twill_fast_enter(struct __sk_buff *skb) {
  struct packet packet = {};
  const struct fast_path_container *to = find_target(skb, ETH_HLEN, &packet);
  if (!to || take_hop(skb, &packet) || set_source(skb, to->gateway)) return TC_ACT_UNSPEC;
  return enter(skb, to, FAST_PATH_IN);
}

// The same where packets are without Ethernet headers.
SEC("tc")
int twill_fast_raw(struct __sk_buff *skb) {
  struct packet packet = {};
  const struct fast_path_container *to = find_target(skb, 0, &packet);
  if (!to || take_hop(skb, &packet)) return TC_ACT_UNSPEC;
  if (bpf_skb_change_head(skb, ETH_HLEN, 0)) return TC_ACT_SHOT;
  struct ethhdr *ethernet = (void *)(long)skb->data;
  if ((void *)(ethernet + 1) > (void *)(long)skb->data_end) return TC_ACT_SHOT;
  ethernet->h_proto = packet.v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
  __builtin_memcpy(ethernet->h_source, to->gateway, ETH_ALEN);
  return enter(skb, to, FAST_PATH_IN);
}

// bpf_fib_lookup() is for programs under this license only.
char terms[] SEC("license") = "GPL";
