// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "plan/ipip_tunnel.hpp"
#include "tc/program.hpp"

struct ipip;  // bpf/ipip.bpf.c

namespace twill {

/// IPIP's programs in the calling thread's network namespace. They stay where they are when this object goes,
/// and a later one puts its own in their place without a gap.
class IpipPrograms {
 public:
  IpipPrograms();
  ~IpipPrograms();
  IpipPrograms(const IpipPrograms&) = delete;
  IpipPrograms& operator=(const IpipPrograms&) = delete;

  /// Makes it so; costs next to nothing when it is so. Kind::missing: a link is not there (yet). Else the
  /// kernel takes no such programs, which does not change by being asked again.
  [[nodiscard]] Result<void> follow(const IpipTunnel& wanted);
  /// Takes the programs away, those of a former process as well.
  [[nodiscard]] Result<void> remove();
  /// Somebody may have changed what is at the link, at any when it is 0: the next follow() looks, and asks a
  /// kernel that has refused once more. False when none of the programs is there.
  bool doubt(int link);
  /// None while there are no programs.
  [[nodiscard]] std::optional<IpipNumbers> numbers() const;

 private:
  /// What is set in the programs before they are loaded.
  struct Place {
    int device = 0, underlay = 0;  ///< link indexes
    IpAddress local;
    bool operator==(const Place&) const = default;
  };
  struct Destroy {
    void operator()(ipip* programs) const;
  };
  [[nodiscard]] Result<void> load(const Place& place);
  [[nodiscard]] Result<void> attach();

  std::unique_ptr<ipip, Destroy> programs_;
  std::optional<Place> place_;        ///< of the programs
  std::optional<IpipTunnel> filled_;  ///< what the map was filled from
  std::optional<Error> refused_;
  tc::Entries owners_;                           ///< what the map holds
  std::map<tc::Place, std::uint32_t> attached_;  ///< and which program
  bool doubted_ = false;
  bool clean_ = false;  ///< nothing of a former process is left
};

}  // namespace twill
