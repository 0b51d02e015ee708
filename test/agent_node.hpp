// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <boost/asio/post.hpp>
#include <doctest/doctest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include "agent/agent.hpp"
#include "base/file.hpp"
#include "kernel/fake/fake_kernel.hpp"

/// The whole agent over a kernel and a datastore in memory.
namespace twill::test {

inline Lease leaseOf(const std::string& node, const std::string& subnet, const std::string& address) {
  return {.node = node,
          .subnet = *Prefix::parse(subnet),
          .publicIp = *IpAddress::parse(address),
          .backendType = "host-gw"};
}

inline Cluster threeNodes() {
  Cluster cluster;
  cluster.network.v4 = FamilyConfig{.network = *Prefix::parse("172.16.0.0/16"),
                                    .subnetLength = 24,
                                    .subnetMin = *Prefix::parse("172.16.0.0/24"),
                                    .subnetMax = *Prefix::parse("172.16.255.0/24")};
  cluster.network.backend.type = "host-gw";
  cluster.leases = {leaseOf("node1", "172.16.0.0/24", "10.0.0.10"),
                    leaseOf("node2", "172.16.1.0/24", "10.0.0.20"),
                    leaseOf("node3", "172.16.2.0/24", "10.0.0.30")};
  return cluster;
}

inline AttachRequest withPort(AttachRequest request, std::uint16_t hostPort) {
  request.ports.push_back({.hostIp = std::nullopt, .hostPort = hostPort, .containerPort = 80});
  return request;
}

/// A store that does what it is told.
class MemoryDatastore final : public Datastore {
 public:
  explicit MemoryDatastore(boost::asio::io_context& io) : io_(io) {}
  void watch(OnCluster onCluster) override { onCluster_ = std::move(onCluster); }
  void publish(const Lease& mine, OnPublished onPublished) override {
    const auto says = [&mine](Lease lease) {
      if (lease.backendType.empty()) lease.backendType = mine.backendType;
      return lease == mine;
    };
    if (std::none_of(known_.begin(), known_.end(), says)) published.push_back(mine);
    boost::asio::post(io_, [onPublished, outcome = outcome] { onPublished(outcome); });
  }
  void say(Result<Cluster> cluster) {
    if (cluster) known_ = cluster->leases;
    boost::asio::post(io_, [this, cluster] { onCluster_(cluster); });
  }
  std::vector<Lease> published;  ///< but for what was there already
  Result<void> outcome;          ///< of every publish()

 private:
  boost::asio::io_context& io_;
  OnCluster onCluster_;
  std::vector<Lease> known_;
};

/// What is logged while this lives.
class Log {
 public:
  Log() : before_(spdlog::default_logger()) {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)));
  }
  ~Log() { spdlog::set_default_logger(before_); }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  [[nodiscard]] std::string text() const { return text_.str(); }
  [[nodiscard]] int count(const std::string& words) const {
    int found = 0;
    const std::string all = text();
    for (auto at = all.find(words); at != std::string::npos; at = all.find(words, at + 1)) ++found;
    return found;
  }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_;
};

/// Drift waits no longer than this after it was looked into, in ms (kLongestRest of the agent, and one more).
/// On a slow machine it comes near.
inline constexpr int kLongestRest = 101;

class Node {
 public:
  Node() {
    spdlog::set_level(spdlog::level::off);
    kernel.plugCard("eth0", {"10.0.0.10/24"});
    REQUIRE(kernel.byOthers(Verb::add, Route{.dst = *Prefix::parse("0.0.0.0/0"),
                                             .link = "eth0",
                                             .via = *IpAddress::parse("10.0.0.1"),
                                             .protocol = 3}));
    startAgent();
  }
  ~Node() { std::filesystem::remove_all(directory); }

  /// As after a kill -9: nothing of the old agent is left but files and the kernel.
  void startAgent() {
    agent.reset();
    auto attachments = Attachments::open(directory + "/state");
    REQUIRE(attachments);
    Options options{.node = "node1",
                    .networks = networks,
                    .underlay = rules,
                    .ipMasq = ipMasq,
                    .fastPath = fastPath,
                    .stateDir = directory + "/state",
                    .subnetFile = directory + subnetFile};
    agent = std::make_unique<Agent>(io, options, kernel,
                                    networks.size() < 2 ? std::vector<Datastore*>{&datastore}
                                                        : std::vector<Datastore*>{&datastore, &second},
                                    std::move(*attachments),
                                    [](const IpAddress&) -> Result<std::string> { return "eth0"; });
    REQUIRE(agent->start());
  }

  void settle() {
    for (int idle = 0, rounds = 0; idle < 3 && rounds < 1000; ++rounds) {
      io.restart();
      idle = io.run_one_for(std::chrono::milliseconds(idle == 0 ? kLongestRest : 0)) == 0 ? idle + 1 : 0;
    }
  }

  void join(const Cluster& cluster = threeNodes()) {
    datastore.say(cluster);
    settle();
  }

  [[nodiscard]] const Route* routeTo(const std::string& prefix) const {
    for (const auto& [key, route] : kernel.all().routes) {
      if (key.dst == *Prefix::parse(prefix) && route.ours()) return &route;
    }
    return nullptr;
  }

  [[nodiscard]] bool hasProblem(const std::string& words) const {
    auto all = agent->problems().all();
    return std::any_of(all.begin(), all.end(),
                       [&](const std::string& text) { return text.find(words) != std::string::npos; });
  }

  /// A container whose namespace goes without a DEL, and its interface with it.
  void attachAndLoseNamespace(const std::string& id) {
    const auto attachment = agent->attach(container(id));
    REQUIRE(attachment);
    settle();
    REQUIRE(kernel.byOthers(Verb::remove, kernel.all().links.at(attachment->hostIfname)));
    kernel.refuse([key = attachment->key()](const Operation& operation) { return operation.owner() == key; },
                  {.text = "no such namespace", .kind = Error::Kind::invalid, .code = ESTALE}, 1);
  }

  [[nodiscard]] AttachRequest container(const std::string& id) const {
    return {.network = "net", .containerId = id, .ifname = "eth0", .netns = directory + "/" + id};
  }

  std::string directory = makeDirectory();
  std::string subnetFile = "/subnet.env";
  std::vector<std::string> networks;  ///< of two the second is that of `second`
  UnderlayRules rules;
  bool ipMasq = false;
  bool fastPath = false;
  boost::asio::io_context io;
  FakeKernel kernel;
  MemoryDatastore datastore{io};
  MemoryDatastore second{io};
  std::unique_ptr<Agent> agent;

 private:
  static std::string makeDirectory() {
    std::string name = std::filesystem::temp_directory_path() / "twill-agent-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    REQUIRE(makeDirectories(name + "/state"));
    return name;
  }
};

}  // namespace twill::test
