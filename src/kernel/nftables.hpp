// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "kernel/netlink.hpp"
#include "plan/objects.hpp"

struct nft_ctx;  // nftables/libnftables.h

namespace twill {

/// The table `inet twill` of the network namespace that the calling thread was in at open().
class Nftables {
 public:
  [[nodiscard]] static Result<Nftables> open();

  /// The table as the kernel has it; nothing when there is none.
  [[nodiscard]] Result<std::optional<Firewall>> read();
  [[nodiscard]] Result<void> write(const Firewall& wanted);
  [[nodiscard]] Result<void> remove();

  /// Readable when somebody changed a ruleset, which may be us.
  [[nodiscard]] int fd() const { return monitor_.fd(); }
  /// Brings what read() returned up to date; true when it changed.
  [[nodiscard]] Result<bool> refresh(std::optional<Firewall>& firewall);

 private:
  using Context = std::unique_ptr<nft_ctx, void (*)(nft_ctx*)>;
  Nftables(netlink::Socket monitor, Context writer)
      : monitor_(std::move(monitor)), writer_(std::move(writer)) {}
  /// Takes in the notifications that wait.
  void listen();
  [[nodiscard]] Result<void> learn();
  [[nodiscard]] Result<void> run(const std::string& script);

  netlink::Socket monitor_;
  /// Lives on: closing its socket waits for the clean-up after the last transaction, 10 ms and more.
  Context writer_;
  std::optional<Firewall> known_;  ///< what the table holds, unless stale_
  bool stale_ = true;              ///< somebody else changed it since
  bool touched_ = false;           ///< the transaction that is being announced concerns our table
  bool news_ = false;              ///< known_ was set since the last read() or refresh()
};

}  // namespace twill
