// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernel/netlink.hpp"
#include "plan/diff.hpp"

struct nft_ctx;  // nftables/libnftables.h

namespace twill {

/// Twill's tables in the network namespace that the calling thread was in at open().
class Nftables {
 public:
  [[nodiscard]] static Result<Nftables> open();

  /// Puts the tables that are there, and their elements, into `state`, which holds none yet: as `audited`,
  /// what the kernel lists, which takes long with many elements; else what is known, unless notifications
  /// were lost.
  [[nodiscard]] Result<void> read(KernelState& state, bool audited);
  /// Keeps the elements of sets that are apart.
  [[nodiscard]] Result<void> write(const Firewall& wanted);
  [[nodiscard]] Result<void> remove(const std::string& table);
  /// Operations on elements, all in one transaction if each of them can be had, else one by one.
  [[nodiscard]] std::vector<Result<void>> change(std::span<const Operation* const> steps);

  /// The packets of a table's named counters.
  [[nodiscard]] static Result<std::map<std::string, std::uint64_t>> counted(const std::string& table);

  /// Readable when somebody changed a ruleset, which may be us.
  [[nodiscard]] int fd() const { return monitor_.fd(); }
  /// Brings what read() told up to date; true when it changed. After changes of our own the cost is theirs,
  /// not that of all there is.
  [[nodiscard]] Result<bool> refresh(KernelState& state);

 private:
  using Context = std::unique_ptr<nft_ctx, void (*)(nft_ctx*)>;
  Nftables(netlink::Socket monitor, netlink::Socket elementWriter, Context writer)
      : monitor_(std::move(monitor)), elementWriter_(std::move(elementWriter)), writer_(std::move(writer)) {}
  /// Takes in the notifications that wait.
  void listen();
  [[nodiscard]] Result<void> learn();
  [[nodiscard]] Result<void> run(const std::string& script);
  /// True when all of them are done; else nothing is.
  [[nodiscard]] bool changeAll(std::span<const Operation* const> steps);
  void note(const Operation& step);

  netlink::Socket monitor_;
  netlink::Socket elementWriter_;
  /// Lives on, as the socket above does: closing one waits for the clean-up after the last transaction, 10 ms
  /// and more.
  Context writer_;
  KernelState known_;     ///< what the tables hold, unless stale_; nothing else is in it
  bool stale_ = true;     ///< somebody else changed them since
  bool touched_ = false;  ///< the transaction that is being announced concerns a table of ours
  bool news_ = false;     ///< known_ was set, or changed much, since the last read() or refresh()
  /// Our own changes of elements since then; of no matter with news_.
  std::vector<std::pair<Verb, SetElement>> elements_;
};

}  // namespace twill
