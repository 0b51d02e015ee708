// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "base/result.hpp"

namespace twill::api {

struct Reply {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;
};

struct Call {
  std::string method = "GET";
  std::string target;
  std::map<std::string, std::string> headers;  ///< neither names nor values may hold control characters
  std::string body;
  std::chrono::milliseconds timeout{30'000};
};

/// One HTTP call to the agent over its unix socket, one connection a call. Blocks. Kind::missing or
/// Kind::busy: nobody listens on the socket (the error says how to start the agent); an answer longer than 64
/// MB is an error. Code ECONNRESET or EPIPE: the agent went away with the request, which it may have carried
/// out or not.
[[nodiscard]] Result<Reply> call(const std::string& socketPath, const Call& call);

}  // namespace twill::api
