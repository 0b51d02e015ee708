// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernel/netlink.hpp"
#include "plan/objects.hpp"

namespace twill {

/// Routing tables that nothing is forwarded by: where the agent and a BGP daemon tell each other of subnets,
/// in both families. Subnets of this node are blackhole routes of protocol 116 in `announced`, others' are
/// unicast routes of the daemon in `learned`, over `placeholder`.
///
/// Bound to the network namespace of the thread that opens it.
class PrivateRoutes {
 public:
  struct Tables {
    std::uint32_t learned = 0;
    std::uint32_t announced = 0;
    std::string placeholder;  ///< a bridge without ports, which is always up
    bool anyLink = false;     ///< routes of `learned` count whatever link they lead over
  };
  struct Learned {
    Prefix prefix;
    IpAddress nextHop;
    std::uint32_t mark = 0;  ///< RTAX_WINDOW, a metric of TCP that means nothing where nothing is forwarded

    auto operator<=>(const Learned&) const = default;
  };

  [[nodiscard]] static Result<PrivateRoutes> open(Tables tables);

  /// Readable when there is something for drain().
  [[nodiscard]] int fd() const { return events_.fd(); }
  /// Takes all notifications that wait. True when one was about these tables or the placeholder, or some were
  /// lost.
  [[nodiscard]] bool drain();

  /// Makes the placeholder, or takes it up, unless it is there and up. A link of that name that is no bridge
  /// is an error.
  [[nodiscard]] Result<void> makePlaceholder();
  /// By prefix; of several routes to one, the one with the lowest metric. Those without a next hop are left
  /// out, and those over other links than the placeholder, which are others' who use this table, too.
  [[nodiscard]] Result<std::vector<Learned>> learned();
  [[nodiscard]] Result<std::vector<Prefix>> announced();
  /// From now on exactly these.
  [[nodiscard]] Result<void> announce(const std::vector<Prefix>& prefixes);
  /// Takes out what the agent has announced, what leads over the placeholder, and that, if it is a bridge:
  /// says what it was. What else the tables hold is somebody else's.
  [[nodiscard]] Result<std::vector<std::string>> clear();

 private:
  PrivateRoutes(Tables tables, netlink::Socket requests, netlink::Socket events)
      : tables_(std::move(tables)), requests_(std::move(requests)), events_(std::move(events)) {}
  [[nodiscard]] Result<std::optional<Link>> placeholder();
  [[nodiscard]] Result<void> dump(std::uint32_t table,
                                  const std::function<void(const netlink::Received&)>& each);

  Tables tables_;
  netlink::Socket requests_;
  netlink::Socket events_;
};

}  // namespace twill
