// SPDX-License-Identifier: Apache-2.0
// What a node that has the key may say in Serf's layer: messages, tags, filters, answers about keys. What can
// be read must come back equal.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "datastore/gossip/serf_message.hpp"

using namespace twill;
using namespace twill::gossip;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto message = parseSerfMessage(bytes)) {
    const auto again = parseSerfMessage(encode(*message));
    if (!again || encode(*again) != encode(*message)) std::abort();
  }
  const Tags tags = parseTags(bytes);
  if (const auto meta = encodeTags(tags); meta && !tags.empty() && parseTags(*meta) != tags) std::abort();
  Query query;
  query.filters = {std::string(bytes)};
  static_cast<void>(isFor(query, "node", tags));
  static_cast<void>(parseKeyRequest(bytes));
  static_cast<void>(parseKeyAnswer(bytes));
  return 0;
}
