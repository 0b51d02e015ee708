// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>

#include "net/address.hpp"

namespace boost::asio {
class io_context;
}

namespace twill::bgp {

/// Nodes ask each other by UDP whether they are there, and answer with a number that stands for what they
/// have: 16 bytes each way, so that nobody gets more than he sent. Whoever does not answer is asked by ICMP,
/// too: that is answered by the kernel of a node whose agent has ended or hangs.
///
/// Threading: on the loop's thread; `changed` is not called from inside a call.
class Echo {
 public:
  /// `changed`: other nodes are dead than before, or one answers with another number than before, or by UDP
  /// no more.
  Echo(boost::asio::io_context& loop, std::function<void()> changed);
  ~Echo();
  Echo(const Echo&) = delete;
  Echo& operator=(const Echo&) = delete;

  /// Where this node is asked and asks from. An error names address and port; the next call tries again.
  [[nodiscard]] Result<void> open(const IpAddress& self, std::uint16_t port);
  void follow(const std::set<IpAddress>& peers);
  [[nodiscard]] std::set<IpAddress> dead() const;
  /// What this node answers with.
  void say(std::uint32_t sign);
  /// What that one answers with, if it does.
  [[nodiscard]] std::optional<std::uint32_t> heardFrom(const IpAddress& peer) const;

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace twill::bgp
