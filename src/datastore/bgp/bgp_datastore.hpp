// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "datastore/administration.hpp"
#include "datastore/bgp/bird_process.hpp"
#include "datastore/bgp/route_tables.hpp"
#include "datastore/bgp_view.hpp"
#include "datastore/datastore.hpp"

namespace twill {

struct BgpDatastoreOptions {
  std::string node;  ///< this node's name
  /// Where its sessions come from, and its address of the other family, if it has one. Asked for until there
  /// is an answer, and again when the network config is read.
  struct Addresses {
    IpAddress address;
    std::optional<IpAddress> other;

    bool operator==(const Addresses&) const = default;
  };
  std::function<Result<Addresses>()> addresses;
  std::string directory;    ///< of net-conf.json
  std::string stateDir;     ///< bgp.json: the lease, over a reboot
  bgp::BirdFiles bird;      ///< config, socket and pid file are in a directory that a reboot empties
  std::string customFiles;  ///< a pattern of files that BIRD reads, too; empty: none
  bool external = false;    ///< somebody else's daemon fills and reads the tables
  std::unique_ptr<bgp::RouteTables> tables;
};

/// The map spread by BGP: a stock BIRD 2 on each node tells the others of this node's subnets and learns
/// theirs, and meets the agent in two routing tables of the kernel (docs/bgp.md). The network config is a
/// file on each node.
class BgpDatastore final : public Datastore, public Administration, public BgpView {
 public:
  BgpDatastore(boost::asio::io_context& loop, BgpDatastoreOptions options);
  ~BgpDatastore() override;
  BgpDatastore(const BgpDatastore&) = delete;
  BgpDatastore& operator=(const BgpDatastore&) = delete;

  void watch(OnCluster onCluster) override;
  void publish(const Lease& mine, OnPublished onPublished) override;
  [[nodiscard]] Result<std::string> config() const override;
  void configure(const std::string& text, OnDone onDone) override;
  void reserve(const Lease& lease, OnDone onDone) override;
  void release(const Prefix& subnet, OnDone onDone) override;
  void tenures(OnTenures onTenures) override;
  [[nodiscard]] BgpView::Status status() const override;

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace twill
