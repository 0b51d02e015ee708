// SPDX-License-Identifier: Apache-2.0
#include "datastore/bgp/bird_reply.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace twill::bgp {
namespace {

constexpr std::size_t kLongestLine = 64U << 10U;
constexpr std::size_t kLongestReply = 256U << 20U;

bool isDigit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// The next word; `text` loses it and the blanks around it.
std::string_view takeWord(std::string_view& text) {
  text = trimmed(text);
  const auto end = std::min(text.find_first_of(" \t"), text.size());
  const auto word = text.substr(0, end);
  text = trimmed(text.substr(end));
  return word;
}

template <class Number>
bool readNumber(std::string_view text, Number& number) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

/// What follows `key`, if the line starts with it.
std::optional<std::string_view> valueOf(std::string_view line, std::string_view key) {
  line = trimmed(line);
  if (!line.starts_with(key)) return std::nullopt;
  return trimmed(line.substr(key.size()));
}

/// "(1, 2, 3) (4, 5, 6)"
std::vector<LargeCommunity> communitiesIn(std::string_view text) {
  std::vector<LargeCommunity> out;
  while (!text.empty() && text.front() == '(') {
    const auto end = text.find(')');
    if (end == std::string_view::npos) break;
    auto inside = text.substr(1, end - 1);
    std::array<std::uint32_t, 3> numbers{};
    bool good = true;
    for (std::uint32_t& number : numbers) {
      const auto comma = std::min(inside.find(','), inside.size());
      good = good && readNumber(trimmed(inside.substr(0, comma)), number);
      inside = comma < inside.size() ? inside.substr(comma + 1) : std::string_view();
    }
    if (good && inside.empty()) out.push_back({numbers[0], numbers[1], numbers[2]});
    text = trimmed(text.substr(end + 1));
  }
  return out;
}

/// "12 imported, 3 filtered, 1 exported, 12 preferred"
void readRouteNumbers(std::string_view text, BirdSession& session) {
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    auto part = text.substr(0, comma);
    std::uint64_t number = 0;
    const bool good = readNumber(takeWord(part), number);
    if (good && part == "imported") session.imported += number;
    if (good && part == "exported") session.exported += number;
    if (good && part == "filtered") session.filtered += number;
    text = comma < text.size() ? text.substr(comma + 1) : std::string_view();
  }
}

/// "tw_n_10_0_0_20 BGP --- up 2026-11-29 08:49:54  Established"; nothing unless it is BGP's.
std::optional<BirdSession> sessionIn(std::string_view line) {
  BirdSession session;
  session.protocol = takeWord(line);
  if (takeWord(line) != "BGP") return std::nullopt;
  takeWord(line);
  const auto state = takeWord(line);
  session.since = takeWord(line);
  session.since += ' ';
  session.since += takeWord(line).substr(0, 8);  // without its milliseconds
  session.state = takeWord(line);
  if (session.state.empty()) session.state = state == "up" ? "Up" : "Down";
  session.error = line;
  return session;
}

void readDetail(std::string_view line, BirdSession& session) {
  if (const auto address = valueOf(line, "Neighbor address:")) {
    auto text = *address;
    if (const auto parsed = IpAddress::parse(takeWord(text))) session.neighbor = *parsed;
  } else if (const auto as = valueOf(line, "Neighbor AS:")) {
    (void)readNumber(*as, session.as);
  } else if (const auto error = valueOf(line, "Last error:")) {
    session.error = *error;
  } else if (const auto routes = valueOf(line, "Routes:")) {
    readRouteNumbers(*routes, session);
  }
}

}  // namespace

std::vector<std::string_view> BirdReply::texts(int code) const {
  std::vector<std::string_view> out;
  for (const Line& line : lines) {
    if (line.code == code) out.push_back(line.text);
  }
  return out;
}

Result<void> ReplyReader::feed(std::string_view bytes) {
  for (std::size_t end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
    partial_ += bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    TWILL_CHECK(feedLine(partial_));
    partial_.clear();
  }
  partial_ += bytes;
  if (partial_.size() <= kLongestLine) return {};
  return fail("a line without end", Error::Kind::invalid);
}

Result<void> ReplyReader::feedLine(std::string_view line) {
  size_ += line.size();
  if (size_ > kLongestReply || line.size() > kLongestLine)
    return fail("a reply without end", Error::Kind::invalid);
  if (!line.empty() && line.front() == '+') return {};
  const bool hasCode = line.size() >= 5 && std::all_of(line.begin(), line.begin() + 4, isDigit) &&
                       (line[4] == '-' || line[4] == ' ');
  if (hasCode) {
    int code = 0;
    (void)readNumber(line.substr(0, 4), code);
    current_.lines.push_back({code, std::string(line.substr(5))});
    if (line[4] == '-') return {};
    whole_.push_back(std::move(current_));
    current_ = {};
    size_ = 0;
    return {};
  }
  if (!line.empty() && line.front() == ' ' && !current_.lines.empty()) {
    current_.lines.push_back({current_.lines.back().code, std::string(line.substr(1))});
    return {};
  }
  return fail(fmt::format("a line that is none of BIRD's, of {} bytes", line.size()), Error::Kind::invalid);
}

std::optional<BirdReply> ReplyReader::take() {
  if (whole_.empty()) return std::nullopt;
  BirdReply first = std::move(whole_.front());
  whole_.erase(whole_.begin());
  return first;
}

Result<std::string> versionIn(const BirdReply& greeting) {
  if (greeting.code() == 1 && greeting.lines.size() == 1) {
    std::string_view text = greeting.lines.front().text;
    if (takeWord(text) == "BIRD") return std::string(takeWord(text));
  }
  return fail("no greeting of BIRD", Error::Kind::invalid);
}

Result<void> checkVersion(std::string_view version) {
  std::array<int, 3> numbers{};
  auto rest = version;
  for (int& number : numbers) {
    const auto end = std::min(rest.find_first_not_of("0123456789"), rest.size());
    if (end > 4 || !readNumber(rest.substr(0, end), number)) break;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (numbers >= std::array{2, 0, 12} && numbers < std::array{3, 0, 0}) return {};
  return fail(
      fmt::format("this is BIRD {}; twill needs 2.0.12 or a later version 2, as Debian's package bird2",
                  version.substr(0, 40)),
      Error::Kind::invalid);
}

std::vector<BirdSession> sessionsIn(const BirdReply& reply) {
  std::vector<BirdSession> sessions;
  bool inside = false;
  for (const auto& [code, text] : reply.lines) {
    if (code == 1002) {
      auto session = sessionIn(text);
      inside = session.has_value();
      if (session) sessions.push_back(std::move(*session));
    } else if (code == 1006 && inside) {
      readDetail(text, sessions.back());
    }
  }
  return sessions;
}

std::vector<BirdRoute> routesIn(const BirdReply& reply) {
  std::vector<BirdRoute> routes;
  std::optional<Prefix> prefix;
  bool known = false;      // the route that the lines are about is in `routes`
  bool continues = false;  // the last line was a list of large communities
  for (const auto& [code, text] : reply.lines) {
    std::string_view line = text;
    if (code == 1007) {
      if (line.starts_with('\t')) continue;  // its "via"
      known = false;
      if (!line.starts_with(' ')) {
        const auto parsed = Prefix::parse(takeWord(line));
        prefix = parsed ? std::optional(*parsed) : std::nullopt;
      }
    } else if (code == 1012 && prefix) {
      if (auto hop = valueOf(line, "BGP.next_hop:")) {
        const auto parsed = IpAddress::parse(takeWord(*hop));
        known = parsed.has_value();
        if (known) routes.push_back({.prefix = *prefix, .nextHop = *parsed});
      } else if (const auto communities = valueOf(line, "BGP.large_community:"); communities && known) {
        routes.back().communities = communitiesIn(*communities);
        continues = true;
        continue;
      } else if (continues && known && line.starts_with("\t\t")) {
        const auto more = communitiesIn(trimmed(line));  // BIRD breaks long lists
        routes.back().communities.insert(routes.back().communities.end(), more.begin(), more.end());
        continue;
      }
      continues = false;
    }
  }
  return routes;
}

std::optional<std::uint64_t> countIn(const BirdReply& reply) {
  // "3 of 3 routes for 2 networks in table tw_bgp4"; with several tables 0014 has their sum.
  for (const int code : {14, 1007}) {
    for (std::string_view text : reply.texts(code)) {
      std::uint64_t shown = 0;
      std::uint64_t all = 0;
      if (!readNumber(takeWord(text), shown) || takeWord(text) != "of") continue;
      if (readNumber(takeWord(text), all) && takeWord(text) == "routes") return all;
    }
  }
  return std::nullopt;
}

}  // namespace twill::bgp
