// SPDX-License-Identifier: Apache-2.0
#include "kernel/container_route.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <linux/rtnetlink.h>

#include "kernel/read.hpp"
#include "kernel/route.hpp"

namespace twill {

Result<void> addContainerRoute(netlink::Socket& inside, const ContainerRoute& wanted, int index,
                               std::uint8_t protocol) {
  std::uint32_t metric = wanted.priority;
  const auto attempt = [&] {
    netlink::Message add(RTM_NEWROUTE, static_cast<std::uint16_t>(NLM_F_CREATE | NLM_F_EXCL));
    netlink::encodeContainerRoute(add, wanted, metric, protocol, index);
    return inside.run(add);
  };
  auto added = attempt();
  if (added || added.error().code != EEXIST) return added;
  TWILL_TRY(const auto all, readEveryTable(inside));
  const std::uint32_t table = wanted.inMainTable() ? ContainerRoute::kMainTable : wanted.table;
  for (const auto& other : all) {
    if (other.table != table || other.route.dst != wanted.dst) continue;
    const bool same = other.index == index && other.route.via == wanted.via;
    if (same && (wanted.priority == 0 || other.route.metric == wanted.priority)) return {};
    metric = std::max(metric, other.route.metric + 1);
  }
  if (wanted.priority == 0) return attempt();
  return fail(fmt::format("another route there has its priority {}; choose another one, or leave it out and "
                          "the route comes behind that one",
                          wanted.priority),
              Error::Kind::conflict);
}

}  // namespace twill
