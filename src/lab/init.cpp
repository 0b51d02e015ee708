// SPDX-License-Identifier: Apache-2.0
#include "lab/init.hpp"

#include <csignal>
#include <map>
#include <optional>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/mounts.hpp"
#include "kernel/linux.hpp"
#include "kernel/netns.hpp"
#include "lab/cloud.hpp"
#include "lab/forwarder.hpp"
#include "lab/lab_files.hpp"
#include "lab/machine.hpp"
#include "lab/router.hpp"
#include "lab/shaper.hpp"
#include "lab/shaping.hpp"
#include "lab/topology.hpp"
#include "plan/diff.hpp"

namespace twill::lab {
namespace {

/// Masquerading is on, so that a test sees that it leaves the cluster's own traffic alone.
std::string twilldConfig(const Spec& spec, const Topology& topology, const std::string& machine) {
  std::string out = "iface = \"eth0\"\nip-masq = true\n";
  if (spec.fastPath) out += "fast-path = true\n";
  if (topology.etcd)
    out += fmt::format("datastore = \"etcd\"\netcd-endpoints = [\"{}\"]\n", etcdEndpoint(topology));
  if (spec.datastore == "bgp") out += "datastore = \"bgp\"\n";
  if (spec.datastore == "file") out += "datastore = \"file\"\n";
  if (spec.datastore == "gossip") {
    // In the directory that all nodes share: the first one makes it.
    out += "datastore = \"gossip\"\ngossip-key-file = \"/etc/twill/network/gossip.key\"\n";
    const NodePlan& founder = topology.nodes.front();
    if (machine != founder.name) out += fmt::format("join = [\"{}\"]\n", founder.v4.address.text());
  }
  // Where others may have their keys: a place of the lab's own.
  if (!spec.etcdEndpoints.empty()) out += fmt::format("etcd-prefix = \"/twill-lab/{}\"\n", spec.name);
  return out;
}

constexpr const char* kEtcd = "/usr/bin/etcd";
constexpr std::uint16_t kEtcdPort = 2379;

Result<std::vector<std::string>> etcdService(const Topology& topology) {
  if (::access(kEtcd, X_OK) != 0)
    return failErrno(fmt::format("--datastore etcd needs {}; install the package etcd-server", kEtcd));
  const std::string url = etcdEndpoint(topology);
  const std::string peers = fmt::format("http://{}:2380", topology.etcd->address.text());
  return std::vector<std::string>{kEtcd,
                                  "--name=etcd",
                                  "--data-dir=/run/etcd",
                                  "--listen-client-urls=" + url + ",http://127.0.0.1:2379",
                                  "--advertise-client-urls=" + url,
                                  "--listen-peer-urls=" + peers,
                                  "--initial-advertise-peer-urls=" + peers,
                                  "--initial-cluster=etcd=" + peers,
                                  "--log-level=warn"};
}

class Init {
 public:
  Init(const InitTask& task, Fd report)
      : task_(task), topology_(topologyOf(task.spec)), report_(std::move(report)) {}

  Result<void> build() {
    if (!task_.spec.etcdEndpoints.empty()) {
      TWILL_TRY(Forwarder started, Forwarder::start(task_.spec.etcdEndpoints));
      forwarder_.emplace(std::move(started));
    }
    TWILL_CHECK(makeRoom());
    if (task_.spec.datastore != "etcd") TWILL_CHECK(writeClusterFiles());
    TWILL_CHECK(startMachines());
    TWILL_CHECK(connect());
    if (forwarder_) {
      TWILL_TRY(const Fd netns, openNamespace(pids_.at("etcd")));
      TWILL_CHECK(forwarder_->open(netns, kEtcdPort));
    }
    TWILL_CHECK(writeFile(specFile(task_.directory), toJson(task_.spec), Durability::process));
    say(fmt::format(". starting twilld on each node{}", topology_.etcd && !forwarder_ ? ", and etcd" : ""));
    go_.write.reset();
    return {};
  }

  void say(const std::string& line) const {
    const std::string text = line + "\n";
    (void)!::write(report_.get(), text.data(), text.size());  // nobody may be listening any more
  }

  /// From now on there is nobody to report to; what goes wrong is in the log.
  void detach() {
    report_.reset();
    const std::string path = task_.directory + "/logs/lab.log";
    Fd log(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!log) return;
    (void)::dup2(log.get(), STDOUT_FILENO);
    (void)::dup2(log.get(), STDERR_FILENO);
  }

  /// Children of processes that ended become ours.
  void reap() const {
    for (;;) {
      int status = 0;
      const pid_t pid = ::waitpid(-1, &status, 0);
      if (pid < 0 && errno == ECHILD) ::pause();
      for (const auto& [name, machine] : pids_) {
        if (machine == pid) fmt::print(stderr, "{} is gone, as if its power had failed\n", name);
      }
      if (forwarder_ && forwarder_->process() == pid) {
        fmt::print(stderr, "the way to etcd is gone; take the lab down\n");
      }
      if (shaper_ == pid) {
        fmt::print(stderr, "the shaper is gone, and no node's cable carries anything; take the lab down\n");
      }
      std::fflush(stderr);
    }
  }

 private:
  /// Mounts that nobody else sees: a /proc for our processes, a tmpfs for our files.
  Result<void> makeRoom() {
    if (::unshare(CLONE_NEWNS | CLONE_NEWNET) != 0) return failErrno("make namespaces");
    TWILL_CHECK(makeMountsPrivate());
    if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
      return failErrno("mount /proc (a container that hides parts of /proc does not allow this)");
    }
    const char* directory = task_.directory.c_str();
    if (::mount("twill-lab", directory, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") != 0) {
      return failErrno("mount a tmpfs on " + task_.directory);
    }
    for (const char* part : {"/logs", "/machines", "/network"}) {
      TWILL_CHECK(makeDirectories(task_.directory + part));
    }
    return {};
  }

  /// The map is written as a person would for step 3 of the talk, so that node n always has
  /// 172.16.<n-1>.0/24.
  Result<void> writeClusterFiles() const {
    std::vector<Lease> leases;
    for (const NodePlan& node : topology_.nodes) leases.push_back(node.lease);
    const std::string network = task_.directory + "/network";
    TWILL_CHECK(writeFile(network + "/net-conf.json", networkConfigOf(task_.spec), Durability::process));
    if (task_.spec.datastore != "file") return {};
    return writeFile(network + "/leases.json", twill::toJson(leases), Durability::process);
  }

  Result<void> startMachines() {
    say(fmt::format(". making {} node{}{}{}", topology_.nodes.size(), topology_.nodes.size() == 1 ? "" : "s",
                    topology_.hasRouter() ? " and a router" : "", topology_.etcd ? " and etcd" : ""));
    TWILL_TRY(go_, makePipe());
    std::vector<Pipe> answers;
    if (topology_.etcd) {
      std::vector<std::string> service;
      if (!forwarder_) {
        TWILL_TRY(service, etcdService(topology_));
      }
      TWILL_CHECK(startMachine({.name = "etcd", .isNode = false, .service = service}, answers));
    }
    if (topology_.hasRouter()) TWILL_CHECK(startRouter(answers));
    for (const NodePlan& node : topology_.nodes) TWILL_CHECK(startMachine({.name = node.name}, answers));
    go_.read.reset();
    for (Pipe& answer : answers) {
      const auto said = readAll(answer.read);
      if (!said) return Failure(said.error());
      if (*said != "ok") return fail(said->empty() ? "a machine's process died while it was set up" : *said);
    }
    return {};
  }

  Result<void> startRouter(std::vector<Pipe>& answers) {
    Machine router{.name = "router", .isNode = false};
    if (task_.spec.datastore == "bgp") {
      TWILL_TRY(RouterService service, routerService(task_.spec, topology_));
      router.service = std::move(service.command);
      router.files = std::move(service.files);
    }
    if (isCloud(task_.spec)) {
      TWILL_TRY(RouterService service, cloudService(task_.spec, topology_, task_.binDirectory));
      router.service = std::move(service.command);
      router.files = std::move(service.files);
    }
    return startMachine(std::move(router), answers);
  }

  Result<void> startMachine(Machine machine, std::vector<Pipe>& answers) {
    const std::string name = machine.name;
    TWILL_CHECK(makeDirectories(machineDirectory(task_.directory, name)));
    machine.labDirectory = task_.directory;
    machine.binDirectory = task_.binDirectory;
    machine.twilldConfig = twilldConfig(task_.spec, topology_, name);
    machine.conflist = conflistOf(task_.spec);
    machine.environment = cloudEnvironment(task_.spec, topology_);
    machine.mapped = task_.mapped;
    TWILL_TRY(Pipe answer, makePipe());
    TWILL_TRY(const pid_t pid, spawn([&] {
                report_.reset();
                return runMachine(machine, std::move(answer), std::move(go_));
              }));
    answer.write.reset();
    answers.push_back(std::move(answer));
    pids_[name] = pid;
    return writeFile(pidFile(task_.directory, name), fmt::format("{}\n", pid), Durability::process);
  }

  Result<void> connect() {
    say(fmt::format(". connecting them: {} segment{}", topology_.segments.size(),
                    topology_.segments.size() == 1 ? "" : "s"));
    auto namespaceOf = [this](const std::string& name) {
      return fmt::format("/proc/{}/ns/net", pids_.at(name));
    };
    const bool netem = task_.spec.shaped() && kernelHasNetem();
    const bool shaper = task_.spec.shaped() && !netem;
    TWILL_CHECK(carryOut(wireState(topology_, namespaceOf, shaper ? CableEnd::shaper : CableEnd::bridge)));
    if (task_.spec.shaped()) {
      say(fmt::format(". nodes' cables: {}, by {}", cableWords(task_.spec),
                      netem ? "netem" : "a process of the lab, since this kernel has no netem"));
      TWILL_CHECK(sendOneByOne(topology_, namespaceOf));
    }
    const Impairment impairment = impairmentOf(task_.spec);
    if (netem) TWILL_CHECK(shapeByNetem(topology_, impairment, namespaceOf));
    if (shaper) TWILL_CHECK(startShaper(impairment));
    return topology_.hasRouter() ? connectRouter() : Result<void>();
  }

  Result<void> startShaper(const Impairment& impairment) {
    TWILL_TRY(Shaper shaper, Shaper::open(topology_, impairment));
    TWILL_TRY(shaper_, spawn([&] {
                go_.write.reset();  // the machines wait for its last holder
                detach();
                const auto ended = shaper.run();
                fmt::print(stderr, "shaper: {}\n", ended.error().text);
                return 1;
              }));
    return {};
  }

  Result<void> connectRouter() const {
    if (routerNeedsMap(task_.spec) && task_.spec.datastore != "bgp")
      say(". telling the router which node has which subnet, as host-gw needs");
    TWILL_TRY(const Fd netns, openNamespace(pids_.at("router")));
    TWILL_TRY(const NamespaceGuard guard, NamespaceGuard::enter(netns));
    KernelState wanted = routerState(topology_, task_.spec);
    addCloud(task_.spec, wanted);
    return carryOut(wanted);
  }

  static Result<void> carryOut(const KernelState& wanted) {
    TWILL_TRY(std::unique_ptr<LinuxKernel> kernel, LinuxKernel::open());
    TWILL_TRY(const KernelState actual, kernel->read({}));
    const Difference difference = additions(wanted, actual);
    const auto results = kernel->apply(difference.operations);
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (!results[i]) {
        Error error = results[i].error();
        return Failure(std::move(error).in(describe(difference.operations[i])));
      }
    }
    return {};
  }

  const InitTask& task_;
  Topology topology_;
  Fd report_;
  Pipe go_;
  std::map<std::string, pid_t> pids_;   ///< of the machines, by name
  pid_t shaper_ = 0;                    ///< 0: there is none
  std::optional<Forwarder> forwarder_;  ///< to an etcd outside of the lab
};

}  // namespace

int runInit(const InitTask& task, Fd report) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // never to outlive the keeper
  Init init(task, std::move(report));
  if (auto built = init.build(); !built) {
    init.say("! " + built.error().text);
    return 1;
  }
  init.say("+ up");
  init.detach();
  init.reap();
  return 0;
}

}  // namespace twill::lab
