// SPDX-License-Identifier: Apache-2.0
#include "lab/connectivity.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace twill::lab {
namespace {

constexpr std::size_t kFaultsShown = 20;

std::string_view wordOf(Protocol protocol) {
  return protocol == Protocol::icmp ? "icmp" : "tcp";
}

std::string faultOf(const Observation& seen, const Expectation& expected) {
  if (!seen.reached) return seen.error.empty() ? "no answer" : seen.error;
  if (!seen.answered) return "arrived, but its answer did not";
  const bool itself = std::find(expected.own.begin(), expected.own.end(), *seen.seenAs) != expected.own.end();
  if (!itself) return fmt::format("seen as {}, which is not the sender's: NAT", seen.seenAs->text());
  if (seen.ttl != expected.ttl) return fmt::format("TTL {} instead of {}", seen.ttl, expected.ttl);
  return {};
}

/// A machine, and the name within it: "node1" and "con2", or "" for the machine itself.
std::pair<std::string, std::string> halves(const std::string& place) {
  const auto slash = place.find('/');
  return slash == std::string::npos ? std::pair(place, std::string())
                                    : std::pair(place.substr(0, slash), place.substr(slash + 1));
}

/// Text of `columns` terminal columns; painting must not count, so it comes after padding.
std::string padded(std::string_view text, std::size_t columns) {
  return fmt::format("{:<{}}", text, columns);
}

class Matrix {
 public:
  Matrix(const std::vector<Row>& rows, const Paint& paint) : paint_(paint) {
    for (const Row& row : rows) {
      cells_[{row.from, row.to}].push_back(&row);
      addPlace(row.from);
      addPlace(row.to);
    }
    // A machine before its containers, in the order in which they came.
    std::stable_sort(places_.begin(), places_.end(), [this](const std::string& a, const std::string& b) {
      return machines_.at(halves(a).first) < machines_.at(halves(b).first);
    });
    for (const auto& place : places_) {
      labelWidth_ = std::max(labelWidth_, halves(place).first.size() + 2);
      cellWidth_ = std::max(cellWidth_, halves(place).second.size() + 1);
      if (halves(place).second.empty()) cellWidth_ = std::max(cellWidth_, place.size() + 1);
    }
  }

  [[nodiscard]] std::size_t width() const { return labelWidth_ + places_.size() * cellWidth_; }

  [[nodiscard]] std::string text() const {
    std::string out = std::string(labelWidth_, ' ');
    for (const auto& place : places_) out += paint_(Tone::bold, padded(label(place), cellWidth_));
    out += "\n";
    for (const auto& from : places_) {
      const bool machine = halves(from).second.empty();
      out += paint_(Tone::bold, padded(machine ? from : "  " + label(from), labelWidth_));
      for (const auto& to : places_) out += cell(from, to);
      out += "\n";
    }
    return out;
  }

 private:
  void addPlace(const std::string& place) {
    if (std::find(places_.begin(), places_.end(), place) == places_.end()) places_.push_back(place);
    machines_.emplace(halves(place).first, machines_.size());
  }

  static std::string label(const std::string& place) {
    const auto [machine, inner] = halves(place);
    return inner.empty() ? machine : inner;
  }

  /// All families and protocols in one cell: the TTL when all is well.
  [[nodiscard]] std::string cell(const std::string& from, const std::string& to) const {
    if (from == to) return paint_(Tone::dim, padded("-", cellWidth_));
    const auto found = cells_.find({from, to});
    if (found == cells_.end()) return padded("", cellWidth_);
    const auto& rows = found->second;
    const auto failed = std::find_if(rows.begin(), rows.end(), [](const Row* row) { return !row->ok; });
    if (failed == rows.end()) {
      return paint_(Tone::good, padded(std::to_string(rows.front()->ttl), cellWidth_));
    }
    const bool all = std::none_of(rows.begin(), rows.end(), [](const Row* row) { return row->ok; });
    return paint_(Tone::bad, padded(all ? "FAIL" : "part", cellWidth_));
  }

  const Paint& paint_;
  std::map<std::pair<std::string, std::string>, std::vector<const Row*>> cells_;
  std::vector<std::string> places_;
  std::map<std::string, std::size_t> machines_;
  std::size_t labelWidth_ = 6;
  std::size_t cellWidth_ = 5;
};

}  // namespace

Row judge(const Observation& observation, const std::string& from, const std::string& to,
          const Expectation& expected) {
  Row row{.from = from,
          .to = to,
          .address = observation.address,
          .protocol = observation.protocol,
          .ttl = observation.ttl,
          .seenAs = observation.seenAs,
          .fault = faultOf(observation, expected)};
  row.ok = row.fault.empty();
  if (observation.answered) row.rtt = observation.rtt;
  return row;
}

std::string toJson(const std::vector<Row>& rows) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const Row& row : rows) {
    nlohmann::ordered_json entry = {{"from", row.from},
                                    {"to", row.to},
                                    {"address", row.address.text()},
                                    {"protocol", wordOf(row.protocol)},
                                    {"ok", row.ok},
                                    {"ttl", nullptr},
                                    {"seen_as", nullptr},
                                    {"rtt_us", nullptr},
                                    {"fault", nullptr}};
    if (row.ttl != 0) entry["ttl"] = row.ttl;
    if (row.seenAs) entry["seen_as"] = row.seenAs->text();
    if (row.rtt) entry["rtt_us"] = row.rtt->count();
    if (!row.ok) entry["fault"] = row.fault;
    out.push_back(std::move(entry));
  }
  return out.dump(1) + "\n";
}

std::string matrix(const std::vector<Row>& rows, std::size_t width, const Paint& paint) {
  std::string out;
  const Matrix table(rows, paint);
  if (table.width() <= width) out += table.text() + "\n";
  std::size_t failed = 0;
  for (const Row& row : rows) {
    if (row.ok || ++failed > kFaultsShown) continue;
    out += fmt::format("{} {} → {} ({} {}): {}\n", paint(Tone::bad, "FAIL"), row.from, row.to,
                       wordOf(row.protocol), row.address.text(), row.fault);
  }
  if (failed > kFaultsShown) out += fmt::format("... and {} more; --json has all\n", failed - kFaultsShown);
  out += failed == 0
             ? paint(Tone::good,
                     fmt::format("all {} checks passed: reachable, TTL as expected, no NAT", rows.size()))
             : paint(Tone::bad, fmt::format("{} of {} checks failed", failed, rows.size()));
  return out + "\n";
}

}  // namespace twill::lab
