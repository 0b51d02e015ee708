// SPDX-License-Identifier: Apache-2.0
#include "kernel/programs.hpp"

#include <memory>

#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "kernel/netlink.hpp"

namespace twill {
namespace {

constexpr std::string_view kName = "twill_udp_";
constexpr std::uint32_t kHooks[] = {TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
                                    TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)};

bool isOurs(const netlink::Attributes& attributes) {
  return attributes.text(TCA_KIND) == "bpf" &&
         attributes.nest(TCA_OPTIONS).text(TCA_BPF_NAME).starts_with(kName);
}

Result<std::vector<tcmsg>> findOurs(netlink::Socket& socket, int link, std::uint32_t hook) {
  std::vector<tcmsg> found;
  netlink::Message request(RTM_GETTFILTER, NLM_F_DUMP);
  auto& asked = request.header<tcmsg>();
  asked.tcm_ifindex = link;
  asked.tcm_parent = hook;
  TWILL_CHECK(socket.dump(request, [&](const netlink::Received& received) {
    const auto header = netlink::headerOf<tcmsg>(received.payload);
    if (header && isOurs(netlink::Attributes(received.payload, sizeof(tcmsg)))) found.push_back(*header);
  }));
  return found;
}

}  // namespace

Result<std::vector<std::string>> removeTunnelPrograms() {
  std::vector<std::string> from;
  TWILL_TRY(auto socket, netlink::Socket::open(NETLINK_ROUTE));
  using Links = struct if_nameindex;  // a function has the name, too
  const std::unique_ptr<Links, void (*)(Links*)> links(::if_nameindex(), ::if_freenameindex);
  if (!links) return failErrno("list the links");
  for (const Links* link = links.get(); link->if_index != 0; ++link) {
    for (const std::uint32_t hook : kHooks) {
      TWILL_TRY(const auto found, findOurs(socket, static_cast<int>(link->if_index), hook));
      for (const tcmsg& one : found) {
        netlink::Message remove(RTM_DELTFILTER, 0);
        remove.header<tcmsg>() = one;
        TWILL_CHECK(socket.run(remove));
        from.emplace_back(link->if_name);
      }
    }
  }
  return from;
}

}  // namespace twill
