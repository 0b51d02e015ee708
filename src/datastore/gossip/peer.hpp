// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "datastore/gossip/keyring.hpp"
#include "datastore/gossip/serf.hpp"

namespace boost::asio {
class io_context;
}

namespace twill::gossip {

/// What came in and was dropped.
struct Dropped {
  std::uint64_t wrongKey = 0;  ///< no key of ours opens it, or it is plain though we have keys
  std::uint64_t garbage = 0;   ///< malformed
};

struct PeerOptions {
  std::string name;
  Endpoint endpoint;  ///< bound to, and told to others
  Timers timers;
  Tags tags;
  Keyring keys;  ///< empty: plain text
};

/// A node among those that gossip: Serf's state machine with sockets and a clock. On the loop's thread.
class Peer {
 public:
  using OnJoined = std::function<void(Result<void>)>;
  /// A request of another node's Peer::request(), and what to answer.
  using OnRequest = std::function<Result<std::string>(const std::string& request)>;
  using OnReply = std::function<void(Result<std::string>)>;

  /// `user` must outlive it.
  Peer(boost::asio::io_context& loop, PeerOptions options, SerfUser& user, OnRequest onRequest);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  /// Binds UDP and TCP; from then on this node is a member. Kind::busy: the address is in use.
  [[nodiscard]] Result<void> start();
  /// From now on at another address. Kind::busy: it is in use, nothing was changed.
  [[nodiscard]] Result<void> move(const Endpoint& endpoint);
  /// Exchanges states with whoever is there, and says that this node is meant to be a member.
  void join(const Endpoint& seed, OnJoined onJoined);
  /// Whether a node of that name answers there, by TCP.
  void ping(const Endpoint& to, const std::string& name, std::function<void(bool)> onAnswered);
  /// Asks one node, which must be one of ours.
  void request(const Endpoint& to, const std::string& bytes, OnReply onReply);

  [[nodiscard]] const Serf& serf() const;
  /// For a change; the timers are set anew afterwards.
  void with(const std::function<void(Serf&, Time)>& change);
  [[nodiscard]] Keyring& keys();
  [[nodiscard]] Dropped dropped() const;

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace twill::gossip
