// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "net/address.hpp"

namespace twill::lab {

enum class Protocol : std::uint8_t { icmp, tcp };

/// A network namespace that takes part in a probe.
struct Subject {
  std::string name;
  Fd netns;
  std::vector<IpAddress> targets;  ///< where the others are to reach it, at most one of each family
};

/// What came of one packet exchange: from[i] to target of to[j].
struct Observation {
  std::size_t from = 0;  ///< index into the subjects
  std::size_t to = 0;
  IpAddress address;
  Protocol protocol = Protocol::icmp;
  bool reached = false;             ///< the other side saw it
  bool answered = false;            ///< and we its answer
  int ttl = 0;                      ///< TTL or hop limit as it came in at the other side
  std::optional<IpAddress> seenAs;  ///< source address as it came in there
  std::chrono::microseconds rtt{};  ///< from sending to the answer
  std::string error;                ///< what the kernel said instead: "No route to host"

  [[nodiscard]] bool complete() const { return reached && answered; }
};

/// Every subject sends to every other, an ICMP echo request and a TCP connection to each target. One source
/// at a time, so that times mean something; what has not come back after `patience` is given up. Needs
/// CAP_NET_RAW in the namespaces. An error means that a probe could not even be set up.
[[nodiscard]] Result<std::vector<Observation>> probe(const std::vector<Subject>& subjects,
                                                     std::chrono::milliseconds patience);

}  // namespace twill::lab
