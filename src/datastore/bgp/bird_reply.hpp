// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "datastore/bgp/record.hpp"
#include "net/address.hpp"

/// What BIRD says on its control socket. Pure; the bytes may be anything.
namespace twill::bgp {

/// One reply: lines with a code each, up to the one that ends it.
struct BirdReply {
  struct Line {
    int code = 0;
    std::string text;

    bool operator==(const Line&) const = default;
  };
  std::vector<Line> lines;  ///< the last one ends the reply

  [[nodiscard]] int code() const { return lines.empty() ? 0 : lines.back().code; }
  /// 8xxx: it cannot be done, 9xxx: it is not understood.
  [[nodiscard]] bool isError() const { return code() >= 8000; }
  /// Of all lines with that code.
  [[nodiscard]] std::vector<std::string_view> texts(int code) const;
};

/// Takes bytes as they come. A line that starts with four digits and '-' goes on, with a blank it ends the
/// reply; one that starts with a blank has the code of the line before; '+' is a message out of turn.
class ReplyReader {
 public:
  /// Kind::invalid: that is not BIRD, or more than it would say; the connection is of no use any more.
  [[nodiscard]] Result<void> feed(std::string_view bytes);
  /// The first whole reply that is still here.
  [[nodiscard]] std::optional<BirdReply> take();

 private:
  [[nodiscard]] Result<void> feedLine(std::string_view line);

  std::string partial_;
  BirdReply current_;
  std::size_t size_ = 0;  ///< of the current reply
  std::vector<BirdReply> whole_;
};

/// "BIRD 2.0.12 ready." The error names the version and what is needed.
[[nodiscard]] Result<std::string> versionIn(const BirdReply& greeting);
/// Of `bird --version` and of the greeting: at least 2.0.12, in which "onlink" is an attribute, and below 3.
[[nodiscard]] Result<void> checkVersion(std::string_view version);

/// One BGP session, as `show protocols all` has it.
struct BirdSession {
  std::string protocol;  ///< its name in bird.conf
  std::string state;     ///< Established, Passive, Connect, Active, Idle, Close, OpenSent, OpenConfirm, Down
  std::string since;     ///< local time, "2026-11-29 08:49:54"
  std::string error;     ///< the last one; empty: none
  std::optional<IpAddress> neighbor;
  std::uint32_t as = 0;
  std::uint64_t imported = 0, exported = 0, filtered = 0;  ///< routes

  bool operator==(const BirdSession&) const = default;
};
[[nodiscard]] std::vector<BirdSession> sessionsIn(const BirdReply& reply);

/// A route of `show route all` that came by BGP.
struct BirdRoute {
  Prefix prefix;
  IpAddress nextHop;
  std::vector<LargeCommunity> communities = {};

  bool operator==(const BirdRoute&) const = default;
};
[[nodiscard]] std::vector<BirdRoute> routesIn(const BirdReply& reply);

/// How many there are, of `show route count`.
[[nodiscard]] std::optional<std::uint64_t> countIn(const BirdReply& reply);

}  // namespace twill::bgp
