// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slots/slot_codec.hpp"

#include <doctest/doctest.h>

#include "datastore/gossip/msgpack.hpp"
#include "datastore/gossip/slots/grant_message.hpp"

using namespace twill;
using namespace twill::gossip;

namespace {

NodeId idOf(std::uint8_t number) {
  NodeId id;
  id.bytes[15] = number;
  return id;
}

SlotRun runOf(std::uint32_t slot, std::uint32_t count, const std::string& data = "") {
  return {.first = {.slot = slot,
                    .owner = idOf(1),
                    .version = 5,
                    .use = data.empty() ? SlotUse::free : SlotUse::active,
                    .generation = 1,
                    .data = data},
          .count = count};
}

/// JSON of that many bytes.
std::string leaseOf(std::size_t bytes) {
  return '"' + std::string(bytes - 2, 'x') + '"';
}

SlotNews wholeTable() {
  SlotNews news{.from = idOf(3), .cluster = idOf(9)};
  news.info = ClusterInfo{.id = idOf(9),
                          .slots = 255,
                          .byAddress = true,
                          .config = R"({"Network":"10.32.0.0/16"})",
                          .configVersion = 4,
                          .configWriter = idOf(3)};
  news.nodes = {{idOf(1), 1}, {idOf(2), 7}};
  news.runs = {runOf(0, 100), runOf(100, 1, leaseOf(1000)), runOf(200, 3)};
  news.runs[2].first.use = SlotUse::revoked;
  news.runs[2].first.revokedUntil = 1'800'000'000;
  news.tombstones = {{.node = idOf(4), .generation = 1, .remover = idOf(3)}};
  return news;
}

std::string errorOf(const SlotNews& news) {
  const auto read = parseSlotNews(encode(news));
  return read ? "" : read.error().text;
}

}  // namespace

TEST_CASE("slot news are read as they were written") {
  const SlotNews news = wholeTable();
  CHECK(parseSlotNews(encode(news)) == news);
  SlotNews waiting{.from = idOf(3)};
  waiting.sight = Sight{.count = 3, .digest = ~0ULL};
  CHECK(parseSlotNews(encode(waiting)) == waiting);
}

TEST_CASE("a founder's whole table is small") {
  CHECK(encode(SlotNews{.from = idOf(1), .cluster = idOf(9), .runs = {runOf(0, 4096)}}).size() < 100);
}

TEST_CASE("slot news that are cut anywhere are refused") {
  const std::string bytes = encode(wholeTable());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_FALSE(parseSlotNews(std::string_view(bytes).substr(0, size)));
  CHECK_FALSE(parseSlotNews(bytes + "x"));
}

TEST_CASE("keys and fields of later versions are passed over") {
  MsgpackWriter out;
  out.map(4);
  out.raw("F");
  out.raw(idOf(3).raw());
  out.raw("later");
  out.array(1);
  out.real(1.5);
  out.raw("C");
  out.raw(idOf(9).raw());
  out.raw("T");
  out.array(1);
  out.array(4);
  out.raw(idOf(4).raw());
  out.number(1);
  out.raw(idOf(3).raw());
  out.raw("signature");
  const auto news = parseSlotNews(std::move(out).take());
  REQUIRE(news);
  CHECK(news->tombstones == wholeTable().tombstones);
}

TEST_CASE("slot news that say what cannot be are refused with the reason") {
  const auto broken = [](auto breakIt) {
    SlotNews news = wholeTable();
    breakIt(news);
    return errorOf(news);
  };
  const auto has = [](const std::string& text, const char* what) {
    return text.find(what) != std::string::npos;
  };
  CHECK(has(broken([](auto& n) { n.runs[0].first.version = 0; }), "version"));
  CHECK(has(broken([](auto& n) { n.runs[0].first.version = kLastVersion + 1; }), "version"));
  CHECK(has(broken([](auto& n) { n.runs[0].first.generation = 0; }), "generation"));
  CHECK(has(broken([](auto& n) { n.runs[0].first.use = static_cast<SlotUse>(3); }), "use"));
  CHECK(has(broken([](auto& n) { n.runs[0].count = 0; }), "run"));
  CHECK(has(broken([](auto& n) { n.runs[0].count = 101; }), "out of order"));
  CHECK(has(broken([](auto& n) { n.runs[2].count = 65536 - 199; }), "beyond"));
  CHECK(has(broken([](auto& n) { n.runs[0].first.data = "{}"; }), "lease"));
  CHECK(has(broken([](auto& n) { n.runs[1].first.data = "{"; }), "lease"));
  CHECK(has(broken([](auto& n) { n.runs[1].first.data = "\"\xff\""; }), "lease"));
  CHECK(has(broken([](auto& n) { n.runs[1].first.data = leaseOf(kLongestData + 1); }), "lease"));
  CHECK(has(broken([](auto& n) { n.runs[1].first.revokedUntil = 5; }), "time"));
  CHECK(has(broken([](auto& n) { n.runs[2].first.revokedUntil = -1; }), "time"));
  CHECK(has(broken([](auto& n) { n.tombstones[0].generation = UINT32_MAX; }), "generation"));
  CHECK(has(broken([](auto& n) { n.nodes[idOf(1)] = 0; }), "generation"));
  CHECK(has(broken([](auto& n) { n.info->slots = 254; }), "slots"));
  CHECK(has(broken([](auto& n) { n.info->config = "{}"; }), "config"));
  CHECK(has(broken([](auto& n) { n.cluster.reset(); }), "cluster"));
  CHECK(broken([](auto& /*unbroken*/) {}).empty());
}

TEST_CASE("deltas fit into a user event, and together say all but what is too long for one") {
  SlotNews news = wholeTable();
  news.nodes.clear();
  news.runs = {runOf(0, 50), runOf(50, 1, leaseOf(300)), runOf(51, 1, leaseOf(500))};
  for (std::uint32_t slot = 60; slot < 120; slot += 2) news.runs.push_back(runOf(slot, 1));
  SlotNews heard;
  const auto messages = deltas(news);
  CHECK(messages.size() > 3);
  for (const std::string& message : messages) {
    CHECK(message.size() <= kLongestDelta);
    const auto part = parseSlotNews(message);
    REQUIRE(part);
    CHECK(part->from == news.from);
    CHECK(part->cluster == news.cluster);
    if (part->info) heard.info = part->info;
    for (const auto& run : part->runs) heard.runs.push_back(run);
    for (const auto& tombstone : part->tombstones) heard.tombstones.push_back(tombstone);
  }
  news.runs.erase(news.runs.begin() + 2);
  CHECK(heard.runs == news.runs);
  CHECK(heard.tombstones == news.tombstones);
  CHECK(heard.info == news.info);
}

TEST_CASE("nothing new is no delta") {
  CHECK(deltas(SlotNews{.from = idOf(1), .cluster = idOf(9)}).empty());
}

TEST_CASE("grant messages are read as they were written, and refused when cut or impossible") {
  GrantMessage message{.kind = GrantMessage::Kind::handOver,
                       .cluster = idOf(9),
                       .from = idOf(3),
                       .generation = 2,
                       .request = ~0ULL,
                       .runs = {runOf(7, 64)},
                       .refusal = "no"};
  const std::string bytes = encode(message);
  CHECK(parseGrantMessage(bytes) == message);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_FALSE(parseGrantMessage(std::string_view(bytes).substr(0, size)));
  message.generation = 0;
  CHECK_FALSE(parseGrantMessage(encode(message)));
  message.generation = 1;
  message.kind = static_cast<GrantMessage::Kind>(9);
  CHECK_FALSE(parseGrantMessage(encode(message)));
  CHECK_FALSE(parseGrantMessage("\x80"));
}
