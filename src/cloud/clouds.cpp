// SPDX-License-Identifier: Apache-2.0
#include "cloud/clouds.hpp"

#include <cstdlib>
#include <utility>

#include "cloud/aws/vpc_routes.hpp"
#include "cloud/gce/network_routes.hpp"

namespace twill::cloud {

std::unique_ptr<CloudRoutes> cloudOf(boost::asio::io_context& io, const CloudWish& wish) {
  if (wish.type == "aws-vpc") return aws::vpcRoutes(io, wish, processEnvironment());
  if (wish.type == "gce") return gce::networkRoutes(io, wish, processEnvironment());
  return nullptr;
}

Environment processEnvironment() {
  return [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
  };
}

const char* textOf(Kind kind) {
  switch (kind) {
    case Kind::done:
      return "done";
    case Kind::exists:
      return "exists";
    case Kind::missing:
      return "missing";
    case Kind::conflict:
      return "conflict";
    case Kind::throttled:
      return "throttled";
    case Kind::transient:
      return "transient";
    case Kind::auth:
      return "auth";
    case Kind::quota:
      return "quota";
    case Kind::permanent:
      return "permanent";
  }
  return "";
}

}  // namespace twill::cloud
