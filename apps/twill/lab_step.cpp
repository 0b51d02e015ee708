// SPDX-License-Identifier: Apache-2.0
#include "lab_step.hpp"

#include <array>
#include <csignal>

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "api/client.hpp"
#include "base/file.hpp"
#include "lab/lab_files.hpp"
#include "lab/process.hpp"
#include "lab_capture.hpp"
#include "lab_status.hpp"
#include "lab_up.hpp"
#include "terminal.hpp"

namespace twill {
namespace {

using Json = nlohmann::json;

constexpr const char* kTunnel = "twill-vx1";

struct Lesson {
  const char* title;
  const char* text;
  int nodes;
  int containers;
  AttachMode attach;
  const char* next;  ///< what to try
  const char* backend;
};

constexpr std::array<Lesson, 4> kLessons{
    {{"one network namespace",
      "A container is, for the network, a namespace: links, addresses and routes of its own. A veth pair is "
      "a\n"
      "cable into it. The node finds the container by a /32 route; the container sends everything to\n"
      "169.254.1.1, an address that exists only so that the node can answer for it.",
      1, 1, AttachMode::routed, "lab exec --name step1 node1 -- ip route get 172.16.0.1", "host-gw"},
     {"one node, several containers",
      "A bridge is a switch: each container's cable ends in one of its ports, so containers reach each "
      "other\n"
      "by their MAC addresses alone. The bridge has an address too, 172.16.0.1: that is the gateway by "
      "which\n"
      "they reach the node and all else.",
      1, 2, AttachMode::bridge, "lab exec --name step2 node1 -- bridge fdb show br twill0", "host-gw"},
     {"many nodes, joined by routes",
      "Each node has a subnet of its own. What is missing is the way to the others' subnets: a route with "
      "the\n"
      "other node's address as next hop. Which node has which subnet stands in a file that both read, "
      "written\n"
      "by hand here; the agents turn it into routes. This is flannel's host-gw, and Calico within a segment.",
      2, 1, AttachMode::bridge, "trace --lab step3 node1/con1 node2/con1", "host-gw"},
     {"an overlay",
      "Routers between the nodes may know nothing of containers. So each packet between them travels inside "
      "another\n"
      "one, from node to node: here in VXLAN, over UDP. The route to the other node's subnet leads into a "
      "device;\n"
      "a neighbour entry says which MAC is there, a forwarding entry behind which node that MAC is. This is "
      "flannel's\n"
      "vxlan, and Calico's and Weave's.",
      2, 1, AttachMode::bridge, "trace --lab step4 node1/con1 node2/con1", "vxlan"}}};

Result<Json> ask(const lab::Lab& lab, const std::string& node, const std::string& target) {
  TWILL_TRY(const api::Reply reply, api::call(lab::socketFile(lab.directory(), node), {.target = target}));
  Json body = Json::parse(reply.body, nullptr, false);
  if (!body.is_object())
    return fail(fmt::format("the agent of {} answered {}: {}", node, reply.status, reply.body));
  return body;
}

/// A command that may have several lines, each under the node's prompt.
void printCommand(const std::string& node, const std::string& why, const std::string& command) {
  fmt::print("{}\n", paint(Tone::dim, "  # " + why));
  std::size_t begin = 0;
  while (begin < command.size()) {
    const auto end = std::min(command.find('\n', begin), command.size());
    fmt::print("  {} {}\n", paint(Tone::bold, node + "$"), command.substr(begin, end - begin));
    begin = end + 1;
  }
}

Result<void> printNode(const lab::Lab& lab, const lab::NodePlan& node) {
  printCommand(node.name, "the node's own address on the network between nodes",
               fmt::format("ip address add {} dev eth0\nip link set eth0 up", node.v4.text()));
  for (int i = 0; i < lab.spec().containers; ++i) {
    printCommand(node.name, "a container's network namespace, as a runtime makes it",
                 "ip netns add " + lab::containerName(i));
  }
  TWILL_TRY(const Json journal, ask(lab, node.name, "/v1/operations"));
  for (const Json& entry : journal["operations"]) {
    printCommand(
        node.name,
        fmt::format("twilld: {} {}", entry["verb"].get<std::string>(), entry["object"].get<std::string>()),
        entry["command"]);
  }
  fmt::print("\n");
  return {};
}

Result<void> printMap(const lab::Lab& lab) {
  TWILL_TRY(const std::string leases, readFile(lab.directory() + "/network/leases.json"));
  fmt::print("The map, /etc/twill/network/leases.json on every node:\n\n{}\n", leases);
  return {};
}

/// One and the same echo request, as it passes the node's interfaces.
Result<void> printPacket(const lab::Lab& lab) {
  fmt::print("One packet of node1/con1 to node2/con1 on its way out of node1:\n\n");
  TWILL_TRY(
      const pid_t ping, lab::spawn([&] {
        if (!lab.enter({"node1", "con1"})) return 126;
        ::close(STDOUT_FILENO);
        return lab::become({"ping", "-q", "-i", "0.2", "-w", "60", "172.16.1.2"}, {"PATH=/usr/bin:/bin"});
      }));
  Result<int> seen = 0;
  for (const char* link : {"twill0", kTunnel, "eth0"}) {
    if (seen) seen = capturePackets(lab, {.place = "node1", .link = link, .host = "172.16.1.2"});
  }
  ::kill(ping, SIGTERM);
  TWILL_TRY(const int ended, lab::waitFor(ping));
  (void)ended;  // by our signal
  fmt::print("\n");
  return seen ? Result<void>() : Failure(seen.error());
}

Result<void> runIn(const lab::Lab& lab, const std::string& node, const std::vector<std::string>& command) {
  TWILL_TRY(const pid_t child, lab::spawn([&] {
              const Fd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
              if (::dup2(nowhere.get(), STDOUT_FILENO) < 0 || !lab.enter({node, ""})) return 126;
              return lab::become(command, {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"});
            }));
  TWILL_TRY(const int status, lab::waitFor(child));
  if (status == 0) return {};
  return fail(fmt::format("{}: '{}' ended with {}", node, fmt::join(command, " "), status));
}

/// Each end of the tunnel gets an address by which the other end reaches it through the tunnel, and nothing
/// else.
Result<void> addTunnelAddresses(const lab::Lab& lab) {
  const auto addressOf = [](const lab::NodePlan& node) {
    return node.lease.subnet->address().plus(100).text();
  };
  for (const auto& node : lab.topology().nodes) {
    TWILL_CHECK(runIn(lab, node.name, {"ip", "address", "add", addressOf(node) + "/32", "dev", kTunnel}));
    printCommand(node.name, "an address for this end of the tunnel, to try it by",
                 fmt::format("ip address add {}/32 dev {}", addressOf(node), kTunnel));
  }
  const auto& near = lab.topology().nodes.front();
  const auto& far = lab.topology().nodes.back();
  TWILL_CHECK(runIn(lab, near.name, {"ping", "-c1", "-W2", "-I", addressOf(near), addressOf(far)}));
  fmt::print("\n{} answers {} through the tunnel.\n\n", addressOf(far), addressOf(near));
  return {};
}

}  // namespace

Result<int> runStep(int number) {
  const Lesson& lesson = kLessons.at(static_cast<std::size_t>(number - 1));
  const lab::Spec spec{.name = fmt::format("step{}", number),
                       .nodes = lesson.nodes,
                       .containers = lesson.containers,
                       .backend = lesson.backend,
                       .datastore = "file",  // the lesson names subnets
                       .attach = lesson.attach};
  fmt::print("{}\n\n{}\n\n", paint(Tone::bold, fmt::format("Step {}: {}", number, lesson.title)),
             lesson.text);
  if (auto gone = lab::takeDown(spec.name); !gone) return Failure(std::move(gone.error()));
  TWILL_TRY(const lab::Lab lab, bringUp(spec));
  if (lesson.nodes > 1) TWILL_CHECK(printMap(lab));
  for (const auto& node : lab.topology().nodes) TWILL_CHECK(printNode(lab, node));
  if (spec.backend != lab::Spec().backend) {
    TWILL_CHECK(addTunnelAddresses(lab));
    TWILL_CHECK(printPacket(lab));
  }
  TWILL_TRY(const int ready, showStatus(lab, false));
  fmt::print("\n");
  TWILL_TRY(const int passed, runTest(lab, false));
  fmt::print("\nThe lab stays up. Try:  twill {}\nEnd it with:            twill lab down --name {}\n",
             lesson.next, spec.name);
  return ready == 0 && passed == 0 ? 0 : 1;
}

}  // namespace twill
