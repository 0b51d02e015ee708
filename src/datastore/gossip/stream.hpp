// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>

#include "datastore/asio_address.hpp"
#include "datastore/gossip/packet.hpp"

namespace boost::asio {
class io_context;
}

/// memberlist's TCP: one message each way, then the end. On the loop's thread.
namespace twill::gossip {

using OnAnswer = std::function<void(Result<StreamMessage>)>;

/// Sends `message` and reads the answer, within `timeout` for each step. The answer never comes from inside
/// the call. Errors name the peer.
void callPeer(boost::asio::io_context& loop, const Endpoint& from, const Endpoint& to,
              const StreamMessage& message, std::shared_ptr<const Keyring> keys, std::chrono::seconds timeout,
              OnAnswer onAnswer);

/// Answers what others ask by TCP.
class StreamServer {
 public:
  /// What to answer; nothing: just the end. An error is counted, and ends the connection without a word.
  using OnMessage =
      std::function<Result<std::optional<StreamMessage>>(const Endpoint& from, StreamMessage message)>;
  /// A connection that brought nothing usable.
  using OnGarbage = std::function<void(const Endpoint& from, const Error& error)>;

  StreamServer(boost::asio::io_context& loop, std::shared_ptr<const Keyring> keys, OnMessage onMessage,
               OnGarbage onGarbage);
  ~StreamServer();
  StreamServer(const StreamServer&) = delete;
  StreamServer& operator=(const StreamServer&) = delete;

  [[nodiscard]] Result<void> listen(const Endpoint& at);

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace twill::gossip
