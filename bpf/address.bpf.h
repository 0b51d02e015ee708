/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Addresses as the programs' maps have them: 16 bytes, IPv4 as ::ffff:a.b.c.d. */
#pragma once

#include "prefix_key.h"

static __always_inline void map_address(__u8 *to, const void *from) {
  __builtin_memset(to, 0, 10);
  to[10] = to[11] = 0xff;
  __builtin_memcpy(to + 12, from, 4);
}

/* What the trie has about an address. */
static __always_inline void *find_prefix(void *trie, const __u8 *address) {
  struct prefix_key key = {.length = 128};
  __builtin_memcpy(key.address, address, 16);
  return bpf_map_lookup_elem(trie, &key);
}
