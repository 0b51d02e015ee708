// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tc/merging_link.hpp"
#include "tc/program.hpp"
#include "tunnel/pump.hpp"

struct udp_tunnel;  // bpf/udp_tunnel.bpf.c

namespace twill::tunnel {

/// The way past user space: programs (bpf/udp_tunnel.bpf.c) at the device's exit and at the underlay's
/// entrance, that carry every plain packet within the kernel. What they leave is the pump's, which has to be
/// there, too. They stay where they are when the process is killed, and the next one puts its own in their
/// place. One thread.
class KernelEngine {
 public:
  /// What the pump has no part in.
  struct Where {
    std::string underlay;       ///< the link that peers' datagrams come in by
    bool floodsByUser = false;  ///< many or large packets are left to the pump, but for TCP's
    bool operator==(const Where&) const = default;
  };

  /// Loads the programs and attaches them. The error says why the kernel cannot: too old, no right.
  [[nodiscard]] static Result<std::unique_ptr<KernelEngine>> start(const Settings& settings,
                                                                   const Where& where,
                                                                   const std::vector<Peer>& peers);
  /// Detaches, and removes the merging link.
  ~KernelEngine();
  KernelEngine(const KernelEngine&) = delete;
  KernelEngine& operator=(const KernelEngine&) = delete;

  /// Those that stay keep their counters. Kind::busy: there are too many for this one; start another.
  [[nodiscard]] Result<void> setPeers(const std::vector<Peer>& peers);
  /// Made for these; for others there has to be another one.
  [[nodiscard]] bool serves(const Settings& settings, const Where& where) const {
    return settings == settings_ && where == where_;
  }
  /// Still attached, to links that are still the same. Asks the kernel.
  [[nodiscard]] bool isIntact() const;
  /// What went by the kernel, on top of what the pump has counted; by name of the peer.
  [[nodiscard]] std::map<std::string, PeerNumbers> numbers() const;
  /// `before` no longer removes what has been replaced by this one.
  void takeOver(KernelEngine& before) const;
  /// Why TCP's segments are not put together, which costs bulk; empty when they are.
  [[nodiscard]] const std::string& unmerged() const { return unmerged_; }

 private:
  struct Detach {
    void operator()(udp_tunnel* programs) const;
  };

  KernelEngine() = default;
  Result<void> load(std::size_t peers);
  void openMergingLink();
  Result<void> attach(int program, const tc::Place& place);
  Result<std::uint32_t> indexOf(const std::string& peer);
  void forgetPeersBut(const std::vector<Peer>& peers);

  std::unique_ptr<udp_tunnel, Detach> programs_;
  Settings settings_;
  Where where_;
  std::map<std::string, std::uint32_t> indexes_;
  std::vector<std::uint32_t> free_;
  tc::Entries entries_;
  std::optional<tc::MergingLink> merging_;
  std::string unmerged_;
  std::map<tc::Place, std::uint32_t> attached_;  ///< and which program
};

}  // namespace twill::tunnel
