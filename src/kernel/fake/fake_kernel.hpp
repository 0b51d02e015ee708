// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "kernel/fake/fake_network.hpp"
#include "kernel/kernel.hpp"

namespace twill {

/// A kernel in memory, good enough to run the whole agent in a test: it refuses what Linux refuses, drops
/// what Linux drops, notifies, and can be damaged, made to fail, and made to lose notifications.
class FakeKernel final : public Kernel {
 public:
  /// Holds a loopback interface and nothing else.
  FakeKernel();

  [[nodiscard]] Result<KernelState> read(const Interest& interest) override;
  [[nodiscard]] std::vector<Result<void>> apply(std::span<const Operation> operations) override;
  /// Is seen in log().
  [[nodiscard]] Result<void> forgetUdp(const std::set<IpAddress>& addresses,
                                       const std::set<std::uint16_t>& ports) override;
  /// Nothing passes here, so that nothing is counted.
  [[nodiscard]] Result<std::map<std::string, std::uint64_t>> counted(const std::string& table) override;
  /// Is seen in fastPath().
  [[nodiscard]] Result<void> setFastPath(const std::optional<FastPath>& wanted) override;
  [[nodiscard]] std::optional<FastPathNumbers> fastPathNumbers() const override;
  /// Is seen in ipip(), and in log() when it comes or goes.
  [[nodiscard]] Result<void> setIpip(const std::optional<IpipTunnel>& wanted) override;
  [[nodiscard]] std::optional<IpipNumbers> ipipNumbers() const override;
  /// Is seen in tunnelPorts().
  [[nodiscard]] Result<void> setTunnelPorts(const std::vector<ContainerPort>& wanted) override;
  [[nodiscard]] Result<void> hasDriver(LinkKind kind) override;
  [[nodiscard]] std::string driverOf(const std::string& link) override { return drivers_[link]; }
  [[nodiscard]] int notifyFd() const override { return notify_.get(); }
  [[nodiscard]] Drained drain(KernelState& state, const Interest& interest) override;

  /// A network card that is up, with addresses such as "10.0.0.10/24".
  void plugCard(const std::string& name, const std::vector<std::string>& addresses);
  void addDriver(LinkKind kind) { linkDrivers_.insert(kind); }
  void setDriver(const std::string& card, const std::string& driver) { drivers_[card] = driver; }

  /// What another program does: the same rules as for apply(), but not counted and not made to fail.
  Result<void> byOthers(Verb verb, const Object& object);
  /// Another program sets a link down, or changes its MAC, MTU, master or alias.
  Result<void> changeLink(const std::string& name, const std::function<void(Link&)>& edit);

  /// The next `times` operations for which `matches` holds are refused with `error`, and change nothing.
  void refuse(std::function<bool(const Operation&)> matches, Error error, int times);
  /// The next `times` calls of read() fail.
  void failReads(int times) { failingReads_ = times; }
  /// Drops the notifications that wait, as an overrun socket does: drain() says `lost`.
  void loseNotifications();

  /// Everything that is there, foreign or not, whatever the interest.
  [[nodiscard]] const KernelState& all() const { return network_.state(); }
  /// describe() of each operation that apply() was given, with "refused: " before those that failed.
  [[nodiscard]] const std::vector<std::string>& log() const { return log_; }
  void clearLog() { log_.clear(); }
  [[nodiscard]] const std::optional<FastPath>& fastPath() const { return fastPath_; }
  [[nodiscard]] const std::optional<IpipTunnel>& ipip() const { return ipip_; }
  [[nodiscard]] const std::vector<ContainerPort>& tunnelPorts() const { return tunnelPorts_; }
  /// setFastPath() fails with it from now on.
  void refuseFastPath(Error error) { fastPathRefusal_ = std::move(error); }
  /// How often read() was called.
  [[nodiscard]] int reads() const { return reads_; }

 private:
  struct Refusal {
    std::function<bool(const Operation&)> matches;
    Error error;
    int left;
  };

  Result<void> carryOut(const Operation& operation);
  [[nodiscard]] KernelState visible(const Interest& interest) const;
  void notify();
  void quiet();

  FakeNetwork network_;
  std::map<std::string, std::string> drivers_;  ///< by link
  std::set<LinkKind> linkDrivers_;
  Fd notify_;
  std::optional<FastPath> fastPath_;
  std::optional<IpipTunnel> ipip_;
  std::vector<ContainerPort> tunnelPorts_;
  std::optional<Error> fastPathRefusal_;
  bool changed_ = false;
  bool lost_ = false;
  std::vector<Refusal> refusals_;
  std::vector<std::string> log_;
  int reads_ = 0;
  int failingReads_ = 0;
};

}  // namespace twill
