// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>

#include "base/fd.hpp"
#include "kernel/conntrack.hpp"
#include "kernel/ethtool.hpp"
#include "kernel/fast_path_programs.hpp"
#include "kernel/ipip_programs.hpp"
#include "kernel/kernel.hpp"
#include "kernel/mirror.hpp"
#include "kernel/netlink.hpp"
#include "kernel/nftables.hpp"
#include "kernel/reaper.hpp"
#include "kernel/tunnel_port_programs.hpp"

namespace twill {

/// Linux: the network namespace that the calling thread is in at open(), which must be the same in all calls.
class LinuxKernel final : public Kernel {
 public:
  [[nodiscard]] static Result<std::unique_ptr<LinuxKernel>> open();

  [[nodiscard]] Result<KernelState> read(const Interest& interest) override;
  [[nodiscard]] std::vector<Result<void>> apply(std::span<const Operation> operations) override;
  [[nodiscard]] Result<void> forgetUdp(const std::set<IpAddress>& addresses,
                                       const std::set<std::uint16_t>& ports) override {
    return forgetUdpFlows(addresses, ports);
  }
  [[nodiscard]] Result<std::map<std::string, std::uint64_t>> counted(const std::string& table) override {
    return Nftables::counted(table);
  }
  [[nodiscard]] Result<void> setFastPath(const std::optional<FastPath>& wanted) override;
  [[nodiscard]] Result<void> setIpip(const std::optional<IpipTunnel>& wanted) override;
  [[nodiscard]] std::optional<IpipNumbers> ipipNumbers() const override { return ipip_.numbers(); }
  [[nodiscard]] Result<void> setTunnelPorts(const std::vector<ContainerPort>& wanted) override;
  [[nodiscard]] std::optional<FastPathNumbers> fastPathNumbers() const override {
    return fastPath_.numbers();
  }
  [[nodiscard]] Result<void> hasDriver(LinkKind kind) override;
  [[nodiscard]] std::string driverOf(const std::string& link) override { return ethtool::driverOf(link); }
  [[nodiscard]] int notifyFd() const override { return epoll_.get(); }
  [[nodiscard]] Drained drain(KernelState& state, const Interest& interest) override;

 private:
  LinuxKernel(netlink::Socket requests, netlink::Socket monitor, Result<Nftables> nftables)
      : requests_(std::move(requests)), monitor_(std::move(monitor)), nftables_(std::move(nftables)) {}
  [[nodiscard]] Result<void> arm();
  [[nodiscard]] Result<void> watchPrograms();
  [[nodiscard]] Drained drainRtnetlink(KernelState& state, const Interest& interest);
  /// The kernel tells nobody of proxy entries: what apply() did to them is kept for the next drain().
  void noteProxies(std::span<const Operation> operations, std::span<const Result<void>> results);
  [[nodiscard]] Drained drainProxies(KernelState& state);
  [[nodiscard]] Drained drainSettings(KernelState& state, const Interest& interest);
  [[nodiscard]] Drained drainFirewall(KernelState& state);

  netlink::Socket requests_;
  netlink::Socket monitor_;
  Result<Nftables> nftables_;  ///< or why there is none: no right, no support
  Fd epoll_;
  Fd touched_;  ///< eventfd: apply() did what the kernel tells nobody of
  Mirror mirror_;
  std::vector<Operation> proxies_;  ///< additions and removals of proxy entries, since the last drain()
  FastPathPrograms fastPath_;
  IpipPrograms ipip_;
  TunnelPortPrograms tunnelPorts_;
  std::map<LinkKind, Result<void>> drivers_;  ///< those that were asked for
  bool watchesPrograms_ = false;
  bool settingsStale_ = false;
  bool lost_ = false;  ///< drain() said so, of rtnetlink's notifications, and nobody has read since; nftables
                       ///< tells of its own
  std::atomic<bool> hidWrongly_ = false;  ///< a link that could not be removed is still there
  std::unique_ptr<Reaper> reaper_;        ///< last: its thread uses what stands above
};

}  // namespace twill
