// SPDX-License-Identifier: Apache-2.0
// Commands of the lab: a cluster of namespaces on this machine.
#include <functional>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "command.hpp"
#include "commands.hpp"
#include "lab/lab_files.hpp"
#include "lab_capture.hpp"
#include "lab_status.hpp"
#include "lab_step.hpp"
#include "lab_up.hpp"
#include "terminal.hpp"

namespace twill {
namespace {

constexpr const char* kFooter = R"(Places:
  node1, router        a machine of the lab
  node1/con2           a container on it

Examples:
  twill lab up                                three nodes, two containers on each
  twill lab up --nodes 5 --segments 2 --ipv6  over two segments with a router, dual stack
  twill lab up --delay 20 --loss 0.5          over cables that take 20 ms each way and lose one packet in 200
  twill lab exec node1/con1 -- ping 172.16.1.2
  twill lab exec node2 -- ip route            what the agent put there
  twill lab capture node1 --host 172.16.1.2   one packet at eth0 with that address, header by header
  twill lab test                              can everybody reach everybody, without NAT?
  twill lab down)";

void addName(CLI::App& command, std::string& name) {
  command.add_option("--name", name, "which lab; several can be up side by side")->capture_default_str();
}

/// A router that has to know the map wants one that is known beforehand.
std::string usualDatastore(const lab::Spec& spec) {
  return lab::routerNeedsMap(spec) ? "file" : lab::Spec().datastore;
}

void addUp(CLI::App& app) {
  auto spec = std::make_shared<lab::Spec>();
  CLI::App* command = addCommand(app, "up", "bring a lab up, or complete one that is up", spec,
                                 [](lab::Spec& wanted) -> Result<int> {
                                   if (wanted.datastore.empty()) wanted.datastore = usualDatastore(wanted);
                                   TWILL_TRY(const lab::Lab lab, bringUp(wanted));
                                   return showStatus(lab, false);
                                 });
  addName(*command, spec->name);
  command->add_option("--nodes", spec->nodes, "how many nodes")->capture_default_str();
  command->add_option("--containers", spec->containers, "containers on each node")->capture_default_str();
  command->add_option("--segments", spec->segments, "L2 networks that the nodes are spread over")
      ->capture_default_str();
  command->add_option("--backend", spec->backend, "how nodes connect")
      ->capture_default_str()
      ->check(CLI::IsMember({"aws-vpc", "gce", "host-gw", "ipip", "udp", "vxlan"}));
  command->add_option("--engine", spec->engine, "who carries the packets of udp, or of ipip (driver, ebpf)")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "user", "kernel", "driver", "ebpf"}));
  command->add_flag("--direct-routing", spec->directRouting, "no tunnel where a plain route gets there");
  command->add_flag("--fast-path", spec->fastPath, "containers' TCP and UDP past bridge and routing");
  spec->datastore.clear();
  command->add_option("--datastore", spec->datastore, "where the map of nodes lives")
      ->default_str(lab::Spec().datastore)
      ->check(CLI::IsMember({"bgp", "etcd", "file", "gossip"}));
  command
      ->add_option("--router", spec->router,
                   "who talks BGP with the nodes between segments, with the datastore bgp")
      ->capture_default_str()
      ->check(CLI::IsMember({"bird", "frr", "gobgp"}));
  command
      ->add_option("--etcd-endpoints", spec->etcdEndpoints,
                   "an etcd that runs already, http://HOST:PORT; without, the lab has one of its own")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_flag("--ipv6", spec->ipv6, "IPv6 besides IPv4");
  command->add_option("--mtu", spec->mtu, "of each segment: one for all, or one for each as in 1500,1400")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->default_str("1500");
  command->add_option("--loss", spec->loss, "percent of the packets that each node's cable loses, each way")
      ->capture_default_str();
  command->add_option("--delay", spec->delay, "milliseconds that each node's cable takes, each way")
      ->capture_default_str();
  command
      ->add_option_function<std::string>(
          "--attach",
          [spec](const std::string& mode) {
            spec->attach = mode == "routed" ? AttachMode::routed : AttachMode::bridge;
          },
          "how containers hang on their node")
      ->default_str("bridge")
      ->check(CLI::IsMember({"bridge", "routed"}));
}

void addDown(CLI::App& app) {
  auto name = std::make_shared<std::string>(lab::Spec().name);
  CLI::App* command =
      addCommand(app, "down", "end a lab and everything in it", name, [](std::string& which) -> Result<int> {
        TWILL_TRY(const bool was, lab::takeDown(which));
        fmt::print("lab {} {}\n", which, was ? "is down" : "was not up");
        return 0;
      });
  addName(*command, *name);
}

struct Looking {
  std::string name = lab::Spec().name;
  bool json = false;
};

void addLook(CLI::App& app, const std::string& command, const std::string& help,
             Result<int> (*look)(const lab::Lab&, bool json)) {
  auto looking = std::make_shared<Looking>();
  CLI::App* added = addCommand<Looking>(app, command, help, looking, [look](Looking& how) -> Result<int> {
    TWILL_TRY(const lab::Lab lab, lab::Lab::open(how.name));
    return look(lab, how.json);
  });
  addName(*added, looking->name);
  added->add_flag("--json", looking->json, "print JSON");
}

struct Reading {
  std::string name = lab::Spec().name;
  std::string machine;
  bool follow = false;
};

Result<int> showLog(Reading& what) {
  TWILL_TRY(const lab::Lab lab, lab::Lab::open(what.name));
  if (auto there = lab.processOf(what.machine); !there) return Failure(std::move(there.error()));
  const std::string file = lab::logFile(lab.directory(), what.machine);
  return lab::become({"tail", what.follow ? "-f" : "-q", "-n", "+1", file}, {"PATH=/usr/bin:/bin"});
}

void addLogs(CLI::App& app) {
  auto reading = std::make_shared<Reading>();
  CLI::App* command = addCommand<Reading>(app, "logs", "what a node's agent has said", reading, showLog);
  addName(*command, reading->name);
  command->add_option("machine", reading->machine, "node1")->required();
  command->add_flag("-f,--follow", reading->follow, "go on with what it says from now on");
}

void addStep(CLI::App& app) {
  auto number = std::make_shared<int>(1);
  CLI::App* command = addCommand<int>(
      app, "step", "container networking from scratch: 1 a namespace, 2 a node, 3 many nodes, 4 an overlay",
      number, [](int& which) { return runStep(which); });
  command->add_option("number", *number, "which step")->required()->check(CLI::IsMember({1, 2, 3, 4}));
}

struct Execution {
  std::string name = lab::Spec().name;
  std::string place;
  std::vector<std::string> command;
};

void addExec(CLI::App& app) {
  auto execution = std::make_shared<Execution>();
  CLI::App* command =
      addCommand(app, "exec", "run a command in a node or container; its exit status is the command's",
                 execution, [](Execution& what) -> Result<int> {
                   TWILL_TRY(const lab::PlaceName place, lab::parsePlace(what.place));
                   if (what.command.empty()) what.command = {"sh"};
                   TWILL_TRY(const lab::Lab lab, lab::Lab::open(what.name));
                   return lab.execute(place, what.command);
                 });
  addName(*command, execution->name);
  command->add_option("place", execution->place, "node1, node1/con1, router")->required();
  command->add_option("command", execution->command, "after --; a shell when left out");
}

struct Capturing {
  std::string name = lab::Spec().name;
  Capture what;
};

void addCapture(CLI::App& app) {
  auto capturing = std::make_shared<Capturing>();
  CLI::App* command =
      addCommand(app, "capture", "packets as they pass an interface, header by header, into tunnels too",
                 capturing, [](Capturing& how) -> Result<int> {
                   TWILL_TRY(const lab::Lab lab, lab::Lab::open(how.name));
                   return capturePackets(lab, how.what);
                 });
  addName(*command, capturing->name);
  Capture& what = capturing->what;
  command->add_option("place", what.place, "node1, node1/con1, router")->required();
  command->add_option("--link", what.link, "the interface")->capture_default_str();
  command->add_option("--host", what.host, "only packets with this address in one of their headers");
  command->add_option("--count", what.count, "how many packets")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  command->add_option("--seconds", what.seconds, "how long to wait for them at most")
      ->capture_default_str()
      ->check(CLI::Range(1, 86'400));
  command->add_flag("--json", what.json, "print JSON");
}

}  // namespace

void addLabCommands(CLI::App& app) {
  CLI::App* group = app.add_subcommand("lab", "a container network on this machine: nodes as namespaces");
  group->footer(kFooter);
  group->require_subcommand(1);
  addUp(*group);
  addDown(*group);
  addLook(*group, "status", "a picture of the lab, and what is wrong; exit status 1 when a node is not ready",
          showStatus);
  addExec(*group);
  addLook(*group, "test",
          "can every node and container reach every other, at the right distance and without NAT? exit "
          "status 1 if not",
          runTest);
  addCapture(*group);
  addLogs(*group);
  addStep(*group);
}

}  // namespace twill
