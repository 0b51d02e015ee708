// SPDX-License-Identifier: Apache-2.0
#include "kernel/programs.hpp"

#include <memory>

#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

namespace twill {
namespace {

constexpr std::uint32_t kHooks[] = {TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
                                    TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)};

struct Search {
  std::string_view names;
  const std::set<std::uint32_t>& but;

  /// The program's id, where the filter is one that is looked for.
  [[nodiscard]] std::optional<std::uint32_t> idIn(const netlink::Attributes& attributes) const {
    if (attributes.text(TCA_KIND) != "bpf") return std::nullopt;
    const auto options = attributes.nest(TCA_OPTIONS);
    const std::uint32_t id = options.u32(TCA_BPF_ID).value_or(0);
    if (!options.text(TCA_BPF_NAME).starts_with(names) || but.contains(id)) return std::nullopt;
    return id;
  }
};

struct Found {
  tcmsg filter;
  std::uint32_t program;
};

Result<std::vector<Found>> find(netlink::Socket& socket, int link, std::uint32_t hook, const Search& search) {
  std::vector<Found> found;
  netlink::Message request(RTM_GETTFILTER, NLM_F_DUMP);
  auto& asked = request.header<tcmsg>();
  asked.tcm_ifindex = link;
  asked.tcm_parent = hook;
  TWILL_CHECK(socket.dump(request, [&](const netlink::Received& received) {
    const auto header = netlink::headerOf<tcmsg>(received.payload);
    const auto id = search.idIn(netlink::Attributes(received.payload, sizeof(tcmsg)));
    if (header && id) found.push_back({*header, *id});
  }));
  return found;
}

}  // namespace

Result<std::vector<std::string>> removePrograms(std::string_view names, const std::set<std::uint32_t>& but) {
  std::vector<std::string> from;
  TWILL_TRY(auto socket, netlink::Socket::open(NETLINK_ROUTE));
  using Links = struct if_nameindex;  // a function has the name, too
  const std::unique_ptr<Links, void (*)(Links*)> links(::if_nameindex(), ::if_freenameindex);
  if (!links) return failErrno("list the links");
  for (const Links* link = links.get(); link->if_index != 0; ++link) {
    for (const std::uint32_t hook : kHooks) {
      TWILL_TRY(const auto found, find(socket, static_cast<int>(link->if_index), hook, {names, but}));
      for (const Found& one : found) {
        netlink::Message remove(RTM_DELTFILTER, 0);
        remove.header<tcmsg>() = one.filter;
        TWILL_CHECK(socket.run(remove));
        from.emplace_back(link->if_name);
      }
    }
  }
  return from;
}

Result<std::optional<std::uint32_t>> findProgram(netlink::Socket& socket, int link, bool entrance,
                                                 std::string_view names) {
  TWILL_TRY(const auto found, find(socket, link, kHooks[entrance ? 0 : 1], {names, {}}));
  return found.empty() ? std::nullopt : std::optional(found.front().program);
}

Result<bool> hasProgram(netlink::Socket& socket, int link, std::string_view names) {
  TWILL_TRY(const auto found, findProgram(socket, link, true, names));
  return found.has_value();
}

}  // namespace twill
