// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/message.hpp"

#include <doctest/doctest.h>

#include "datastore/gossip/msgpack.hpp"
#include "datastore/gossip/samples.hpp"

using namespace twill;
using namespace twill::gossip;
using samples::fromHex;

namespace {

/// Wire bytes and the value are each other's.
void checkBoth(const std::string& bytes, const Message& value) {
  CHECK(encode(value) == bytes);
  auto parsed = parseMessage(bytes);
  REQUIRE_MESSAGE(parsed.has_value(), parsed.error().text);
  CHECK((*parsed == value));
  // A User is bytes without a structure; all others end only at their last byte.
  if (std::holds_alternative<User>(value)) return;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    auto cut = parseMessage(std::string_view(bytes).substr(0, size));
    REQUIRE_FALSE(cut.has_value());
    CHECK(cut.error().kind == Error::Kind::invalid);
  }
}

template <class T>
T parsedAs(const std::string& bytes) {
  auto parsed = parseMessage(bytes);
  REQUIRE_MESSAGE(parsed.has_value(), parsed.error().text);
  REQUIRE(std::holds_alternative<T>(*parsed));
  return std::get<T>(*parsed);
}

std::string errorOf(const std::string& bytes) {
  auto parsed = parseMessage(bytes);
  return parsed ? "" : parsed.error().text;
}

}  // namespace

TEST_CASE("captured messages are read, and written byte by byte the same") {
  REQUIRE(samples::kPing.size() == 61);
  checkBoth(samples::kPing, samples::kPingValue);
  checkBoth(samples::kIndirectPing, samples::kIndirectPingValue);
  REQUIRE(samples::kAck.size() == 150);
  checkBoth(samples::kAck, Ack{1, samples::kCoordinates});
  checkBoth(samples::kNack, Nack{9});
  checkBoth(samples::kSuspect, Suspect{1, "n3", "n2"});
  checkBoth(samples::kDead, Dead{1, "n2", "n2"});
  REQUIRE(samples::kAlive1.size() == 127);
  checkBoth(samples::kAlive1, samples::kAlive1Value);
  checkBoth(samples::kJoin, User{samples::kJoin.substr(1)});
}

TEST_CASE("captured user messages are handed on as they are") {
  for (const char* text : {
           "08 03 84 a24343 c2 a54c54696d65 01 a44e616d65 a568656c6c6f a75061796c6f6164 a5776f726c64",
           "08 00 83 a54c54696d65 02 a44e6f6465 a26e32 a55072756e65 c2",
           "08 04 8b a441646472 a40a4d0001 a746696c74657273 c0 a5466c616773 01 a24944 ce56638d14 "
           "a54c54696d65 01"
           "a44e616d65 a361736b a75061796c6f6164 a26869 a4506f7274 cd1f0a ab52656c6179466163746f72 00"
           "aa536f757263654e6f6465 a26e31 a754696d656f7574 ce77359400",
           "08 05 85 a5466c616773 01 a446726f6d a26e33 a24944 ce56638d14 a54c54696d65 01 a75061796c6f6164 c0",
       }) {
    const std::string bytes = fromHex(text);
    checkBoth(bytes, User{bytes.substr(1)});
  }
}

TEST_CASE("what is empty is left out or nil") {
  checkBoth(fromHex("00 82 a44e6f6465 a26e33 a55365714e6f 01"), Ping{.sequence = 1, .node = "n3"});
  checkBoth(fromHex("00 83 a44e6f6465 a26e33 a55365714e6f 01 aa536f757263654e6f6465 a26e32"),
            Ping{.sequence = 1, .node = "n3", .sourceNode = "n2"});
  checkBoth(fromHex("02 82 a75061796c6f6164 c0 a55365714e6f 01"), Ack{.sequence = 1});
  Alive alive = samples::kAlive1Value;
  alive.meta.clear();
  checkBoth(fromHex("04 86 a441646472 a40a4d0001 ab496e6361726e6174696f6e 01 a44d657461 c0"
                    "a44e6f6465 a26e31 a4506f7274 cd1f0a a356736e a6010502020505"),
            alive);
}

TEST_CASE("an IPv6 address has 16 bytes, and an IPv4 address in such is one of 4") {
  Alive alive = samples::kAlive1Value;
  alive.endpoint.address = *IpAddress::parse("2001:db8::1");
  CHECK(parsedAs<Alive>(encode(Message(alive))) == alive);
  const std::string mapped =
      fromHex("04 82 a441646472 b0 00000000000000000000ffff0a4d0001 a4506f7274 cd1f0a");
  CHECK(parsedAs<Alive>(mapped).endpoint == samples::endpointOf(1));
}

TEST_CASE("keys come in any order, unknown ones are passed over, and missing ones are zero") {
  CHECK(parsedAs<Dead>(fromHex("05 84 a3466f6f 92 01 81a16101 a44e6f6465 a26e32 a446726f6d c4026e33"
                               "ab496e6361726e6174696f6e d10005")) == Dead{5, "n2", "n3"});
  CHECK(parsedAs<Ping>(fromHex("00 80")) == Ping{});
  CHECK(parsedAs<Ping>(fromHex("00 c0")) == Ping{});
  CHECK(parsedAs<Alive>(fromHex("04 80")) == Alive{});
  CHECK(parsedAs<IndirectPing>(fromHex("01 80")) == IndirectPing{});
  CHECK(parsedAs<Ack>(fromHex("02 de0001 d9055365714e6f 03")) == Ack{.sequence = 3});
  // As in Go: what follows the map is not looked at.
  CHECK(parsedAs<Nack>(samples::kNack + "more") == Nack{9});
}

TEST_CASE("a source is one only with an address and a port") {
  CHECK_FALSE(parsedAs<Ping>(fromHex("00 81 aa536f7572636541646472 a40a4d0002")).source.has_value());
  CHECK_FALSE(parsedAs<Ping>(fromHex("00 81 aa536f75726365506f7274 cd1f0a")).source.has_value());
  CHECK_FALSE(parsedAs<Ping>(fromHex("00 82 aa536f7572636541646472 c0 aa536f75726365506f7274 cd1f0a"))
                  .source.has_value());
  CHECK(parsedAs<Ping>(fromHex("00 82 aa536f7572636541646472 a40a4d0002 aa536f75726365506f7274 cd1f0a"))
            .source == samples::endpointOf(2));
}

TEST_CASE("fields that cannot be are refused") {
  CHECK(errorOf(fromHex("04 81 a441646472 a3010203")) == "gossip: an alive message is malformed");
  CHECK(errorOf(fromHex("04 81 a356736e a50105020205")) == "gossip: an alive message is malformed");
  CHECK(errorOf(fromHex("04 81 a356736e a701050202050501")) == "gossip: an alive message is malformed");
  CHECK(errorOf(fromHex("04 81 a4506f7274 ce00010000")) == "gossip: an alive message is malformed");
  CHECK(errorOf(fromHex("04 81 ab496e6361726e6174696f6e cf0000000100000000")) ==
        "gossip: an alive message is malformed");
  CHECK(errorOf(fromHex("05 81 a44e6f6465 01")) == "gossip: a dead message is malformed");
  CHECK(errorOf(fromHex("05 81 01 01")) == "gossip: a dead message is malformed");
  CHECK(errorOf(fromHex("03 90")) == "gossip: a suspect message is malformed");
  CHECK(errorOf(fromHex("00 dfffffffff a0 c0")) == "gossip: a ping is cut short");
  CHECK(errorOf("") == "gossip: an empty message");
}

TEST_CASE("types that are no message, or none that is known, are refused") {
  for (const int type : {6, 7, 9, 10, 12, 13, 14, 244, 255}) {
    CAPTURE(type);
    CHECK(errorOf(static_cast<char>(type) + fromHex("80")) ==
          "gossip: a message of type " + std::to_string(type) + ", which is not known here");
  }
}

TEST_CASE("an endpoint is written as people write it") {
  CHECK(samples::endpointOf(1).text() == "10.77.0.1:7946");
  CHECK(Endpoint{*IpAddress::parse("2001:db8::1"), 80}.text() == "[2001:db8::1]:80");
}
