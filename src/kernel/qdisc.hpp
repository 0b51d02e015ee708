// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "kernel/netlink.hpp"
#include "plan/bucket.hpp"

namespace twill::netlink {

/// RTM_NEWQDISC with NLM_F_CREATE and NLM_F_REPLACE: a token bucket filter (sch_tbf) as the root of what the
/// interface sends. ENOENT: the kernel has none.
void encodeBucket(Message& message, const Bucket& bucket, int index);

/// What every packet meets that an interface sends (sch_netem).
struct Netem {
  double loss = 0;                   ///< percent
  std::chrono::nanoseconds delay{};  ///< not negative
  std::uint32_t limit = 1000;        ///< packets that wait at most; what is more is dropped
};
/// RTM_NEWQDISC as above. An error (ENOENT as a rule): the kernel has none.
void encodeNetem(Message& message, const Netem& netem, int index);

/// The body of RTM_DELQDISC for the root of what the interface sends.
void encodeRootQdisc(Message& message, int index);

}  // namespace twill::netlink
