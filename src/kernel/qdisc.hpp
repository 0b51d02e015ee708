// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/netlink.hpp"
#include "plan/bucket.hpp"

namespace twill::netlink {

/// RTM_NEWQDISC with NLM_F_CREATE and NLM_F_REPLACE: a token bucket filter (sch_tbf) as the root of what the
/// interface sends. ENOENT: the kernel has none.
void encodeBucket(Message& message, const Bucket& bucket, int index);

}  // namespace twill::netlink
