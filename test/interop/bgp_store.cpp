// SPDX-License-Identifier: Apache-2.0
#include "bgp_store.hpp"

#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/bgp_files.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "skip.hpp"

namespace twill::test {
namespace {

constexpr const char* kBird = "/usr/sbin/bird";

/// Its sockets stay in that namespace.
std::unique_ptr<bgp::RouteTables> tablesIn(const std::string& netns) {
  const Fd home(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  const Fd there(::open(netns.c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(::setns(there.get(), CLONE_NEWNET) == 0);
  auto routes = PrivateRoutes::open(bgpTables());
  REQUIRE(::setns(home.get(), CLONE_NEWNET) == 0);
  REQUIRE(routes);
  return std::make_unique<KernelTables>(std::move(*routes));
}

std::string netnsOf(int node) {
  return fmt::format("/run/netns/n{}", node);
}

}  // namespace

std::unique_ptr<BgpStore> BgpStore::make() {
  if (::access(kBird, X_OK) != 0) {
    skip(fmt::format("{} is not here; install Debian's package bird2", kBird));
    return nullptr;
  }
  auto sandbox = Sandbox::make();
  return sandbox ? std::make_unique<BgpStore>(std::move(sandbox)) : nullptr;
}

BgpStore::BgpStore(std::unique_ptr<Sandbox> sandbox) : sandbox_(std::move(sandbox)) {
  sh(R"(ip netns add n1; ip netns add n2
        ip link add eth0 netns n1 type veth peer name eth0 netns n2
        for n in 1 2; do
          ip -n n$n link set lo up; ip -n n$n address add 10.0.0.$n/24 dev eth0; ip -n n$n link set eth0 up
          ip address add 10.0.0.$n/32 dev lo
        done)");
  for (const int node : {1, 2}) {
    std::filesystem::create_directories(configOf(node));
    const std::string program = directoryOf(node) + "/bird";
    std::ofstream(program) << fmt::format("#!/bin/sh\nexec nsenter --net={} {} \"$@\"\n", netnsOf(node),
                                          kBird);
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  }
}

BgpStore::~BgpStore() {
  for (const int node : {1, 2}) {
    const auto ended = bgp::endBird(directoryOf(node) + "/bird.ctl");
    CHECK(ended);
    if (ended && *ended > 0) ::waitpid(*ended, nullptr, WNOHANG);
  }
}

std::unique_ptr<Datastore> BgpStore::open(boost::asio::io_context& loop, int node) {
  if (nodes_.insert(node).second) writeConfigs();
  const std::string directory = directoryOf(node);
  BgpDatastoreOptions options;
  options.node = fmt::format("node{}", node);
  options.addresses = [node]() -> Result<BgpDatastoreOptions::Addresses> {
    return BgpDatastoreOptions::Addresses{
        .address = IpAddress::fromV4(0x0a000000U + static_cast<std::uint32_t>(node)), .other = {}};
  };
  options.directory = configOf(node);
  options.stateDir = directory;
  options.bird = {.program = directory + "/bird",
                  .config = directory + "/bird.conf",
                  .socket = directory + "/bird.ctl",
                  .pidFile = directory + "/bird.pid"};
  options.tables = tablesIn(netnsOf(node));
  return std::make_unique<BgpDatastore>(loop, std::move(options));
}

void BgpStore::setNetwork(const std::string& netConf) {
  network_ = netConf;
  writeConfigs();
}

void BgpStore::writeConfigs() {
  auto config = nlohmann::json::parse(network_);
  for (const int node : nodes_) {
    config["BGP"]["Nodes"].push_back(
        {{"Name", fmt::format("node{}", node)}, {"Address", fmt::format("10.0.0.{}", node)}});
  }
  for (const int node : nodes_)
    REQUIRE(writeFile(configOf(node) + "/net-conf.json", config.dump(), Durability::process));
}

std::string BgpStore::fingerprint() {
  std::string out;
  for (const int node : {1, 2}) {
    struct stat status {};
    if (::stat((directoryOf(node) + "/bgp.json").c_str(), &status) == 0)
      out += fmt::format("{} {} {};", status.st_ino, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  }
  return out;
}

int BgpStore::birdOf(int node) const {
  return listenerOf(directoryOf(node) + "/bird.ctl");
}

std::string BgpStore::askBird(int node, const std::string& command) const {
  return sh(fmt::format("birdc -s {}/bird.ctl '{}'", directoryOf(node), command));
}

std::string BgpStore::in(int node, const std::string& command) const {
  return sh(fmt::format("nsenter --net={} sh -c '{}'", netnsOf(node), command));
}

/// Apart from the state, a change of which must not look like one of the config.
std::string BgpStore::configOf(int node) const {
  return directoryOf(node) + "/etc";
}

std::string BgpStore::directoryOf(int node) const {
  return root_.path(fmt::format("node{}", node));
}

}  // namespace twill::test
