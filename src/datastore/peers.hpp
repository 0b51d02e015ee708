// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace twill {

/// What people see of the nodes and change among them, where the map lives on the nodes themselves.
///
/// Threading: as with Datastore.
class Peers {
 public:
  using OnDone = std::function<void(Result<void>)>;

  struct Node {
    std::string name;
    std::string id;                          ///< 32 hexadecimal digits; empty: no Twill node
    std::string endpoint;                    ///< where it gossips
    std::string status;                      ///< alive, suspect, leaving, left or failed
    std::int64_t seconds = 0;                ///< for so long
    std::string accuser;                     ///< who said that it is suspect or failed
    bool noDirectWay = false;                ///< this node reaches it by others alone
    std::vector<std::string> noDirectWayTo;  ///< whom it reaches by others alone, as it says itself
    bool isSelf = false;
  };

  /// What one node holds of the pool.
  struct Share {
    std::string node;
    std::string id;
    std::uint32_t free = 0, active = 0, revoked = 0;
    bool reachable = false;
    bool removed = false;
  };

  struct Pool {
    std::string cluster;  ///< its id; empty: in none yet
    std::uint32_t slots = 0;
    std::vector<Share> shares;
  };

  /// What has come in and was dropped.
  struct Counters {
    std::uint64_t wrongKey = 0, garbage = 0, slotConflicts = 0;
  };

  /// A node's keys, as it answered.
  struct Keys {
    std::string node;
    bool done = false;
    std::string message;            ///< what went wrong, if it did
    std::vector<std::string> keys;  ///< in base64, the one that encrypts first
  };
  struct KeysOfAll {
    std::size_t asked = 0;
    std::vector<Keys> answers;
  };
  using OnKeys = std::function<void(Result<KeysOfAll>)>;

  virtual ~Peers() = default;

  [[nodiscard]] virtual std::vector<Node> nodes() const = 0;
  [[nodiscard]] virtual Pool pool() const = 0;
  [[nodiscard]] virtual Counters counters() const = 0;
  /// Takes a dead node's subnets, for good. `node`: its name or its id. Kind::missing: no such node;
  /// Kind::conflict: it is not known to be dead; Kind::busy: not for long enough, or this node reaches no
  /// more than half of all, in which `force` removes it all the same.
  virtual void remove(const std::string& node, bool force, OnDone onDone) = 0;
  /// Before this node is taken out of service: hands its free subnets to another node, gives its own back,
  /// too, if `unused`, and tells all that it goes. The agent is to be stopped then; until its next start it
  /// takes no subnet.
  virtual void leave(bool unused, OnDone onDone) = 0;
  /// Takes what another machine left on this one's disk for this node's own. Kind::exists: it is.
  virtual void adopt(OnDone onDone) = 0;
  /// `command`: "list", "add", "use" or "remove"; `key` in base64. Asks all nodes, which takes a few seconds.
  virtual void changeKeys(const std::string& command, const std::string& key, OnKeys onKeys) = 0;
};

}  // namespace twill
