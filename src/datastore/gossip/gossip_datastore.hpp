// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "datastore/administration.hpp"
#include "datastore/datastore.hpp"
#include "datastore/gossip/message.hpp"
#include "datastore/gossip/seeds.hpp"
#include "datastore/gossip/slots/slot_state.hpp"
#include "datastore/gossip/timers.hpp"
#include "datastore/peers.hpp"

namespace boost::asio {
class io_context;
}

namespace twill {

struct GossipDatastoreOptions {
  std::string node;  ///< this node's name
  /// Where to listen, and where others find this node; asked again each second until it is known.
  std::function<Result<gossip::Endpoint>()> endpoint;
  /// With each node's subnet following from its address: this node's on the underlay. None: subnets are
  /// granted.
  std::function<Result<InterfaceAddress>()> place = {};
  std::vector<gossip::SeedName> join;  ///< whom to ask to be let in
  std::string peersFile;               ///< the same, one a line; empty: none
  unsigned expect = 0;                 ///< found the cluster together with so many; 0: alone
  std::string network;   ///< net-conf.json's text, for the founder; empty: this node has none to say
  std::string stateDir;  ///< gossip.json, gossip.peers
  std::string keyFile;   ///< gossip/key_file.hpp
  gossip::Machine machine;
  gossip::Timers timers = {};
};

/// The map on the nodes themselves: who is there by SWIM (membership.hpp, serf.hpp), who has which subnet by
/// the slot table (slots/slot_keeper.hpp), which is saved before anybody hears of a write.
///
/// Reading: a node that had a subnet before has its picture at once, from its disk. One that is new has none
/// until it holds a slot; the error says what it waits for.
///
/// Writing: this node's subnet is the slot that the table gave it, so publish() of another one is refused.
class GossipDatastore : public Datastore, public Administration, public Peers {
 public:
  GossipDatastore(boost::asio::io_context& loop, GossipDatastoreOptions options);
  ~GossipDatastore() override;
  GossipDatastore(const GossipDatastore&) = delete;
  GossipDatastore& operator=(const GossipDatastore&) = delete;

  void watch(OnCluster onCluster) override;
  void publish(const Lease& mine, OnPublished onPublished) override;

  [[nodiscard]] Result<std::string> config() const override;
  void configure(const std::string& text, Administration::OnDone onDone) override;
  /// Always Kind::invalid: nodes get what is free.
  void reserve(const Lease& lease, Administration::OnDone onDone) override;
  /// As remove() of the node that has it.
  void release(const Prefix& subnet, Administration::OnDone onDone) override;
  void tenures(OnTenures onTenures) override;

  [[nodiscard]] std::vector<Node> nodes() const override;
  [[nodiscard]] Pool pool() const override;
  [[nodiscard]] Counters counters() const override;
  void remove(const std::string& node, bool force, Peers::OnDone onDone) override;
  void leave(bool unused, Peers::OnDone onDone) override;
  void adopt(Peers::OnDone onDone) override;
  void changeKeys(const std::string& command, const std::string& key, OnKeys onKeys) override;

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace twill
