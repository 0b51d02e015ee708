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

#include "agent/journal.hpp"
#include "agent/network.hpp"
#include "agent/options.hpp"
#include "agent/problems.hpp"
#include "agent/reconciler.hpp"
#include "agent/repeat_log.hpp"
#include "attach/attachments.hpp"
#include "kernel/kernel.hpp"

namespace twill {

/// The loop that joins the rooms. Whatever happens (the map changed, the kernel changed, a container came, a
/// retry is due) ends in one function, evaluate(): decide what is wanted, compare with the kernel, carry out
/// the difference.
///
/// Threading: all of it on the io_context's one thread. Destroying the agent leaves the kernel as it is.
class Agent {
 public:
  /// `datastores`: one for each of the options' networks, in their order; it is one alone when they name
  /// none.
  Agent(boost::asio::io_context& io, Options options, Kernel& kernel,
        const std::vector<Datastore*>& datastores, Attachments attachments, RouteQuestion routeTo);
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
  /// A router cannot send a packet on that may be this node's, to a peer: what a tunnel's routes take may
  /// change.
  void hear(const TooBig& said);

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
  [[nodiscard]] const std::vector<std::unique_ptr<Network>>& networks() const { return networks_; }
  /// By name; the first for an empty one. Null when the node is in none of that name.
  [[nodiscard]] const Network* network(const std::string& name) const;
  [[nodiscard]] const KernelState& wanted() const { return wanted_; }
  [[nodiscard]] const KernelState& actual() const { return actual_; }
  [[nodiscard]] const Journal& journal() const { return journal_; }
  [[nodiscard]] const Problems& problems() const { return problems_; }
  [[nodiscard]] const Reconciler& reconciler() const { return reconciler_; }
  [[nodiscard]] const Attachments& attachments() const { return attachments_; }
  /// All wanted state is in the kernel, and the node holds its lease.
  [[nodiscard]] bool ready() const;
  /// The node's tunnels, in numbers.
  struct TunnelNumbers {
    std::uint64_t strangers = 0;      ///< packets that were kept out
    std::optional<IpipNumbers> ipip;  ///< where that is the backend
    /// twill-tunnel's own words, JSON, by the network's name, where there is one that answers.
    std::map<std::string, std::string> processes;
    std::vector<std::string> problems;  ///< what is wrong although it works
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
  void waitForKernel();
  void onKernelEvent();
  void wake(Cause cause);
  void evaluate();
  void redecide();
  bool decideAll();
  void findObstacles();
  bool lookAt(const std::string& setting);
  Result<void> readKernel();
  void readAgain();
  bool refreshActual();
  void lookAround();
  void reconcile(Cause cause);
  [[nodiscard]] static Failure noLease(const Network& network);
  [[nodiscard]] Result<const Network*> homeOf(const AttachRequest& request) const;
  [[nodiscard]] std::vector<std::string> attachmentProblems() const;
  /// Those whose containers are there.
  [[nodiscard]] std::vector<const Attachment*> presentAttachments() const;
  [[nodiscard]] FastPath wantedFastPath() const;
  void findQuarantined();
  [[nodiscard]] KernelState attachmentState() const;
  [[nodiscard]] KernelState partOf(const Attachment& attachment, bool besideBridge) const;
  [[nodiscard]] KernelState proxiesFor(AttachMode mode, const std::string& bridge) const;
  void completeTables(std::vector<Operation>& operations) const;
  void lookAtSettings(const KernelState& part);
  void forgetFlows(const Attachment& attachment);
  bool noteGuard(std::span<const Operation> operations, std::span<const Result<void>> results);
  [[nodiscard]] bool isUsed(AttachMode mode, const std::string& bridge) const;
  void letGo(std::span<const Operation> operations, std::span<const Result<void>> results, Cause cause);
  [[nodiscard]] Cause causeOf(const Operation& operation, Cause cause) const;
  std::vector<Result<void>> carryOut(std::span<const Operation> operations, Cause cause);
  void say(const std::string& text);
  void setReady(bool ready);
  void followFastPath();
  [[nodiscard]] std::optional<IpipTunnel> wantedIpip() const;
  void followIpip();
  void followTunnelPorts();
  void holdForIpip(std::vector<Operation>& operations) const;
  void scheduleRetry();
  void scheduleResync(std::chrono::seconds delay);
  [[nodiscard]] NodeNetwork networkOf(const Attachment& attachment) const;
  [[nodiscard]] NodeNetwork networkAt(const std::string& bridge) const;
  [[nodiscard]] bool isKnown(const std::string& bridge) const;

  boost::asio::io_context& io_;
  Options options_;
  Kernel& kernel_;
  Attachments attachments_;
  /// Keys of those whose namespace went without a DEL (a reboot, say): the record keeps the address until the
  /// runtime deletes or adds them, but there is nothing to make an interface in.
  std::set<std::string> gone_;
  /// Keys of those whose addresses are another node's now, and which node's: they are cut off.
  std::map<std::string, std::string> quarantined_;
  RouteQuestion routeTo_;

  KernelState actual_;
  Interest interest_;
  KernelState wanted_;
  KernelState
      retired_;  ///< what was wanted before; a large one takes long to free, so the kernel comes first
  Reconciler reconciler_;
  Journal journal_;
  Problems problems_;
  std::vector<std::unique_ptr<Network>> networks_;
  RepeatLog said_;
  bool ready_ = false;
  bool guardless_ = false;  ///< the kernel turned out to lack what the spoof guard needs

  std::optional<Cause> pending_;  ///< why evaluate() has to run; empty when it need not
  bool posted_ = false;           ///< evaluate() is about to run; pending_ alone: after driftTimer_
  TimePoint restsUntil_;          ///< drift alone is not looked into before
  boost::asio::posix::stream_descriptor kernelEvents_;
  boost::asio::steady_timer driftTimer_;
  boost::asio::steady_timer retryTimer_;
  boost::asio::steady_timer resyncTimer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace twill
