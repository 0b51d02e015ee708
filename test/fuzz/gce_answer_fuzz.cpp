// SPDX-License-Identifier: Apache-2.0
// Whatever answers for Google's cloud is an error or is understood.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <nlohmann/json.hpp>

#include "cloud/gce/answers.hpp"

using namespace twill;
using namespace twill::cloud;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::vector<Prefix> networks{*Prefix::parse("10.0.0.0/8")};
  const HttpResponse response{.status = 403, .body = std::string(text), .headers = {}};
  require(!gce::outcomeOf("routes.insert", response).done());
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return 0;
  for (const Route& route : gce::routesIn(json, networks)) {
    require(networks[0].contains(route.dst) && !route.target.empty());
    require(!route.ours || gce::isNodeRoute(route.dst, route.id));
  }
  (void)gce::instanceIn(json, networks[0].address());
  (void)gce::outcomeOfOperation("routes.insert", json);
  return 0;
}
