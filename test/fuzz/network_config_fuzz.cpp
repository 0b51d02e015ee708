// SPDX-License-Identifier: Apache-2.0
// A network config of any bytes is an error or a config that is in order and survives its own JSON.
#include <cstdlib>

#include "model/network_config.hpp"

using namespace twill;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool inOrder(const FamilyConfig& c) {
  return c.subnetMin.length() == c.subnetLength && c.subnetMax.length() == c.subnetLength &&
         c.subnetLength >= c.network.length() + 2 && c.network.contains(c.subnetMin) &&
         c.network.contains(c.subnetMax) && c.subnetMin <= c.subnetMax;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto config = parseNetworkConfig({reinterpret_cast<const char*>(data), size});
  if (!config) {
    require(!config.error().text.empty() && config.error().text.size() < 1000);
    return 0;
  }
  require(config->v4 || config->v6);
  require(!config->v4 || (config->v4->network.isV4() && inOrder(*config->v4)));
  require(!config->v6 || (!config->v6->network.isV4() && inOrder(*config->v6)));
  auto again = parseNetworkConfig(toJson(*config));
  require(again && *again == *config);
  return 0;
}
