// SPDX-License-Identifier: Apache-2.0
// What comes over a TCP connection, in pieces of as many bytes as the first one tells, is what it would be in
// one piece: an error, a message, or the beginning of one. A message survives its own encoding, in each way
// of sending.
#include <algorithm>
#include <cstdlib>

#include "datastore/gossip/big_endian.hpp"
#include "datastore/gossip/packet.hpp"

using namespace twill;
using namespace twill::gossip;

namespace {

using Outcome = Result<std::optional<StreamMessage>>;

void require(bool holds) {
  if (!holds) std::abort();
}

const Keyring& ring() {
  static const Keyring ring = Keyring::of({std::string(16, 'k')}).value();
  return ring;
}

Outcome take(std::string_view bytes, std::size_t each, const Keyring& keys) {
  StreamReader reader(keys);
  while (bytes.size() > each) {
    auto outcome = reader.take(bytes.substr(0, each));
    if (!outcome || *outcome) return outcome;
    bytes.remove_prefix(each);
  }
  return reader.take(bytes);
}

bool areSame(const Outcome& one, const Outcome& other) {
  if (one && other) return *one == *other;
  return !one && !other && one.error().text == other.error().text && one.error().kind == other.error().kind;
}

/// As `bytes` comes from somebody who has our key: all of it is there.
void checkSealed(std::string_view bytes, const Outcome& plain) {
  std::string sealed(1, '\x0a');
  appendBig(sealed, bytes.size() + Keyring::kOverhead, 4);
  sealed += ring().seal(bytes, sealed).value();
  const Outcome outcome = take(sealed, sealed.size(), ring());
  require(outcome.has_value() == (plain && *plain));
  if (outcome) require(*outcome == *plain);
}

void checkSending(const StreamMessage& message) {
  for (const bool compress : {false, true}) {
    for (const Keyring& keys : {Keyring(), ring()}) {
      auto bytes = sealStream(message, compress, keys);
      require(bytes.has_value());
      require(areSame(take(*bytes, bytes->size(), keys), message));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Keyring none;
  const Outcome outcome = take(bytes, bytes.size(), none);
  require(areSame(outcome, take(bytes, std::max<std::size_t>(data[0], 1), none)));
  (void)take(bytes, bytes.size(), ring());
  checkSealed(bytes, outcome);
  if (outcome && *outcome) checkSending(**outcome);
  return 0;
}
