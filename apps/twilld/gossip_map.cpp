// SPDX-License-Identifier: Apache-2.0
#include "gossip_map.hpp"

#include "base/file.hpp"
#include "datastore/gossip/machine.hpp"
#include "node_address.hpp"

namespace twill {
namespace {

/// Where nodes find this one: --gossip-bind, else its address on the underlay.
Result<gossip::Endpoint> gossipEndpoint(const Options& options, const RouteQuestion& routeTo) {
  if (!options.gossip.bind.empty()) {
    TWILL_TRY(const gossip::SeedName bind, gossip::parseSeed(options.gossip.bind));
    TWILL_TRY(const IpAddress address, IpAddress::parse(bind.host));
    return gossip::Endpoint{address, bind.port};
  }
  TWILL_TRY(const InterfaceAddress address, underlayAddress(options, routeTo));
  return gossip::Endpoint{address.address, gossip::kDefaultPort};
}

/// None: nobody has said what the network is to be, which a node that joins need not.
Result<std::string> networkOf(const Options& options) {
  auto text = readFile(options.fileDir + "/net-conf.json");
  if (!text && text.error().kind == Error::Kind::missing) return std::string();
  return text;
}

}  // namespace

Result<std::unique_ptr<GossipDatastore>> openGossip(boost::asio::io_context& io, const Options& options,
                                                    const RouteQuestion& routeTo) {
  GossipDatastoreOptions how;
  how.node = options.node;
  how.endpoint = [&options, routeTo] { return gossipEndpoint(options, routeTo); };
  if (options.gossip.alloc == "address")
    how.place = [&options, routeTo] { return underlayAddress(options, routeTo); };
  for (const auto& peer : options.gossip.join) {
    TWILL_TRY(how.join.emplace_back(), gossip::parseSeed(peer));
  }
  how.peersFile = options.gossip.peersFile;
  how.expect = options.gossip.expect;
  TWILL_TRY(how.network, networkOf(options));
  how.stateDir = options.stateDir;
  how.keyFile = options.gossip.keyFile;
  how.machine = gossip::machineHere();
  return std::make_unique<GossipDatastore>(io, std::move(how));
}

}  // namespace twill
