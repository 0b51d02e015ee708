// SPDX-License-Identifier: Apache-2.0
// A packet of any bytes is taken apart into headers that together are not longer than it is.
#include <cstdlib>

#include "lab/frame.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const bool ethernet : {false, true}) {
    std::size_t sum = 0;
    for (const auto& layer : twill::lab::layersOf({data, size}, ethernet)) {
      if (layer.bytes < 0 || layer.name.empty()) std::abort();
      sum += static_cast<std::size_t>(layer.bytes);
    }
    if (sum > size) std::abort();
  }
  return 0;
}
