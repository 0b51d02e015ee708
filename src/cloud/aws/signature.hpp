// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace twill::cloud::aws {

/// What a request is signed with. The secret and the token reach no log.
struct Credentials {
  std::string id;
  std::string secret;
  std::string token;  ///< of a session; empty for a user's own keys
  std::chrono::system_clock::time_point expires = std::chrono::system_clock::time_point::max();
};

/// A request to be signed: POST to "/" without a query.
struct Unsigned {
  std::string host;  ///< with the port, where it is not the usual one
  std::string region;
  std::string service;  ///< "ec2"
  std::string contentType;
  std::string target;  ///< x-amz-target, of the services that speak JSON; empty for the others
  std::string body;
};

/// The headers that it is to be sent with, "name: value": Signature Version 4 (AWS General Reference,
/// "Create a signed AWS API request").
[[nodiscard]] std::vector<std::string> sign(const Unsigned& request, const Credentials& credentials,
                                            std::chrono::system_clock::time_point now);

}  // namespace twill::cloud::aws
