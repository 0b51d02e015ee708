// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/time_point.hpp"

namespace twill {

/// Backends by which some node was reached until a moment ago. The map does not come to all nodes at once:
/// who has not seen a change of backend yet still sends by the old one, and that is to arrive. Pure: the time
/// is handed in. Types are those of backends(), which live as long as the program.
class RecentBackends {
 public:
  /// These are in use until now.
  void note(const std::vector<std::string_view>& inUse, TimePoint now);
  /// Those that were in use within kLinger before now.
  [[nodiscard]] std::vector<std::string_view> at(TimePoint now) const;
  /// When the first of them that is not in `inUse` stops to be recent.
  [[nodiscard]] std::optional<TimePoint> nextEnd(const std::vector<std::string_view>& inUse,
                                                 TimePoint now) const;

 private:
  std::map<std::string_view, TimePoint> lastUsed_;
};

}  // namespace twill
