// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// The udp tunnel in the kernel: what twill-tunnel does in user space, with the same bytes on the wire, without leaving the
// kernel. Whatever is not plain (too large for the path, no peer's, put together from several datagrams) is left as it
// is and gets to twill-tunnel's device or socket, which knows what to do. When floods_by_user is set, so do floods of what is
// not TCP: the kernel takes a datagram at a time through all of a node's stack, where user space takes and gives 64 KB at once.
// TCP comes in large pieces by itself, and is put together again behind the tunnel.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "address.bpf.h"
#include "udp_tunnel.h"

enum { FAMILY_INET = 2, FAMILY_INET6 = 10, DEFAULT_TTL = 64 };
enum { DECAP_L3_IPV4 = 1 << 7, DECAP_L3_IPV6 = 1 << 8 };  // BPF_F_ADJ_ROOM_..., Linux 6.3
enum { MOST_BYTES = 65535 - 28 };            // inside one IPv4 packet
enum { LEAST_MERGED = 512 };                 // bytes: smaller ones are not much, and an answer waits for them
enum { FLOWS = 4096 };                       // entries for them
enum { STREAK = 64, PAUSE_NS = 20 * 1000 };  // so many packets with less between two of them are a flood

// Set before loading.
const volatile __u32 tunnel_link = 0;
const volatile __u32 underlay_link = 0;
const volatile __u32 merging_link = 0;  // what is sent by it comes back at its other end, put together; 0: there is none
const volatile __be16 port = 0;
const volatile __be32 local4 = 0;
const volatile __u32 local6[4] = {};
const volatile __u8 floods_by_user = 0;
const volatile __u64 bulk_ns = 0;  // so long after one that was part of much what follows it goes the same way, to keep the order

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __type(key, struct prefix_key);
  __type(value, struct udp_tunnel_owner);
  __uint(max_entries, 1 << 20);
  __uint(map_flags, BPF_F_NO_PREALLOC);
} owners SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __type(key, __u32);
  __type(value, struct udp_tunnel_counters);
  __uint(max_entries, 1);  // set before loading
} counters SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __type(key, __u32);
  __type(value, struct udp_tunnel_received);
  __uint(max_entries, 1);  // set before loading
} received SEC(".maps");  // by peer

// What a flow has sent, by its hash. Of two flows that share an entry one may take the slower way.
struct flow {
  __u64 last;    // packet, ns
  __u64 bulk;    // when it was last a part of much
  __u32 streak;  // of packets that followed each other at once
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __type(key, __u32);
  __type(value, struct flow);
  __uint(max_entries, FLOWS);
} flows SEC(".maps");

struct packet {
  __u8 source[16] __attribute__((aligned(4)));
  __u8 destination[16] __attribute__((aligned(4)));
  __u32 size;     // of the packet, or of each that it will be cut into; 0: that cannot be told
  __u32 length;   // what its header says
  __u32 held;     // what is there of it, or of several that have been put together
  __u32 segments;
  int v6;
  int tcp;
};

// The size of the header behind IP's, in large packets. UDP's stay with user space: where they are not cut on the way,
// nothing in them would say where one ends.
static __always_inline int transport_size(struct __sk_buff *skb, __u32 offset, __u8 protocol) {
  __u8 data_offset;
  if (protocol != IPPROTO_TCP || bpf_skb_load_bytes(skb, offset + 12, &data_offset, 1)) return -1;
  return data_offset >> 4 << 2;
}

// Reads the IP packet that begins at `offset`. 0, or it is not plain.
static __always_inline int read_packet(struct __sk_buff *skb, __u32 offset, struct packet *packet) {
  union {
    struct iphdr v4;
    struct ipv6hdr v6;
  } header;
  __u8 protocol;
  __u32 header_size;
  if (bpf_skb_load_bytes(skb, offset, &header.v4, sizeof header.v4)) return -1;
  if (header.v4.version == 4) {
    header_size = header.v4.ihl * 4;
    protocol = header.v4.protocol;
    packet->length = bpf_ntohs(header.v4.tot_len);
    map_address(packet->source, &header.v4.saddr);
    map_address(packet->destination, &header.v4.daddr);
  } else if (header.v4.version == 6) {
    if (bpf_skb_load_bytes(skb, offset, &header.v6, sizeof header.v6)) return -1;
    header_size = sizeof header.v6;
    protocol = header.v6.nexthdr;
    packet->length = bpf_ntohs(header.v6.payload_len) + sizeof header.v6;
    __builtin_memcpy(packet->source, &header.v6.saddr, 16);
    __builtin_memcpy(packet->destination, &header.v6.daddr, 16);
  } else {
    return -1;
  }
  packet->size = packet->held = skb->len - offset;
  packet->segments = 1;
  packet->v6 = header.v4.version == 6;
  packet->tcp = protocol == IPPROTO_TCP;
  if (skb->gso_size) {
    const int transport = transport_size(skb, offset + header_size, protocol);
    packet->size = transport < 0 ? 0 : header_size + transport + skb->gso_size;
    packet->segments = skb->gso_segs ? skb->gso_segs : 1;
  }
  return 0;
}

static __always_inline struct udp_tunnel_owner *find_owner(const __u8 *address) {
  return find_prefix(&owners, address);
}

static __always_inline int same(const __u8 *one, const __u8 *other) {
  const __u32 *a = (const __u32 *)one;
  const __u32 *b = (const __u32 *)other;
  return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

static __always_inline int is_mapped(const __u8 *address) {
  const __u32 *words = (const __u32 *)address;
  return words[0] == 0 && words[1] == 0 && words[2] == bpf_htonl(0xffff);
}

struct headers4 {
  __u16 unused;  // aligns what follows the Ethernet header
  struct ethhdr ethernet;
  struct iphdr ip;
  struct udphdr udp;
};

struct headers6 {
  __u16 unused;
  struct ethhdr ethernet;
  struct ipv6hdr ip;
  struct udphdr udp;
};

// The next hop to the peer, when the packet fits. Whether its MAC is known; below 0: there is none, or the underlay's link
// does not forward, which the kernel wants here.
static __always_inline int find_hop(struct __sk_buff *skb, struct bpf_fib_lookup *way) {
  way->ifindex = underlay_link;
  const long found = bpf_fib_lookup(skb, way, sizeof *way, BPF_FIB_LOOKUP_OUTPUT);
  return found == BPF_FIB_LKUP_RET_SUCCESS ? 1 : found == BPF_FIB_LKUP_RET_NO_NEIGH ? 0 : -1;
}

// With the hop, the kernel has no route to look up again. A packet that has to wait for ARP needs that route, though: with
// the one that it has, to the tunnel's device, it would leave without an Ethernet header.
static __always_inline int leave(__u32 link, struct bpf_redir_neigh *hop, int known) {
  return known ? bpf_redirect_neigh(link, hop, sizeof *hop, 0) : bpf_redirect_neigh(link, 0, 0, 0);
}

static __always_inline void fill_udp(struct udphdr *udp, __u16 length) {
  udp->source = port;
  udp->dest = port;
  udp->len = bpf_htons(length);  // and no checksum: the packet inside has its own
}

static __always_inline int send4(struct __sk_buff *skb, const struct packet *packet, const __u8 *endpoint) {
  const __u32 more = sizeof(struct iphdr) + sizeof(struct udphdr);
  struct bpf_fib_lookup way = {.family = FAMILY_INET, .tot_len = packet->size + more};
  struct headers4 outer = {};
  struct bpf_redir_neigh hop = {.nh_family = FAMILY_INET};
  __u16 length = skb->len + sizeof(struct udphdr);
  __builtin_memcpy(&way.ipv4_dst, endpoint + 12, 4);
  way.ipv4_src = local4;
  outer.ip.daddr = way.ipv4_dst;
  outer.ip.saddr = way.ipv4_src;
  const int known = find_hop(skb, &way);
  if (known < 0) return TC_ACT_UNSPEC;
  hop.ipv4_nh = way.ipv4_dst;
  if (bpf_skb_change_head(skb, sizeof outer.ethernet, 0)) return TC_ACT_UNSPEC;
  if (bpf_skb_adjust_room(skb, more, BPF_ADJ_ROOM_MAC,
                          BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP))
    return TC_ACT_SHOT;
  outer.ethernet.h_proto = bpf_htons(ETH_P_IP);
  outer.ip.version = 4;
  outer.ip.ihl = 5;
  outer.ip.ttl = DEFAULT_TTL;
  outer.ip.protocol = IPPROTO_UDP;
  outer.ip.frag_off = bpf_htons(0x4000);  // don't fragment
  outer.ip.tot_len = bpf_htons(length + sizeof(struct iphdr));
  fill_udp(&outer.udp, length);
  __u32 sum = bpf_csum_diff(0, 0, (__be32 *)&outer.ip, sizeof outer.ip, 0);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  outer.ip.check = ~sum;
  if (bpf_skb_store_bytes(skb, 0, &outer.ethernet, sizeof outer.ethernet + more, 0)) return TC_ACT_SHOT;
  return leave(way.ifindex, &hop, known);
}

// Word by word: without `volatile` the compiler would take the zeros that stand above.
static __always_inline void copy_local6(__u32 *to) {
  to[0] = local6[0];
  to[1] = local6[1];
  to[2] = local6[2];
  to[3] = local6[3];
}

static __always_inline int send6(struct __sk_buff *skb, const struct packet *packet, const __u8 *endpoint) {
  const __u32 more = sizeof(struct ipv6hdr) + sizeof(struct udphdr);
  struct bpf_fib_lookup way = {.family = FAMILY_INET6, .tot_len = packet->size + more};
  struct headers6 outer = {};
  struct bpf_redir_neigh hop = {.nh_family = FAMILY_INET6};
  const __u16 length = skb->len + sizeof(struct udphdr);
  __builtin_memcpy(way.ipv6_dst, endpoint, 16);
  copy_local6(way.ipv6_src);
  __builtin_memcpy(&outer.ip.daddr, way.ipv6_dst, 16);
  __builtin_memcpy(&outer.ip.saddr, way.ipv6_src, 16);
  const int known = find_hop(skb, &way);
  if (known < 0) return TC_ACT_UNSPEC;
  __builtin_memcpy(hop.ipv6_nh, way.ipv6_dst, 16);
  if (bpf_skb_change_head(skb, sizeof outer.ethernet, 0)) return TC_ACT_UNSPEC;
  if (bpf_skb_adjust_room(skb, more, BPF_ADJ_ROOM_MAC,
                          BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP))
    return TC_ACT_SHOT;
  outer.ethernet.h_proto = bpf_htons(ETH_P_IPV6);
  outer.ip.version = 6;
  outer.ip.hop_limit = DEFAULT_TTL;
  outer.ip.nexthdr = IPPROTO_UDP;
  outer.ip.payload_len = bpf_htons(length);
  fill_udp(&outer.udp, length);
  if (bpf_skb_store_bytes(skb, 0, &outer.ethernet, sizeof outer.ethernet + more, 0)) return TC_ACT_SHOT;
  return leave(way.ifindex, &hop, known);
}

static __always_inline void count_sent(const struct packet *packet, __u32 index) {
  struct udp_tunnel_counters *count = bpf_map_lookup_elem(&counters, &index);
  if (!count) return;
  count->sent_packets += packet->segments;
  count->sent_bytes += (__u64)packet->segments * packet->size;
}

// Whether there was much at `last`, or is now.
static __always_inline int is_bulk(__u64 *last, int much, __u64 now) {
  if (much) *last = now;
  return much || (*last != 0 && now - *last < bulk_ns);
}

// Large packets but TCP's, and many small ones without a pause: user space takes both in batches.
static __always_inline int sends_by_user(struct __sk_buff *skb, const struct packet *packet) {
  if (packet->tcp) return 0;
  const __u32 slot = bpf_get_hash_recalc(skb) % FLOWS;
  struct flow *flow = bpf_map_lookup_elem(&flows, &slot);
  if (!flow) return 0;
  const __u64 now = bpf_ktime_get_ns();
  flow->streak = now - flow->last < PAUSE_NS ? flow->streak + 1 : 0;
  flow->last = now;
  return is_bulk(&flow->bulk, skb->gso_size != 0 || flow->streak >= STREAK, now);
}

SEC("tc")
int twill_udp_send(struct __sk_buff *skb) {
  struct packet packet = {};
  if (read_packet(skb, 0, &packet)) return TC_ACT_UNSPEC;
  const struct udp_tunnel_owner *owner = find_owner(packet.destination);
  if (!owner || owner->index == UDP_TUNNEL_OWN || owner->by_user) return TC_ACT_UNSPEC;
  if (floods_by_user && sends_by_user(skb, &packet)) return TC_ACT_UNSPEC;
  if (!packet.size || skb->len > MOST_BYTES) return TC_ACT_UNSPEC;
  const __u32 index = owner->index;
  const int verdict = is_mapped(owner->endpoint) ? send4(skb, &packet, owner->endpoint)
                                                 : send6(skb, &packet, owner->endpoint);
  if (verdict == TC_ACT_REDIRECT) count_sent(&packet, index);
  return verdict;
}

struct outer {
  __u8 sender[16] __attribute__((aligned(4)));
  __u32 size;  // of its headers, Ethernet's included
  int has_checksum;
  int v6;
};

static __always_inline int read_outer4(struct __sk_buff *skb, struct outer *outer) {
  struct headers4 headers;
  const __u32 size = sizeof headers - sizeof headers.unused;
  if (bpf_skb_load_bytes(skb, 0, &headers.ethernet, size)) return -1;
  if (headers.ip.protocol != IPPROTO_UDP || headers.udp.dest != port || headers.ip.version != 4 ||
      headers.ip.ihl != 5 || headers.ip.frag_off & bpf_htons(0x3fff) || headers.ip.daddr != local4)
    return -1;
  map_address(outer->sender, &headers.ip.saddr);
  outer->has_checksum = headers.udp.check != 0;
  outer->size = size;
  outer->v6 = 0;
  return 0;
}

static __always_inline int read_outer6(struct __sk_buff *skb, struct outer *outer) {
  struct headers6 headers;
  __u32 local[4];
  const __u32 size = sizeof headers - sizeof headers.unused;
  copy_local6(local);
  if (bpf_skb_load_bytes(skb, 0, &headers.ethernet, size)) return -1;
  if (headers.ip.nexthdr != IPPROTO_UDP || headers.udp.dest != port || headers.ip.version != 6 ||
      !same((const __u8 *)&headers.ip.daddr, (const __u8 *)local))
    return -1;
  __builtin_memcpy(outer->sender, &headers.ip.saddr, 16);
  outer->has_checksum = headers.udp.check != 0;
  outer->size = size;
  outer->v6 = 1;
  return 0;
}

// The outer headers of a datagram for the tunnel. Below 0: it is none.
static __always_inline int read_outer(struct __sk_buff *skb, struct outer *outer) {
  if (skb->vlan_present) return -1;
  if (skb->protocol == bpf_htons(ETH_P_IP)) return read_outer4(skb, outer);
  if (skb->protocol == bpf_htons(ETH_P_IPV6)) return read_outer6(skb, outer);
  return -1;
}

// The order of a flow is its sender's: what comes from the kernel there has no UDP checksum, and goes by the kernel here.
// Only what has been put together on the way makes all of its peer's packets go by user space for a while.
static __always_inline int receives_by_user(const struct packet *packet, __u32 index, int has_checksum) {
  struct udp_tunnel_received *last = bpf_map_lookup_elem(&received, &index);
  return !last || has_checksum || is_bulk(&last->combined, packet->length != packet->held, bpf_ktime_get_ns());
}

// TCP in segments, as it is on a real wire. All of the peer's TCP then, and for a while after, so that the order stays; but
// none while that peer's comes whole, which the other link would only cut.
static __always_inline int is_merged(struct __sk_buff *skb, const struct packet *packet, __u32 index) {
  struct udp_tunnel_received *last = bpf_map_lookup_elem(&received, &index);
  if (!merging_link || !last || !packet->tcp) return 0;
  const __u64 now = bpf_ktime_get_ns();
  if (is_bulk(&last->whole, skb->gso_size != 0, now)) return 0;
  return is_bulk(&last->segments, packet->size >= LEAST_MERGED, now);
}

// What kind of packet it is, the other end reads in the Ethernet header, which is the outer packet's.
static __always_inline int merge(struct __sk_buff *skb, const struct packet *packet) {
  const __be16 kind = packet->v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
  if (bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &kind, sizeof kind, 0)) return TC_ACT_SHOT;
  return bpf_redirect(merging_link, 0);
}

SEC("tc")
int twill_udp_receive(struct __sk_buff *skb) {
  struct packet packet = {};
  struct outer outer = {};
  if (read_outer(skb, &outer)) return TC_ACT_UNSPEC;
  if (read_packet(skb, outer.size, &packet)) return TC_ACT_UNSPEC;
  const struct udp_tunnel_owner *peer = find_owner(packet.source);
  const struct udp_tunnel_owner *own = find_owner(packet.destination);
  if (!peer || !own || own->index != UDP_TUNNEL_OWN || !same(peer->endpoint, outer.sender)) return TC_ACT_UNSPEC;
  const __u32 index = peer->index;
  if (packet.length != packet.held && !floods_by_user) return TC_ACT_UNSPEC;
  if (floods_by_user && receives_by_user(&packet, index, outer.has_checksum)) return TC_ACT_UNSPEC;
  if (!packet.size) return TC_ACT_UNSPEC;
  // Linux before 6.3 refuses these flags, and does without them when the family stays the same.
  const __u64 family = packet.v6 == outer.v6 ? 0 : packet.v6 ? DECAP_L3_IPV6 : DECAP_L3_IPV4;
  if (bpf_skb_adjust_room(skb, -(int)(outer.size - sizeof(struct ethhdr)), BPF_ADJ_ROOM_MAC,
                          BPF_F_ADJ_ROOM_FIXED_GSO | family))
    return TC_ACT_UNSPEC;
  struct udp_tunnel_counters *count = bpf_map_lookup_elem(&counters, &index);
  if (count) {
    count->received_packets += packet.segments;
    count->received_bytes += (__u64)packet.segments * packet.size;
  }
  if (is_merged(skb, &packet, index)) return merge(skb, &packet);
  return bpf_redirect(tunnel_link, BPF_F_INGRESS);
}

// Where the merging link ends.
SEC("tc")
int twill_udp_merged(struct __sk_buff *skb __attribute__((unused))) {
  return bpf_redirect(tunnel_link, BPF_F_INGRESS);
}

// bpf_fib_lookup() is for programs under this license only.
char terms[] SEC("license") = "GPL";
