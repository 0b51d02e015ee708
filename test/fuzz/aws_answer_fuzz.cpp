// SPDX-License-Identifier: Apache-2.0
// Whatever answers for AWS is an error or is understood, in bounded time and memory, and reaches a person
// bounded, too.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cloud/aws/answers.hpp"
#include "cloud/aws/credentials.hpp"

using namespace twill;
using namespace twill::cloud;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::vector<Prefix> networks{*Prefix::parse("10.0.0.0/8"), *Prefix::parse("fd00::/8")};
  if (const auto root = aws::parseXml(text)) {
    for (const Route& route : aws::routesIn(*root, networks)) {
      require(networks[0].contains(route.dst) || networks[1].contains(route.dst));
      require(!route.target.empty() && !(route.ours && route.extra));
    }
    for (const Usage& usage : aws::usageIn(*root)) require(usage.used <= size);
    for (const auto& one : aws::interfacesIn(*root)) (void)one.has(networks[0].address());
    (void)aws::interfacesOfInstances(*root);
    (void)aws::tablesIn(*root);
  } else {
    require(root.error().text.size() < 300);
  }
  for (const long status : {400L, 403L, 503L}) {
    const HttpResponse response{.status = status, .body = std::string(text), .headers = {}};
    const Outcome outcome = aws::outcomeOf("CreateRoute", response);
    require(!outcome.done() && outcome.text.find(" Encoded authorization failure") == std::string::npos);
    require(outcome.text.size() < 1500);
  }
  (void)aws::profileIn(text, "default");
  if (const auto found = aws::credentialsIn(text, "here"))
    require(!found->id.empty() && !found->secret.empty());
  return 0;
}
