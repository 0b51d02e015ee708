// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "agent/decision.hpp"
#include "agent/journal.hpp"
#include "agent/options.hpp"
#include "agent/problems.hpp"
#include "agent/recent_backends.hpp"
#include "agent/reconciler.hpp"
#include "agent/repeat_log.hpp"
#include "agent/tunnel_process.hpp"
#include "attach/attachments.hpp"
#include "datastore/datastore.hpp"
#include "kernel/kernel.hpp"

namespace twill {

/// The loop that joins the rooms. Whatever happens (the map changed, the kernel changed, a container came, a
/// retry is due) ends in one function, evaluate(): decide what is wanted, compare with the kernel, carry out
/// the difference.
///
/// Threading: all of it on the io_context's one thread. Destroying the agent leaves the kernel as it is.
class Agent {
 public:
  Agent(boost::asio::io_context& io, Options options, Kernel& kernel, Datastore& datastore,
        Attachments attachments, RouteQuestion routeTo);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  /// Reads the kernel and starts to follow datastore and kernel. Fails only when the kernel cannot be read.
  [[nodiscard]] Result<void> start();

  /// Makes a container's interface, or gives one that was made without addresses those that another plugin
  /// has chosen meanwhile. On failure nothing is left behind. Kind::busy: the node has no lease yet.
  [[nodiscard]] Result<Attachment> attach(const AttachRequest& request);
  /// Removes it; one that is not there is fine. Needs neither lease nor the container's namespace.
  [[nodiscard]] Result<void> detach(const std::string& key);

  /// Whether the interface is as its runtime expects it, on both sides. Kind::missing: there is no such
  /// attachment.
  [[nodiscard]] Result<void> check(const std::string& key, const ExpectedInterface& expected);
  /// Removes the network's attachments whose (container, interface) is not valid; goes on past errors and
  /// tells them together.
  [[nodiscard]] Result<void> collect(const std::string& network,
                                     const std::set<std::pair<std::string, std::string>>& valid);
  /// Whether an ADD would find a lease and free addresses.
  [[nodiscard]] Result<void> couldAttach(const AttachRequest& request) const;

  // What status, metrics and health look at.
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const std::optional<SoundCluster>& cluster() const { return cluster_; }
  [[nodiscard]] const std::optional<UnderlayChoice>& underlay() const { return underlay_; }
  [[nodiscard]] const Decision& decision() const { return decision_; }
  [[nodiscard]] const KernelState& wanted() const { return wanted_; }
  [[nodiscard]] const KernelState& actual() const { return actual_; }
  [[nodiscard]] const Journal& journal() const { return journal_; }
  [[nodiscard]] const Problems& problems() const { return problems_; }
  [[nodiscard]] const Reconciler& reconciler() const { return reconciler_; }
  [[nodiscard]] const Attachments& attachments() const { return attachments_; }
  /// All wanted state is in the kernel, and the node holds its lease.
  [[nodiscard]] bool ready() const { return ready_ && tunnel_.isUp(); }
  /// The node's tunnels, in numbers.
  struct TunnelNumbers {
    std::uint64_t strangers = 0;  ///< packets that were kept out
    std::string process;          ///< twill-tunnel's own words, JSON; empty when there is none that answers
    std::string problem;          ///< what is wrong although it works; empty when nothing is
  };
  /// Asks the kernel, and twill-tunnel, which may take a second. None without tunnels.
  [[nodiscard]] std::optional<TunnelNumbers> tunnelNumbers() const;
  /// What goes by the fast path; none: it is off.
  struct FastPathView {
    FastPath now;
    FastPathNumbers numbers;
  };
  [[nodiscard]] std::optional<FastPathView> fastPath() const;
  /// problems(), and what the tunnel's numbers show.
  [[nodiscard]] std::vector<std::string> problemsWith(const std::optional<TunnelNumbers>& tunnel) const;
  /// The comparison as it stands now, whether or not its owners are waiting for a retry.
  [[nodiscard]] Difference difference() const;

 private:
  void onCluster(Result<Cluster> cluster);
  void waitForKernel();
  void onKernelEvent();
  void wake(Cause cause);
  void evaluate();
  void redecide();
  bool lookAt(const std::string& setting);
  void rememberHeld();
  void publish(const Lease& lease);
  void confirm();
  void send(const Lease& lease);
  void publishLater();
  Result<void> readKernel();
  void readAgain();
  bool refreshActual();
  void lookAround();
  void reconcile(Cause cause);
  [[nodiscard]] Failure noLease() const;
  [[nodiscard]] FastPath wantedFastPath() const;
  [[nodiscard]] KernelState attachmentState() const;
  [[nodiscard]] KernelState partOf(const Attachment& attachment, bool besideBridge) const;
  [[nodiscard]] KernelState proxiesFor(AttachMode mode) const;
  void completeTables(std::vector<Operation>& operations) const;
  void lookAtSettings(const KernelState& part);
  void forgetFlows(const Attachment& attachment);
  bool noteGuard(std::span<const Operation> operations, std::span<const Result<void>> results);
  [[nodiscard]] bool isUsed(AttachMode mode) const;
  void letGo(std::span<const Operation> operations, std::span<const Result<void>> results, Cause cause);
  [[nodiscard]] Cause causeOf(const Operation& operation, Cause cause) const;
  std::vector<Result<void>> carryOut(std::span<const Operation> operations, Cause cause);
  void say(const std::string& text);
  [[nodiscard]] bool isCarried() const;
  void setReady(bool ready);
  void followFastPath();
  void writeSubnetEnv();
  void scheduleRetry();
  void scheduleFarewell();
  void scheduleResync(std::chrono::seconds delay);
  [[nodiscard]] NodeNetwork nodeNetwork() const;

  boost::asio::io_context& io_;
  Options options_;
  Kernel& kernel_;
  Datastore& datastore_;
  Attachments attachments_;
  /// Keys of those whose namespace went without a DEL (a reboot, say): the record keeps the address until the
  /// runtime deletes or adds them, but there is nothing to make an interface in.
  std::set<std::string> gone_;
  RouteQuestion routeTo_;

  // What the agent knows: inputs of the decision.
  std::optional<SoundCluster> cluster_;
  std::optional<UnderlayChoice> underlay_;
  KernelState actual_;
  Interest interest_;
  SubnetEnv previous_;

  // What follows from it.
  bool decided_ = false;  ///< until then nothing is known to be wanted, which is not to want nothing
  Decision decision_;     ///< but for desired.state, whose place is wanted_
  RecentBackends recent_;
  Lease lastLease_;  ///< stays in force while the datastore lacks one for us
  KernelState wanted_;
  Reconciler reconciler_;
  TunnelProcess tunnel_;
  Journal journal_;
  Problems problems_;
  RepeatLog said_;
  bool ready_ = false;
  bool guardless_ = false;  ///< the kernel turned out to lack what the spoof guard needs

  std::optional<Cause> pending_;  ///< why evaluate() has to run; empty when it need not
  bool posted_ = false;           ///< evaluate() is about to run; pending_ alone: after driftTimer_
  TimePoint restsUntil_;          ///< drift alone is not looked into before
  bool clusterChanged_ = false;
  bool publishDue_ = false;          ///< decision_.publish is news
  std::optional<Lease> publishing_;  ///< in flight at the datastore
  std::optional<Lease> published_;   ///< the last one that was sent and not refused
  bool confirmed_ = false;           ///< the datastore knows which lease is this node's
  TimePoint publishedAt_;
  std::string writtenSubnetEnv_;
  boost::asio::posix::stream_descriptor kernelEvents_;
  boost::asio::steady_timer driftTimer_;
  boost::asio::steady_timer publishTimer_;
  boost::asio::steady_timer retryTimer_;
  boost::asio::steady_timer resyncTimer_;
  boost::asio::steady_timer recentTimer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace twill
