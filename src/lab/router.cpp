// SPDX-License-Identifier: Apache-2.0
#include "lab/router.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace twill::lab {
namespace {

constexpr std::uint32_t kNodesAs = 64512;

Result<void> need(const char* program, const char* package) {
  if (::access(program, X_OK) == 0) return {};
  return failErrno(fmt::format("the router needs {}; install the package {}", program, package));
}

std::string routerId(const Topology& topology) {
  return topology.segments.front().router4.address.text();
}

Result<RouterService> bird(const Spec& spec, const Topology& topology) {
  constexpr const char* kProgram = "/usr/sbin/bird";
  TWILL_CHECK(need(kProgram, "bird2"));
  std::string conf =
      fmt::format("log stderr {{ warning, error, fatal, bug }};\nrouter id {};\nprotocol device {{}}\n",
                  routerId(topology));
  const auto kernel = [&conf](int family) {
    conf += fmt::format(
        "protocol kernel {{ persist; ipv{0} {{ import none; export where source = RTS_BGP; }}; }}\n", family);
  };
  kernel(4);
  if (spec.ipv6) kernel(6);
  for (const NodePlan& node : topology.nodes) {
    conf += fmt::format(
        "protocol bgp {} {{\n  local as {};\n  neighbor {} as {};\n  connect retry time 1;\n"
        "  graceful restart on;\n  ipv4 {{ import all; export none; }};\n{}}}\n",
        node.name, kRouterAs, node.v4.address.text(), kNodesAs,
        spec.ipv6 ? "  ipv6 { import all; export none; };\n" : "");
  }
  return RouterService{
      {{"/run/bird.conf", conf}},
      {kProgram, "-f", "-c", "/run/bird.conf", "-s", "/run/bird.ctl", "-P", "/run/bird.pid"}};
}

Result<RouterService> frr(const Spec& spec, const Topology& topology) {
  TWILL_CHECK(need("/usr/lib/frr/bgpd", "frr"));
  std::string conf = fmt::format(
      "log stdout warnings\nrouter bgp {}\n bgp router-id {}\n no bgp ebgp-requires-policy\n"
      " no bgp network import-check\n bgp graceful-restart\n",
      kRouterAs, routerId(topology));
  std::string six;
  for (const NodePlan& node : topology.nodes) {
    const std::string address = node.v4.address.text();
    conf += fmt::format(" neighbor {0} remote-as {1}\n neighbor {0} timers connect 1\n", address, kNodesAs);
    six += fmt::format("  neighbor {} activate\n", address);
  }
  if (spec.ipv6) conf += " address-family ipv6 unicast\n" + six + " exit-address-family\n";
  // zebra brings into the kernel what bgpd has chosen.
  constexpr const char* kStart =
      "mkdir -p /run/frr && chown frr:frr /run/frr && "
      "/usr/lib/frr/zebra -d -A 127.0.0.1 -f /dev/null -z /run/frr/zserv.api -i /run/frr/zebra.pid && "
      "exec /usr/lib/frr/bgpd -A 127.0.0.1 -f /run/frr.conf -z /run/frr/zserv.api -i /run/frr/bgpd.pid";
  return RouterService{{{"/run/frr.conf", conf}}, {"/bin/sh", "-c", kStart}};
}

Result<RouterService> gobgp(const Spec& spec, const Topology& topology) {
  constexpr const char* kProgram = "/usr/bin/gobgpd";
  TWILL_CHECK(need(kProgram, "gobgpd"));
  std::string conf =
      fmt::format("[global.config]\nas = {}\nrouter-id = \"{}\"\n", kRouterAs, routerId(topology));
  for (const NodePlan& node : topology.nodes) {
    conf += fmt::format(
        "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{}\"\npeer-as = {}\n"
        "[neighbors.timers.config]\nconnect-retry = 1\n"
        "[neighbors.graceful-restart.config]\nenabled = true\nrestart-time = 60\n",
        node.v4.address.text(), kNodesAs);
    const auto family = [&conf](const char* name) {
      conf += fmt::format(
          "[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"{}\"\n"
          "[neighbors.afi-safis.mp-graceful-restart.config]\nenabled = true\n",
          name);
    };
    family("ipv4-unicast");
    if (spec.ipv6) family("ipv6-unicast");
  }
  return RouterService{{{"/run/gobgp.toml", conf}},
                       {kProgram, "-f", "/run/gobgp.toml", "--api-hosts", "127.0.0.1:50051", "-l", "warn"}};
}

}  // namespace

Result<RouterService> routerService(const Spec& spec, const Topology& topology) {
  if (spec.router == "frr") return frr(spec, topology);
  if (spec.router == "gobgp") return gobgp(spec, topology);
  return bird(spec, topology);
}

}  // namespace twill::lab
