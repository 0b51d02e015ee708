// SPDX-License-Identifier: Apache-2.0
#include "agent/problems.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace twill {

void Problems::set(const std::string& source, std::vector<std::string> texts) {
  std::set<std::string> next(texts.begin(), texts.end());
  std::set<std::string>& before = current_[source];
  const auto now = std::chrono::steady_clock::now();
  for (const auto& text : next) {
    if (before.contains(text)) continue;
    if (auto line = said_.line(fmt::format("{}: {}", source, text), now)) spdlog::warn("{}", *line);
  }
  for (const auto& text : before) {
    if (next.contains(text)) continue;
    if (auto line = said_.line(fmt::format("{}: over: {}", source, text), now)) spdlog::info("{}", *line);
  }
  before = std::move(next);
}

std::vector<std::string> Problems::all() const {
  std::vector<std::string> texts;
  for (const auto& [source, set] : current_) {
    for (const auto& text : set) texts.push_back(fmt::format("{}: {}", source, text));
  }
  return texts;
}

bool Problems::empty() const {
  return std::all_of(current_.begin(), current_.end(),
                     [](const auto& entry) { return entry.second.empty(); });
}

std::set<std::string> Problems::of(const std::string& source) const {
  const auto found = current_.find(source);
  return found == current_.end() ? std::set<std::string>() : found->second;
}

}  // namespace twill
