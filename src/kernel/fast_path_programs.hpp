// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "plan/fast_path.hpp"
#include "tc/program.hpp"

struct fast_path;  // bpf/fast_path.bpf.c

namespace twill {

/// The fast path's programs in the calling thread's network namespace: one at the node's end of each
/// container's veth, one at the entrance of each link that leads to peers. They stay where they are when this
/// object goes: what they carry they carry on.
class FastPathPrograms {
 public:
  FastPathPrograms();
  ~FastPathPrograms();
  FastPathPrograms(const FastPathPrograms&) = delete;
  FastPathPrograms& operator=(const FastPathPrograms&) = delete;

  /// Makes it so; costs next to nothing when it is so. Fails when the kernel takes no such programs, which
  /// does not change by being asked again; or with the first container or link that failed, when all that can
  /// be done is done.
  [[nodiscard]] Result<void> follow(const FastPath& wanted);
  /// Takes the programs away, those of a former process as well.
  [[nodiscard]] Result<void> remove();
  /// Somebody may have changed what is at the link, at any when it is 0: the next follow() looks, and asks a
  /// kernel that has refused once more. False when none of the programs is there.
  bool doubt(int link);
  /// None while there are no programs.
  [[nodiscard]] std::optional<FastPathNumbers> numbers() const;

 private:
  struct Destroy {
    void operator()(fast_path* programs) const;
  };
  Result<void> load();
  Result<void> fill(const FastPath& wanted);
  [[nodiscard]] std::map<tc::Place, int> placesOf(const FastPath& wanted) const;
  Result<void> attach(const std::map<tc::Place, int>& places);
  Result<void> removeLeft();

  std::unique_ptr<fast_path, Destroy> programs_;
  std::optional<FastPath> current_;  ///< what the maps hold
  std::optional<Error> refused_;
  tc::Entries containers_, peers_;
  std::map<tc::Place, std::uint32_t> attached_;  ///< and which program; 0: none
  std::set<int> doubted_;                        ///< links, or 0
  bool clean_ = false;                           ///< nothing of a former process is left
};

}  // namespace twill
