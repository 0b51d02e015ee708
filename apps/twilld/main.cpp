// SPDX-License-Identifier: Apache-2.0
// twilld: wiring of the node agent. Above run() nothing touches the machine.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "agent/agent.hpp"
#include "agent/cleanup.hpp"
#include "agent/cluster_calls.hpp"
#include "agent/http_routes.hpp"
#include "agent/peer_calls.hpp"
#include "base/file.hpp"
#include "base/lock.hpp"
#include "base/log.hpp"
#include "datastore/etcd/etcd_datastore.hpp"
#include "datastore/file/file_datastore.hpp"
#include "datastore/gossip/gossip_datastore.hpp"
#include "kernel/linux.hpp"
#include "kernel/route_lookup.hpp"
#include "options.hpp"

namespace twill {
namespace {

Result<std::string> linkTowards(const IpAddress& address) {
  TWILL_TRY(RouteAnswer answer, lookUpRoute({.dst = address}));
  if (answer.verdict == RouteVerdict::unicast) return answer.link;
  return fail("the kernel has no route to " + address.text(), Error::Kind::missing);
}

/// Where the map lives, and what people change it through.
struct Map {
  std::unique_ptr<Datastore> datastore;
  Administration* administration = nullptr;  ///< the same object
  Peers* peers = nullptr;                    ///< the same, where the map lives on the nodes
};

template <class Store>
Map mapIn(std::unique_ptr<Store> store) {
  Administration* const administration = store.get();
  return {std::move(store), administration};
}

/// This node's address on the underlay, as the agent will choose it: of IPv4, if there is one.
Result<InterfaceAddress> underlayAddress(const Options& options, Kernel& kernel) {
  TWILL_TRY(const KernelState actual, kernel.read({}));
  UnderlayRules rules = options.underlay;
  auto choice = chooseUnderlay(actual, rules, linkTowards);
  if (!choice) {
    std::swap(rules.needV4, rules.needV6);
    choice = chooseUnderlay(actual, rules, linkTowards);
  }
  if (!choice) return Failure(choice.error());
  const auto& address = rules.needV4 ? choice->underlay.v4 : choice->underlay.v6;
  if (!address) return fail("the underlay has no address to talk to other nodes from");
  return *address;
}

/// Where nodes find this one: --gossip-bind, else its address on the underlay.
Result<gossip::Endpoint> gossipEndpoint(const Options& options, Kernel& kernel) {
  if (!options.gossip.bind.empty()) {
    TWILL_TRY(const gossip::SeedName bind, gossip::parseSeed(options.gossip.bind));
    TWILL_TRY(const IpAddress address, IpAddress::parse(bind.host));
    return gossip::Endpoint{address, bind.port};
  }
  TWILL_TRY(const InterfaceAddress address, underlayAddress(options, kernel));
  return gossip::Endpoint{address.address, gossip::kDefaultPort};
}

/// Without the newline at its end; empty where there is none.
std::string lineOf(const std::string& path) {
  const std::string text = readFile(path, 4096).value_or("");
  return text.substr(0, text.find('\n'));
}

Map openGossip(boost::asio::io_context& io, const Options& options, Kernel& kernel) {
  GossipDatastoreOptions how;
  how.node = options.node;
  how.endpoint = [&options, &kernel] { return gossipEndpoint(options, kernel); };
  if (options.gossip.alloc == "address")
    how.place = [&options, &kernel] { return underlayAddress(options, kernel); };
  for (const auto& peer : options.gossip.join) {
    if (const auto seed = gossip::parseSeed(peer)) how.join.push_back(*seed);
  }
  how.peersFile = options.gossip.peersFile;
  how.expect = options.gossip.expect;
  how.network = readFile(options.fileDir + "/net-conf.json").value_or("");
  how.stateDir = options.stateDir;
  how.keyFile = options.gossip.keyFile;
  how.machine = {.machineId = lineOf("/etc/machine-id"),
                 .productUuid = lineOf("/sys/class/dmi/id/product_uuid")};
  auto store = std::make_unique<GossipDatastore>(io, std::move(how));
  Peers* const peers = store.get();
  Map map = mapIn(std::move(store));
  map.peers = peers;
  return map;
}

/// `network`: empty where the node is in one alone.
Map openMap(boost::asio::io_context& io, const Options& options, Kernel& kernel, const std::string& network) {
  if (options.datastore == "gossip") return openGossip(io, options, kernel);
  const std::string below = network.empty() ? "" : "/" + network;
  if (options.datastore == "file") {
    return mapIn(
        std::make_unique<FileDatastore>(io, FileDatastoreOptions{.directory = options.fileDir + below}));
  }
  const Options::Etcd& etcd = options.etcd;
  const std::string prefix = etcd.prefix.substr(0, etcd.prefix.find_last_not_of('/') + 1);
  return mapIn(std::make_unique<EtcdDatastore>(
      io,
      EtcdDatastoreOptions{
          .client = {.endpoints = etcd.endpoints,
                     .caFile = etcd.caFile,
                     .certFile = etcd.certFile,
                     .keyFile = etcd.keyFile,
                     .username = etcd.username,
                     .password = etcd.password},
          .prefix = prefix + below,
          .leaseSeconds = etcd.leaseSeconds,
          .machine = readFile("/etc/machine-id", 4096).value_or(""),
          .pictureFile = options.stateDir + (network.empty() ? "" : "/networks/" + network) + "/etcd.json"}));
}

Result<void> run(const Options& options) {
  for (const auto& directory : {options.runDir, options.stateDir}) {
    TWILL_CHECK(makeDirectories(directory));
    for (const auto& network : options.networks)
      TWILL_CHECK(makeDirectories(fmt::format("{}/networks/{}", directory, network)));
  }
  TWILL_TRY(Fd lock, takeLock(options.runDir + "/twilld.lock"));
  TWILL_CHECK(endStrayTunnels(options));
  TWILL_TRY(Attachments attachments, Attachments::open(options.stateDir));
  TWILL_TRY(std::unique_ptr<LinuxKernel> kernel, LinuxKernel::open());

  boost::asio::io_context io(1);
  std::vector<Map> maps;
  for (const auto& network : options.networks) maps.push_back(openMap(io, options, *kernel, network));
  if (maps.empty()) maps.push_back(openMap(io, options, *kernel, ""));
  std::vector<Datastore*> datastores;
  std::vector<Administration*> administrations;
  for (const Map& map : maps) {
    datastores.push_back(map.datastore.get());
    administrations.push_back(map.administration);
  }
  Agent agent(io, options, *kernel, datastores, std::move(attachments), linkTowards);
  api::Server server(io);
  addRoutes(server, agent, maps.front().peers);
  addClusterRoutes(server, agent, std::move(administrations));
  addPeerRoutes(server, agent, maps.front().peers);
  TWILL_CHECK(server.listenUnix(options.runDir + "/twill.sock"));
  if (!options.listen.empty()) TWILL_CHECK(server.listenTcp(options.listen));

  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&io](boost::system::error_code, int) { io.stop(); });
  TWILL_CHECK(agent.start());
  spdlog::info("twilld " TWILL_VERSION " on node {}, datastore {}", options.node, options.datastore);
  io.run();
  spdlog::info("stopped; the kernel keeps what it has");
  return {};
}

}  // namespace
}  // namespace twill

int main(int argc, char** argv) {
  twill::CommandLine line = twill::parseCommandLine({argv, argv + argc});
  if (line.exitStatus) return *line.exitStatus;
  twill::setUpLog(line.options.logLevel);
  for (const auto& note : line.notes) spdlog::info("{}", note);
  auto done = line.cleanup ? twill::cleanUp(line.options) : twill::run(line.options);
  if (!done) {
    const int code = done.error().code;
    const bool denied = (code == EACCES || code == EPERM) && ::geteuid() != 0;
    spdlog::error("{}{}", done.error().text, denied ? "; run twilld as root" : "");
    return 1;
  }
  return 0;
}
