// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "datastore/gossip/gossip_datastore.hpp"
#include "datastore/gossip/peer.hpp"
#include "datastore/gossip/slot_leases.hpp"

/// Joins the parts of this room: sockets and Serf, the slot keeper, seeds, and the files. Private to it.
namespace twill::gossip {

/// What carries deltas of the slot table.
inline constexpr const char* kSlotEvent = "twill/slot";

class GossipNode final : public SerfUser, public std::enable_shared_from_this<GossipNode> {
 public:
  GossipNode(boost::asio::io_context& loop, GossipDatastoreOptions options);

  /// The first call starts the node.
  void watch(Datastore::OnCluster onCluster);
  void stop();
  [[nodiscard]] Result<void> publish(const Lease& mine);
  [[nodiscard]] Result<Cluster> picture() const;

  [[nodiscard]] Result<std::string> config() const;
  [[nodiscard]] Result<void> configure(const std::string& text);
  [[nodiscard]] Result<void> release(const Prefix& subnet);
  [[nodiscard]] Result<void> remove(const std::string& node, bool force);
  [[nodiscard]] std::vector<Peers::Node> nodes() const;
  [[nodiscard]] Peers::Pool pool() const;
  [[nodiscard]] Peers::Counters counters() const;
  void leave(bool unused, Peers::OnDone onDone);
  [[nodiscard]] Result<void> adopt();
  void changeKeysOfAll(const std::string& command, const std::string& key, Peers::OnKeys onKeys);

  void memberChanged(const SerfMember& member) override;
  void nameConflict(const SwimMember& member, const Alive& other) override;
  [[nodiscard]] bool event(const UserEvent& event) override;
  [[nodiscard]] Result<void> admit(const std::string& name, const std::string& meta) override;
  [[nodiscard]] std::string extraState() override;
  void mergeExtraState(const std::string& state) override;
  [[nodiscard]] std::optional<std::uint64_t> digestFor(const std::string& meta) override;
  [[nodiscard]] KeyAnswer changeKeys(std::string_view command, const std::string& key) override;

 private:
  void start();
  void startLater(const Error& why);
  void settleLater();
  void settle();
  [[nodiscard]] Result<void> open();
  [[nodiscard]] bool foundsAlone() const;
  [[nodiscard]] Result<void> openKeeper();
  [[nodiscard]] std::string stateFile() const { return options_.stateDir + "/gossip.json"; }
  [[nodiscard]] std::string firstData() const;
  void openSeeds();
  [[nodiscard]] std::string ownData() const;
  [[nodiscard]] std::optional<std::string> comesSecond() const;
  [[nodiscard]] bool isLeaseOfCopy() const;
  void suspectCopy(const Alive& other, const NodeTags& tags);
  [[nodiscard]] Result<std::string> answerRequest(const std::string& request);

  void lookLater();
  void look();
  [[nodiscard]] std::set<std::string> noDirectWay() const;
  void follow();
  void forgetStrangersLater();
  void forgetStrangers();
  void driveSoon();
  void drive();
  void collect();
  void tellMembers();
  void armKeeper();
  void perform();
  void deliver(const SlotActions::Letter& letter);
  void tell();
  void updateTags(const Result<Cluster>& picture);
  [[nodiscard]] NodeTags ownTags() const;
  [[nodiscard]] const Lease* ownLease(const Cluster& cluster) const;
  [[nodiscard]] std::optional<Endpoint> endpointOf(const NodeId& id) const;
  [[nodiscard]] std::vector<std::string> troubles() const;

  boost::asio::io_context& loop_;
  GossipDatastoreOptions options_;
  Datastore::OnCluster onCluster_;
  std::optional<SlotKeeper> keeper_;
  std::unique_ptr<Peer> peer_;
  std::unique_ptr<Seeds> seeds_;
  boost::asio::steady_timer startTimer_;
  std::chrono::milliseconds startPause_;
  boost::asio::steady_timer settleTimer_;
  boost::asio::steady_timer strangersTimer_;
  boost::asio::steady_timer lookTimer_;
  boost::asio::steady_timer keeperTimer_;
  std::uint64_t boot_ = 0;
  SlotActions actions_;  ///< what the keeper wants done

  std::map<std::string, NodeId> living_;  ///< Twill nodes, this one too
  /// Who runs elsewhere with this node's name and state, or may. SWIM knows one member by a name.
  struct Copy {
    SlotPeer peer;
    IpAddress at;
  };
  std::map<std::uint64_t, Copy> copies_;  ///< by boot
  bool started_ = false;
  bool settled_ = false;               ///< what is on the disk was compared with a peer's, or cannot be
  std::vector<Peers::OnDone> onLeft_;  ///< who waits until this node may go
  bool drivePending_ = false;
  bool membersChanged_ = false;
  bool pictureChanged_ = true;
  std::optional<Result<Cluster>> told_;
  Tags tags_;
  std::set<std::string> noDirectWay_;  ///< as the tags say
  bool mayHaveMoved_ = false;          ///< this node's address is to be asked for again
  std::string startTrouble_;
  std::string seedTrouble_;
  std::string unfit_;                             ///< why this node and another's slot table do not fit
  std::vector<std::string> unfitOthers_;          ///< the same of others, as they say
  std::map<std::string, std::string> refused_;    ///< by name: why a node was not let in
  std::map<std::string, std::string> conflicts_;  ///< by name: who else goes by it
};

}  // namespace twill::gossip
