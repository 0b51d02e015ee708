// SPDX-License-Identifier: Apache-2.0
#include "kernel/qdisc.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

namespace twill::netlink {
namespace {

template <class Value>
void putValue(Message& message, std::uint16_t type, const Value& value) {
  message.put(type, {reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
}

/// Of 2^32 - 1, which stands for all, as netem has it.
std::uint32_t shareOf(double percent) {
  constexpr double kAll = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::llround(kAll * percent / 100));
}

}  // namespace

void encodeBucket(Message& message, const Bucket& bucket, int index) {
  encodeRootQdisc(message, index);
  message.putText(TCA_KIND, "tbf");
  tc_tbf_qopt options{};
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  options.rate.rate = static_cast<std::uint32_t>(std::min(bucket.bytesPerSecond, kMost));
  options.rate.linklayer = TC_LINKLAYER_ETHERNET;  // else the kernel wants a table of transmission times
  options.limit = bucket.limit;
  message.nest(TCA_OPTIONS, [&] {
    putValue(message, TCA_TBF_PARMS, options);
    message.putU32(TCA_TBF_BURST, bucket.burst);
    if (bucket.bytesPerSecond > kMost) putValue(message, TCA_TBF_RATE64, bucket.bytesPerSecond);
  });
}

void encodeNetem(Message& message, const Netem& netem, int index) {
  encodeRootQdisc(message, index);
  message.putText(TCA_KIND, "netem");
  tc_netem_qopt options{};  // its own latency is in ticks of a clock that the attribute below does without
  options.limit = netem.limit;
  options.loss = shareOf(netem.loss);
  message.nest(TCA_OPTIONS, [&] {
    message.putInnerHeader(options);
    putValue(message, TCA_NETEM_LATENCY64, static_cast<std::int64_t>(netem.delay.count()));
  });
}

void encodeRootQdisc(Message& message, int index) {
  auto& header = message.header<tcmsg>();
  header.tcm_ifindex = index;
  header.tcm_parent = TC_H_ROOT;
}

}  // namespace twill::netlink
