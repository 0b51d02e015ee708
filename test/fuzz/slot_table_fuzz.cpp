// SPDX-License-Identifier: Apache-2.0
// Whatever another node says about slots, and whatever stands in a node's state file, is an error or is
// written back as it was read, and leaves a keeper that can go on: its state can be saved and its table be
// told.
#include <cstdint>
#include <cstdlib>

#include "datastore/gossip/slots/slot_keeper.hpp"

using namespace twill;
using namespace twill::gossip;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void requireReadable(const Error& error) {
  require(!error.text.empty() && error.text.size() < 2000);
}

NodeId idOf(std::uint8_t number) {
  NodeId id;
  id.bytes[15] = number;
  return id;
}

SlotKeeper founder(TimePoint now) {
  const KeeperOptions options{.name = "n1",
                              .boot = 1,
                              .newCluster = idOf(9),
                              .network = R"({"Network":"10.32.0.0/24","SubnetLen":28})"};
  auto keeper = SlotKeeper::start(newState(idOf(1), {}), options, now, 0);
  require(keeper.has_value());
  require(keeper->want(now, "{}").has_value());
  return std::move(*keeper);
}

void checkGoesOn(SlotKeeper& keeper, TimePoint now) {
  keeper.members(now, {{.id = idOf(3), .name = "n3", .sign = SlotPeer::Sign::failed, .since = now}});
  keeper.advance(now + std::chrono::hours(2));
  const auto actions = keeper.take([&](const std::string& text) -> Result<void> {
    const auto saved = parseSlotState(text, {});
    require(saved && *saved == keeper.state());
    return {};
  });
  require(actions.has_value());
  for (const std::string& delta : actions->deltas) require(delta.size() <= kLongestDelta);
  const auto table = keeper.tableMessage();
  require(table && parseSlotNews(*table));
  (void)keeper.warnings();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const TimePoint now{std::chrono::hours(1)};
  if (const auto news = parseSlotNews(bytes)) {
    require(parseSlotNews(encode(*news)) == *news);
    for (const std::string& delta : deltas(*news)) require(parseSlotNews(delta).has_value());
  } else {
    requireReadable(news.error());
  }
  if (const auto message = parseGrantMessage(bytes)) require(parseGrantMessage(encode(*message)) == *message);
  if (const auto state = parseSlotState(bytes, {})) {
    require(parseSlotState(toText(*state), {}) == *state);
    if (auto keeper = SlotKeeper::start(*state, {.join = true}, now, 0)) checkGoesOn(*keeper, now);
  }
  SlotKeeper keeper = founder(now);
  if (const auto heard = keeper.exchanged(now, bytes); !heard) requireReadable(heard.error());
  if (const auto heard = keeper.heardDelta(now, bytes); !heard) requireReadable(heard.error());
  if (const auto heard = keeper.heardLetter(now, bytes); !heard) requireReadable(heard.error());
  checkGoesOn(keeper, now);
  return 0;
}
