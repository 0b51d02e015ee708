// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/repeat_log.hpp"

namespace twill {

/// What is not as it should be right now, by where it was noticed. Says each thing in the log once when it
/// appears and once when it is over, however often it is found in between; one that comes and goes without
/// rest is said now and then.
class Problems {
 public:
  /// Replaces all that `source` reported before.
  void set(const std::string& source, std::vector<std::string> texts);

  [[nodiscard]] std::vector<std::string> all() const;
  /// What `source` reported last.
  [[nodiscard]] std::set<std::string> of(const std::string& source) const;
  [[nodiscard]] bool empty() const;

 private:
  std::map<std::string, std::set<std::string>> current_;
  RepeatLog said_;
};

}  // namespace twill
