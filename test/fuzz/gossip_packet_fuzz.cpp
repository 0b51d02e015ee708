// SPDX-License-Identifier: Apache-2.0
// A datagram of any bytes is an error, or messages. One that is understood survives its own encoding, and all
// that are survive being sent again, in each way of sending.
#include <cstdlib>

#include "datastore/gossip/packet.hpp"

using namespace twill::gossip;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

const Keyring& ring() {
  static const Keyring ring = Keyring::of({std::string(16, 'k')}).value();
  return ring;
}

void checkSending(const std::vector<std::string>& messages) {
  for (const bool checksum : {false, true}) {
    for (const bool compress : {false, true}) {
      for (const Keyring& keys : {Keyring(), ring()}) {
        auto datagram = sealDatagram(messages, checksum, compress, keys);
        require(datagram.has_value());
        require(openDatagram(*datagram, keys) == messages);
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view datagram(reinterpret_cast<const char*>(data), size);
  require(!openDatagram(datagram, ring()).has_value());
  auto opened = openDatagram(datagram, Keyring());
  if (!opened) {
    require(opened.error().text.size() < 1000);
    return 0;
  }
  std::vector<std::string> understood;
  std::size_t bytes = 0;
  for (const std::string& each : *opened) {
    auto message = parseMessage(each);
    if (!message) continue;
    understood.push_back(encode(*message));
    require(parseMessage(understood.back()) == *message);
    bytes += 2 + understood.back().size();
  }
  // What came in nested parts need not fit into one datagram.
  if (!understood.empty() && understood.size() < 256 && bytes < 60'000) checkSending(understood);
  return 0;
}
