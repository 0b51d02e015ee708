// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "datastore/bgp/bird_reply.hpp"

namespace boost::asio {
class io_context;
}

namespace twill::bgp {

/// BIRD's control socket. Connects, and does so again for as long as it lives; asks one thing at a time.
///
/// Threading: on the loop's thread; no callback comes from inside a call, and none after the client's end.
class BirdClient {
 public:
  using OnReply = std::function<void(Result<BirdReply>)>;
  struct Hooks {
    std::function<void()> up;  ///< it has greeted, and its version will do
    /// There is no connection, or it was lost (Kind::missing); BIRD says nothing (failed); or what answers is
    /// no BIRD that will do (invalid).
    std::function<void(const Error& why)> trouble;
  };

  BirdClient(boost::asio::io_context& loop, std::string path, Hooks hooks);
  ~BirdClient();
  BirdClient(const BirdClient&) = delete;
  BirdClient& operator=(const BirdClient&) = delete;

  [[nodiscard]] bool isUp() const;
  /// Kind::busy: it is not up, was lost meanwhile, or says nothing for five seconds; a reply that is an error
  /// of BIRD's is Kind::invalid with its words.
  void ask(const std::string& command, OnReply onReply);

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace twill::bgp
