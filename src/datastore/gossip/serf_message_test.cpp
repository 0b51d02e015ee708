// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/serf_message.hpp"

#include <doctest/doctest.h>

#include "datastore/gossip/msgpack.hpp"
#include "datastore/gossip/samples.hpp"

using namespace twill;
using namespace twill::gossip;
using samples::fromHex;

namespace {

/// The message as captured from stock agents, without memberlist's byte in front.
void checkCaptured(const SerfMessage& message, std::string_view hex) {
  CHECK(encode(message) == fromHex(hex));
  const auto parsed = parseSerfMessage(fromHex(hex));
  REQUIRE(parsed);
  CHECK((*parsed == message));
}

std::string tagFilter(const std::string& tag, const std::string& expression) {
  MsgpackWriter out;
  out.map(2);
  out.raw("Expr");
  out.raw(expression);
  out.raw("Tag");
  out.raw(tag);
  return '\x01' + std::move(out).take();
}

}  // namespace

TEST_CASE("Serf messages are byte for byte what stock agents send") {
  checkCaptured(JoinIntent{1, "n2"}, "01 82 a54c54696d65 01 a44e6f6465 a26e32");
  checkCaptured(LeaveIntent{2, "n2", false}, "00 83 a54c54696d65 02 a44e6f6465 a26e32 a55072756e65 c2");
  checkCaptured(UserEvent{1, "hello", "world", false},
                "03 84 a24343 c2 a54c54696d65 01 a44e616d65 a568656c6c6f a75061796c6f6164 a5776f726c64");
  Query query;
  query.time = 1;
  query.id = 0x56638d14;
  query.asker = {IpAddress::fromV4(0x0a4d0001U), 7946};
  query.askerNode = "n1";
  query.flags = Query::wantsAck;
  query.timeout = 2'000'000'000;
  query.name = "ask";
  query.payload = "hi";
  checkCaptured(
      query,
      "04 8b a441646472 a40a4d0001 a746696c74657273 c0 a5466c616773 01 a24944 ce56638d14 a54c54696d65 01 "
      "a44e616d65 a361736b a75061796c6f6164 a26869 a4506f7274 cd1f0a ab52656c6179466163746f72 00 "
      "aa536f757263654e6f6465 a26e31 a754696d656f7574 ce77359400");
  checkCaptured(
      QueryResponse{1, 0x56638d14, "n3", true, ""},
      "05 85 a5466c616773 01 a446726f6d a26e33 a24944 ce56638d14 a54c54696d65 01 a75061796c6f6164 c0");
}

TEST_CASE("a push/pull's state comes back as it was, whatever stock agents have in their 512 slots") {
  SerfState state;
  state.time = 7;
  state.eventTime = 3;
  state.queryTime = 2;
  state.left = {"gone"};
  state.statusTimes = {{"gone", 4}, {"here", 6}};
  state.events = {{1, "one", "x", false}, {2, "two", "y", false}, {2, "three", "", false}};
  state.extra = std::string("table\0of slots", 14);
  const auto parsed = parseSerfMessage(encode(SerfMessage(state)));
  REQUIRE(parsed);
  CHECK((*parsed == SerfMessage(state)));

  MsgpackWriter stock;
  stock.map(2);
  stock.raw("Events");
  stock.array(512);
  for (int slot = 0; slot < 512; ++slot) stock.nil();
  stock.raw("LTime");
  stock.number(9);
  const auto empty = parseSerfMessage('\x02' + std::move(stock).take());
  REQUIRE(empty);
  CHECK(std::get<SerfState>(*empty).events.empty());
  CHECK(std::get<SerfState>(*empty).time == 9);
}

TEST_CASE("what is handed on keeps its message") {
  const Relay relay{{*IpAddress::parse("2001:db8::1"), 7947}, encode(SerfMessage(JoinIntent{1, "n2"}))};
  const auto parsed = parseSerfMessage(encode(SerfMessage(relay)));
  REQUIRE(parsed);
  CHECK((*parsed == SerfMessage(relay)));
}

TEST_CASE("a Serf message that is cut anywhere, or of a type that is none, is refused") {
  const std::string whole = encode(SerfMessage(UserEvent{1, "hello", "world", false}));
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_FALSE(parseSerfMessage(whole.substr(0, size)));
  CHECK_FALSE(parseSerfMessage("\x2a\x80"));
  // A map that says it holds four thousand million pairs.
  CHECK_FALSE(parseSerfMessage(fromHex("02 dfffffffff")));
}

TEST_CASE("who asks or is relayed to has 4 bytes of address or 16, in which an IPv4 address may stand") {
  const std::string mapped = "b0 00000000000000000000ffff0a4d0001";
  const auto query = parseSerfMessage(fromHex("04 82 a441646472" + mapped + "a4506f7274 cd1f0a"));
  REQUIRE(query);
  CHECK(std::get<Query>(*query).asker == samples::endpointOf(1));
  const std::string head = "09 82 a84465737441646472 83 a24950";
  const std::string tail = "a4506f7274 cd1f0a a45a6f6e65 a0 a8446573744e616d65 a26e31";
  const auto relay = parseSerfMessage(fromHex(head + mapped + tail) + "inner");
  REQUIRE(relay);
  CHECK((std::get<Relay>(*relay) == Relay{samples::endpointOf(1), "inner"}));
  CHECK_FALSE(parseSerfMessage(fromHex(head + "a50a4d000102" + tail)));
  CHECK_FALSE(parseSerfMessage(fromHex("04 81 a441646472 a30a4d00")));
}

TEST_CASE("a state's nameless events and members, which can be of one byte, take no memory") {
  MsgpackWriter out;
  out.map(2);
  out.raw("Events");
  out.array(1);
  out.map(1);
  out.raw("Events");
  out.array(100'000);
  for (int i = 0; i < 100'000; ++i) out.nil();
  out.raw("LeftMembers");
  out.array(100'000);
  for (int i = 0; i < 100'000; ++i) out.nil();
  const auto parsed = parseSerfMessage('\x02' + std::move(out).take());
  REQUIRE(parsed);
  CHECK(std::get<SerfState>(*parsed) == SerfState());
}

TEST_CASE("every Serf message that is cut anywhere in its map is refused, and whole ones come back equal") {
  Query query;
  query.asker = {*IpAddress::parse("2001:db8::1"), 7946};
  query.filters = {nodeFilter({"n1"}), tagFilter("role", "x")};
  query.flags = Query::noBroadcast;
  query.relayFactor = 255;
  SerfState state;
  state.left = {"gone"};
  state.statusTimes = {{"gone", 1}};
  state.events = {{1, "one", "x", false}};
  state.extra = "table";
  for (const SerfMessage& message :
       {SerfMessage(LeaveIntent{1, "n1", true}), SerfMessage(JoinIntent{~std::uint64_t{0}, "n1"}),
        SerfMessage(state), SerfMessage(UserEvent{1, "a", "b", true}), SerfMessage(query),
        SerfMessage(QueryResponse{1, 2, "n1", false, "x"}), SerfMessage(QueryResponse{1, 2, "n1", true, "x"}),
        SerfMessage(Relay{samples::endpointOf(1), {}})}) {
    const std::string whole = encode(message);
    CAPTURE(message.index());
    CHECK((parseSerfMessage(whole) == message));
    for (std::size_t size = 0; size < whole.size(); ++size)
      REQUIRE_FALSE(parseSerfMessage(whole.substr(0, size)));
  }
}

TEST_CASE("tags are a map behind a mark, and at most 512 bytes") {
  const Tags tags{{"role", "tw"}, {"s4", "10.32.1.0/24"}};
  const auto meta = encodeTags(tags);
  REQUIRE(meta);
  CHECK(*meta == fromHex("ff 82 a4726f6c65 a27477 a27334 ac31302e33322e312e302f3234"));
  CHECK(parseTags(*meta) == tags);
  CHECK(parseTags("plain") == Tags{{"role", "plain"}});
  CHECK(parseTags("").empty());
  CHECK(parseTags(meta->substr(0, meta->size() - 1)).empty());
  const auto longest = encodeTags({{"a", std::string(kTagsLimit - 7, 'x')}});
  REQUIRE(longest);
  CHECK(longest->size() == kTagsLimit);
  CHECK_FALSE(encodeTags({{"a", std::string(kTagsLimit - 6, 'x')}}));
}

TEST_CASE("a query is for those that all its filters let pass") {
  Query query;
  const Tags tags{{"role", "web-7"}};
  CHECK(isFor(query, "n1", tags));
  query.filters = {nodeFilter({"n1", "n2"})};
  CHECK(isFor(query, "n2", tags));
  CHECK_FALSE(isFor(query, "n3", tags));
  query.filters.push_back(tagFilter("role", "^web-[0-9]+$"));
  CHECK(isFor(query, "n1", tags));
  CHECK_FALSE(isFor(query, "n1", {{"role", "db"}}));
  CHECK_FALSE(isFor(query, "n1", {}));
  // Stock agents take a tag that they do not have for an empty one.
  query.filters = {tagFilter("zone", "^$")};
  CHECK(isFor(query, "n1", tags));
  query.filters = {tagFilter("zone", ".")};
  CHECK_FALSE(isFor(query, "n1", tags));
  for (const std::string& broken :
       {std::string(), std::string("\x02"), std::string("\x00\x92", 2), tagFilter("role", "(")}) {
    query.filters = {broken};
    CHECK_FALSE(isFor(query, "n1", tags));
  }
}

TEST_CASE("requests and answers about keys carry them as Serf does: raw there, in base64 here") {
  const std::string key(16, '\x01');
  CHECK(encodeKeyRequest(key) == fromHex("07 81 a34b6579 b001010101010101010101010101010101"));
  const auto request = parseKeyRequest(encodeKeyRequest(key));
  REQUIRE(request);
  CHECK(*request == key);
  CHECK_FALSE(parseKeyRequest(""));
  CHECK_FALSE(parseKeyRequest("\x08\x80"));
  const KeyAnswer answer{true, "", {key, std::string(32, '\x02')}, key};
  const auto parsed = parseKeyAnswer(encode(answer));
  REQUIRE(parsed);
  CHECK((*parsed == answer));
  CHECK(encode(answer).find("AQEBAQEBAQEBAQEBAQEBAQ==") != std::string::npos);
  CHECK_FALSE(parseKeyAnswer(fromHex("08 81 a44b657973 91 a3612062")));
}
