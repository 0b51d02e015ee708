// SPDX-License-Identifier: Apache-2.0
// What a node that has the key may say in Serf's layer: messages, tags, filters, answers about keys. What can
// be read must come back equal.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "datastore/gossip/serf_message.hpp"

using namespace twill;
using namespace twill::gossip;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (auto message = parseSerfMessage(bytes)) {
    const auto again = parseSerfMessage(encode(*message));
    // Events are sent in the order of their times, whatever slots they came in.
    if (auto* state = std::get_if<SerfState>(&*message)) {
      std::stable_sort(state->events.begin(), state->events.end(),
                       [](const UserEvent& one, const UserEvent& other) { return one.time < other.time; });
    }
    if (!again || *again != *message) std::abort();
  }
  const Tags tags = parseTags(bytes);
  if (const auto meta = encodeTags(tags); meta && !tags.empty() && parseTags(*meta) != tags) std::abort();
  Query query;
  query.filters = {std::string(bytes)};
  static_cast<void>(isFor(query, "node", tags));
  if (const auto key = parseKeyRequest(bytes)) {
    const auto again = parseKeyRequest(encodeKeyRequest(*key));
    if (!again || *again != *key) std::abort();
  }
  if (const auto answer = parseKeyAnswer(bytes)) {
    const auto again = parseKeyAnswer(encode(*answer));
    if (!again || *again != *answer) std::abort();
  }
  return 0;
}
