// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "net/address.hpp"
#include "plan/diff.hpp"
#include "plan/fast_path.hpp"
#include "plan/ipip_tunnel.hpp"
#include "plan/state.hpp"
#include "plan/tunnel_port.hpp"

namespace twill {

/// What an actual state should hold besides what is ours or is held always.
struct Interest {
  /// Foreign routes, besides the default routes: those that overlap one of these networks. Keeps a router
  /// with a full table from filling our memory.
  std::vector<Prefix> networks;
  /// Which settings an actual state should hold, as Sysctl::path. One that the kernel lacks is left out.
  std::vector<std::string> sysctls;
  auto operator<=>(const Interest&) const = default;
};

/// The one seam to Linux. Two implementations: kernel/linux.hpp for the network namespace of the calling
/// thread, and kernel/fake/fake_kernel.hpp, in memory, for tests.
///
/// Threading: one thread. Nothing here waits for anything but the kernel's own answer.
class Kernel {
 public:
  virtual ~Kernel() = default;

  /// The complete picture. Notifications that arrived before the call are covered by it; those that arrive
  /// during it are seen by the next drain().
  [[nodiscard]] virtual Result<KernelState> read(const Interest& interest) = 0;

  /// Carries out the operations in order, batched. One result for each, in the same order: a failure hurts
  /// only its own operation. Adding what is there already with the same content counts as done, as does
  /// removing what is gone.
  [[nodiscard]] virtual std::vector<Result<void>> apply(std::span<const Operation> operations) = 0;

  /// Ends what connection tracking remembers of UDP to these ports of these addresses. Else packets of a flow
  /// that went on while nobody had the port would go on to where the first one went. Fails with the kernel's
  /// errno where that keeps no such memory, or does not let us at it.
  [[nodiscard]] virtual Result<void> forgetUdp(const std::set<IpAddress>& addresses,
                                               const std::set<std::uint16_t>& ports) = 0;

  /// The packets that a table's named counters have counted since it was last written as a whole.
  [[nodiscard]] virtual Result<std::map<std::string, std::uint64_t>> counted(const std::string& table) = 0;

  /// Makes that the fast path, and none with nullopt. Costs next to nothing when it is so already. Fails when
  /// the kernel takes no such programs, and goes on with what it takes when a link refuses.
  [[nodiscard]] virtual Result<void> setFastPath(const std::optional<FastPath>& wanted) = 0;
  /// What has gone that way; none while there is none.
  [[nodiscard]] virtual std::optional<FastPathNumbers> fastPathNumbers() const = 0;

  /// Encapsulates in IPIP by programs, and not with nullopt. Costs next to nothing when it is so already.
  /// Kind::missing: a link is not there.
  [[nodiscard]] virtual Result<void> setIpip(const std::optional<IpipTunnel>& wanted) = 0;
  /// What has gone that way; none while there is none.
  [[nodiscard]] virtual std::optional<IpipNumbers> ipipNumbers() const = 0;

  /// What comes out of tunnels goes to these containers past their bridges, and to no others. Costs next to
  /// nothing when it is so already. Fails when the kernel takes no such program.
  [[nodiscard]] virtual Result<void> setTunnelPorts(const std::vector<ContainerPort>& wanted) = 0;

  /// Whether the kernel has the driver for links of this kind, ipip or sit; one that is a module it loads.
  /// Makes none. The error says why not. Asked once: the answer holds as long as this object.
  [[nodiscard]] virtual Result<void> hasDriver(LinkKind kind) = 0;

  /// Name of the driver behind a link, as `ethtool -i` shows it; empty where there is none.
  [[nodiscard]] virtual std::string driverOf(const std::string& link) = 0;

  /// Readable when drain() has something to do. Owned by the kernel object; valid as long as it.
  [[nodiscard]] virtual int notifyFd() const = 0;

  enum class Drained {
    nothing,  ///< `state` is as it was
    changed,  ///< `state` was brought up to date
    lost,     ///< notifications were lost, or one says too little: read() again
  };
  /// Folds the notifications that wait into `state`, which the last read() returned. Never blocks.
  [[nodiscard]] virtual Drained drain(KernelState& state, const Interest& interest) = 0;
};

}  // namespace twill
