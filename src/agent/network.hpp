// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "agent/decision.hpp"
#include "agent/journal.hpp"
#include "agent/network_conflicts.hpp"
#include "agent/options.hpp"
#include "agent/path_mtus.hpp"
#include "agent/problems.hpp"
#include "agent/recent_backends.hpp"
#include "agent/repeat_log.hpp"
#include "agent/tunnel_process.hpp"
#include "attach/node_network.hpp"
#include "cloud/reconciler.hpp"
#include "datastore/datastore.hpp"
#include "kernel/kernel.hpp"

namespace twill {

/// A network that the node is in: its map, where the node stands for it on the underlay, what follows from
/// both, and the node's own lease there. The agent brings what all of them want into the kernel.
///
/// Threading: all of it on the io_context's one thread.
class Network {
 public:
  /// `options` are this network's own: its tunnel's runDir and its subnetFile. `name` is empty where the node
  /// is in one network alone. `wake`: there is something to look at.
  Network(boost::asio::io_context& io, std::string name, Options options, Datastore& datastore,
          Problems& problems, std::function<void(Cause)> wake);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  /// Reads subnet.env and starts to follow the datastore.
  void start();

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const Options& options() const { return options_; }
  /// As the datastore said last.
  [[nodiscard]] const std::optional<SoundCluster>& cluster() const { return cluster_; }
  [[nodiscard]] const std::optional<UnderlayChoice>& underlay() const { return underlay_; }
  /// But for desired.state, once the agent has taken that.
  [[nodiscard]] const Decision& decision() const { return decision_; }
  /// The config that the decision was made for; null before the first.
  [[nodiscard]] const NetworkConfig* inForce() const { return inForce_ ? &*inForce_ : nullptr; }
  /// The config as the datastore said last; null while that has said none.
  [[nodiscard]] const NetworkConfig* latest() const {
    return cluster_ ? &cluster_->cluster.network : nullptr;
  }
  /// What tunnels hold on this node that its config asks for no more, while some node is reached by them.
  [[nodiscard]] std::vector<Holding> lingering() const;
  /// The datastore has said something, if only that it has no answer.
  [[nodiscard]] bool hasHeard() const { return heard_; }
  [[nodiscard]] const TunnelProcess& tunnel() const { return tunnel_; }
  [[nodiscard]] const cloud::RouteReconciler& cloud() const { return cloud_; }
  /// The datastore has told no failure since the last picture.
  [[nodiscard]] bool datastoreUp() const { return problems_.of(sourceOf("datastore")).empty(); }
  /// What is not as it should be here, for a person; empty when all is well.
  [[nodiscard]] std::string problem() const;
  /// What containers of this network need to know.
  [[nodiscard]] NodeNetwork nodeNetwork() const;

  /// Chooses the underlay anew. A setting that the choice depends on, if it is one that `actual` may not
  /// hold.
  [[nodiscard]] std::optional<std::string> look(const KernelState& actual, const RouteQuestion& routeTo);
  /// The node's other networks: prefixes that are not this one's.
  void setOthers(std::vector<Prefix> prefixes);
  /// What stands in the way of the config as the datastore has it, which is told, if it is not empty;
  /// nothing: it can be had. Until then what was decided before stays in force.
  void setObstacle(std::optional<std::string> why) { obstacle_ = std::move(why); }
  [[nodiscard]] bool hasObstacle() const { return obstacle_.has_value(); }
  /// Decides anew if map, underlay or other networks have changed since the last time; true when it did. What
  /// was decided before stays when this cannot be had. `kernel` is asked for
  /// the drivers that it has.
  [[nodiscard]] bool decide(Kernel& kernel);
  /// Takes in what a router has said of a packet to a peer; true when there is something to decide anew.
  [[nodiscard]] bool hear(const TooBig& said);
  /// The next decide() does so, whether or not anything has changed.
  void decideAgain() { changed_ = true; }
  /// Moves (or, beside others, adds) what is wanted to `wanted`.
  void giveWanted(KernelState& wanted, bool alone);

  /// Whether packets can go by the tunnel that a process is to carry: the process is up, and its device runs,
  /// which the kernel brings about a moment later. A node where that fails goes on as before; its peers know
  /// by its lease.
  [[nodiscard]] bool isCarried(const KernelState& actual) const;
  /// Takes out what has to wait until it is so.
  void holdUntilCarried(std::vector<Operation>& operations) const;
  /// What is to be done once the kernel has what is wanted: process, lease, subnet.env.
  void settle(const KernelState& actual);

 private:
  [[nodiscard]] std::string sourceOf(const char* source) const;
  void followCloud();
  void checkCloudRoad(const RouteQuestion& routeTo);
  [[nodiscard]] bool isKnownToCloud() const;
  void tell(const char* source, std::vector<std::string> texts);
  [[nodiscard]] std::string reasonAgainstDriver(Kernel& kernel) const;
  void onCluster(Result<Cluster> cluster);
  void rememberHeld();
  void publish(const Lease& lease);
  void confirm();
  void send(const Lease& lease);
  void writeSubnetEnv();
  void scheduleFarewell();
  void changeLater(boost::asio::steady_timer& timer, TimePoint when, Cause cause);

  std::string name_;
  Options options_;
  Datastore& datastore_;
  Problems& problems_;
  std::function<void(Cause)> wake_;
  RepeatLog said_;

  // What is known: inputs of the decision.
  std::optional<SoundCluster> cluster_;
  std::optional<UnderlayChoice> underlay_;
  std::vector<Prefix> others_;
  std::optional<std::string> obstacle_;
  bool heard_ = false;
  /// How each backend was set up when it was last the network's: as long as it is in use it stays so.
  std::map<std::string, BackendConfig, std::less<>> setUps_;
  SubnetEnv previous_;
  RecentBackends recent_;
  PathMtus pathMtus_;
  Lease lastLease_;  ///< stays in force while the datastore lacks one for us

  // What follows.
  Decision decision_;
  std::optional<NetworkConfig> inForce_;
  TunnelProcess tunnel_;
  cloud::RouteReconciler cloud_;

  bool changed_ = false;             ///< what is known is not what was decided on
  bool publishDue_ = false;          ///< decision_.publish is news
  std::optional<Lease> publishing_;  ///< in flight at the datastore
  std::optional<Lease> published_;   ///< the last one that was sent and not refused
  bool confirmed_ = false;           ///< the datastore knows which lease is this node's
  TimePoint publishedAt_;
  std::string writtenSubnetEnv_;
  boost::asio::steady_timer publishTimer_;
  boost::asio::steady_timer recentTimer_;
  boost::asio::steady_timer pathTimer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace twill
