/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A prefix in a trie (BPF_MAP_TYPE_LPM_TRIE), for programs and who fills their maps. */
#pragma once

#include <linux/types.h>

struct prefix_key {
  __u32 length;     /* in bits of the 128 */
  __u8 address[16]; /* IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), so that there is one map and one way to compare */
};
