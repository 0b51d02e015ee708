// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/paint.hpp"
#include "lab/probe.hpp"

/// Whether a container network keeps its promises, from what a probe has seen. Pure.
namespace twill::lab {

/// One row of `lab test`.
struct Row {
  std::string from;
  std::string to;
  IpAddress address;
  Protocol protocol = Protocol::icmp;
  bool ok = false;
  int ttl = 0;  ///< 0: it never arrived
  std::optional<IpAddress> seenAs;
  std::optional<std::chrono::microseconds> rtt;
  std::string fault;  ///< why it is not ok; empty when it is
};

/// What a row should look like besides reaching its destination.
struct Expectation {
  int ttl = 64;
  std::vector<IpAddress> own;  ///< the sender's addresses: it must be seen under one of them, or there is NAT
};

[[nodiscard]] Row judge(const Observation& observation, const std::string& from, const std::string& to,
                        const Expectation& expected);

/// An array of objects with from, to, address, protocol, ok, ttl, seen_as, rtt_us, fault.
[[nodiscard]] std::string toJson(const std::vector<Row>& rows);

/// Who reaches whom, a line a sender; a cell holds the TTL that came in, or what failed. Wider than `width`
/// columns it is left out. Then each fault in a line, at most 20, and a sum.
[[nodiscard]] std::string matrix(const std::vector<Row>& rows, std::size_t width, const Paint& paint);

}  // namespace twill::lab
