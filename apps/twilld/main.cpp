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
#include "agent/bgp_calls.hpp"
#include "agent/cleanup.hpp"
#include "agent/cluster_calls.hpp"
#include "agent/http_routes.hpp"
#include "agent/peer_calls.hpp"
#include "agent/too_big_listener.hpp"
#include "base/file.hpp"
#include "base/lock.hpp"
#include "base/log.hpp"
#include "bgp_map.hpp"
#include "datastore/etcd/etcd_datastore.hpp"
#include "datastore/file/file_datastore.hpp"
#include "gossip_map.hpp"
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
  BgpView* bgp = nullptr;                    ///< the same, where it comes by BGP
};

template <class Store>
Map mapIn(std::unique_ptr<Store> store) {
  Administration* const administration = store.get();
  return {std::move(store), administration};
}

/// `network`: empty where the node is in one alone.
Result<Map> openMap(boost::asio::io_context& io, const Options& options, const std::string& network) {
  if (options.datastore == "gossip") {
    TWILL_TRY(auto store, openGossip(io, options, linkTowards));
    Peers* const peers = store.get();
    Map map = mapIn(std::move(store));
    map.peers = peers;
    return map;
  }
  if (options.datastore == "bgp") {
    TWILL_TRY(auto store, openBgp(io, options, linkTowards));
    BgpView* const view = store.get();
    Map map = mapIn(std::move(store));
    map.bgp = view;
    return map;
  }
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
  for (const auto& network : options.networks.empty() ? std::vector<std::string>{""} : options.networks) {
    TWILL_TRY(maps.emplace_back(), openMap(io, options, network));
  }
  std::vector<Datastore*> datastores;
  std::vector<Administration*> administrations;
  for (const Map& map : maps) {
    datastores.push_back(map.datastore.get());
    administrations.push_back(map.administration);
  }
  Agent agent(io, options, *kernel, datastores, std::move(attachments), linkTowards);
  api::Server server(io);
  addRoutes(server, agent, {.peers = maps.front().peers, .bgp = maps.front().bgp});
  addClusterRoutes(server, agent, std::move(administrations));
  addPeerRoutes(server, agent, maps.front().peers);
  addBgpRoutes(server, agent, maps.front().bgp);
  TWILL_CHECK(server.listenUnix(options.runDir + "/twill.sock"));
  if (!options.listen.empty()) TWILL_CHECK(server.listenTcp(options.listen));

  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&io](boost::system::error_code, int) { io.stop(); });
  TooBigListener tooBig(io, [&agent](const TooBig& said) { agent.hear(said); });
  if (const auto listens = tooBig.start(); !listens)
    spdlog::warn("{}; with ipip, set Backend.MTU to what routers between nodes take", listens.error().text);
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
