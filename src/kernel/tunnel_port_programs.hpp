// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "plan/tunnel_port.hpp"
#include "tc/program.hpp"

struct tunnel_port;  // bpf/tunnel_port.bpf.c

namespace twill {

/// The programs at bridges' exits, in the calling thread's network namespace. They stay where they are when
/// this object goes, and a later one puts its own in their place without a gap.
class TunnelPortPrograms {
 public:
  TunnelPortPrograms();
  ~TunnelPortPrograms();
  TunnelPortPrograms(const TunnelPortPrograms&) = delete;
  TunnelPortPrograms& operator=(const TunnelPortPrograms&) = delete;

  /// Makes it so; costs next to nothing when it is so. Without ports there are no programs, those of a former
  /// process included. Fails when the kernel takes none, which does not change by being asked again.
  [[nodiscard]] Result<void> follow(const std::vector<ContainerPort>& wanted);
  /// Somebody may have changed what is at the link, at any when it is 0: the next follow() looks, and asks a
  /// kernel that has refused once more. False when none of the programs is there.
  bool doubt(int link);

 private:
  struct Destroy {
    void operator()(tunnel_port* programs) const;
  };
  [[nodiscard]] Result<void> load();
  [[nodiscard]] Result<void> attachTo(const std::set<int>& bridges);
  [[nodiscard]] Result<void> remove();

  std::unique_ptr<tunnel_port, Destroy> programs_;
  std::optional<Error> refused_;
  tc::Entries ports_;                            ///< what the map holds
  std::map<tc::Place, std::uint32_t> attached_;  ///< and which program
  bool doubted_ = false;
  bool clean_ = false;  ///< nothing of a former process is left, nor at bridges without ports
};

}  // namespace twill
