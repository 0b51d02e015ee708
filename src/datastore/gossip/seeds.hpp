// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "datastore/gossip/message.hpp"

namespace boost::asio {
class io_context;
}

namespace twill::gossip {

constexpr std::uint16_t kDefaultPort = 7946;  ///< of memberlist and Serf

/// "HOST", "HOST:PORT", "[2001:db8::1]:PORT", "2001:db8::1".
struct SeedName {
  std::string host;
  std::uint16_t port = kDefaultPort;
  bool operator==(const SeedName&) const = default;
};
[[nodiscard]] Result<SeedName> parseSeed(const std::string& text);

struct SeedOptions {
  std::vector<SeedName> names;  ///< of the command line
  std::string peersFile;        ///< one a line, as in parseSeed(); read each time. Empty: none
  std::string knownFile;        ///< peers of earlier, kept by remember()
};

/// Whom this node may ask to be let in: names, which may have several addresses each, a file, and the peers
/// of before. Asks again and again until somebody answers, and more rarely ever after, so that parts of a
/// cluster that never met find each other. On the loop's thread.
class Seeds {
 public:
  struct Hooks {
    std::function<bool(const Endpoint&)> isKnown;  ///< this node, or a living member
    std::function<bool()> isAlone;
    std::function<void(const Endpoint&, std::function<void(Result<void>)>)> join;
    /// Each time after all were asked and this node is still alone: why; and once, empty, when it is not.
    std::function<void(const std::string&)> report;
  };

  Seeds(boost::asio::io_context& loop, SeedOptions options, Hooks hooks);
  ~Seeds();
  Seeds(const Seeds&) = delete;
  Seeds& operator=(const Seeds&) = delete;

  void start();
  /// For the next start.
  void remember(std::vector<Endpoint> peers);

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace twill::gossip
