// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <doctest/doctest.h>

#include "datastore/gossip/big_endian.hpp"
#include "datastore/gossip/compression.hpp"
#include "datastore/gossip/packet.hpp"
#include "datastore/gossip/samples.hpp"

using namespace twill;
using namespace twill::gossip;
using samples::fromHex;
using Outcome = Result<std::optional<StreamMessage>>;

namespace {

const Keyring kNoKeys;

Keyring ring() {
  return Keyring::of({samples::kKey}).value();
}

const std::vector<StreamMessage> kEach = {
    samples::kPushPullValue, PushPull{}, samples::kPingValue, Ack{1, samples::kCoordinates},
    User{"hello"},           User{},     Refusal{"go away"}};

/// What the last of the pieces of `each` bytes brings, when no earlier one brings anything.
Outcome taken(std::string_view bytes, const Keyring& keys, std::size_t each) {
  StreamReader reader(keys);
  while (bytes.size() > each) {
    auto early = reader.take(bytes.substr(0, each));
    if (!early || *early) return early;
    bytes.remove_prefix(each);
  }
  return reader.take(bytes);
}

bool gives(std::string_view bytes, const StreamMessage& message, const Keyring& keys = kNoKeys,
           std::size_t each = 1) {
  auto outcome = taken(bytes, keys, each);
  return outcome.has_value() && outcome->has_value() && **outcome == message;
}

void checkWhole(std::string_view bytes, const StreamMessage& message, const Keyring& keys) {
  for (const std::size_t each : {std::size_t{1}, std::size_t{2}, std::size_t{7}, bytes.size()}) {
    CAPTURE(each);
    CHECK(gives(bytes, message, keys, each));
  }
  auto cut = taken(bytes.substr(0, bytes.size() - 1), keys, 1);
  CHECK((cut.has_value() && !cut->has_value()));
}

Error errorOf(std::string_view bytes, const Keyring& keys = kNoKeys) {
  auto outcome = StreamReader(keys).take(bytes);
  if (outcome) return {.text = outcome->has_value() ? "a message" : "more is needed"};
  return outcome.error();
}

std::string framed(std::uint64_t size, std::string_view sealed = {}) {
  std::string bytes(1, '\x0a');
  appendBig(bytes, size, 4);
  return bytes.append(sealed);
}

std::string sealed(std::string_view plain) {
  const std::string header = framed(plain.size() + Keyring::kOverhead);
  return header + ring().seal(plain, header).value();
}

}  // namespace

TEST_CASE("a captured push/pull is read, and written byte by byte the same") {
  REQUIRE(samples::kPushPull.size() == 887);
  CHECK((sealStream(samples::kPushPullValue, false, kNoKeys) == samples::kPushPull));
  checkWhole(samples::kPushPull, samples::kPushPullValue, kNoKeys);
}

TEST_CASE("each message passes each way of sending it, in pieces of any size") {
  for (const StreamMessage& message : kEach) {
    CAPTURE(message.index());
    for (const bool compress : {false, true}) {
      for (const Keyring& keys : {Keyring(), ring()}) {
        auto bytes = sealStream(message, compress, keys);
        REQUIRE(bytes.has_value());
        checkWhole(*bytes, message, keys);
      }
    }
  }
}

TEST_CASE("streams have the forms of memberlist") {
  CHECK(sealStream(User{"hello"}, false, kNoKeys) == fromHex("08 81 aa557365724d73674c656e 05 68656c6c6f"));
  CHECK(sealStream(Refusal{"no"}, false, kNoKeys) == fromHex("0d 81 a54572726f72 a26e6f"));
  CHECK(sealStream(Ack{1, samples::kCoordinates}, true, kNoKeys) == samples::kCompressedAck);
  // Compressed even where that is longer.
  CHECK(sealStream(Refusal{"no"}, true, kNoKeys)->front() == '\x09');
  const std::string encrypted = sealStream(Refusal{"no"}, false, ring()).value();
  CHECK(encrypted.substr(0, 6) == fromHex("0a 00000028 01"));
  CHECK(encrypted.size() == 5 + 0x28);
}

TEST_CASE("the state of a node is one of four") {
  for (const NodeState state : {NodeState::alive, NodeState::suspect, NodeState::dead, NodeState::left}) {
    PushPull value = samples::kPushPullValue;
    value.nodes[0].state = state;
    CHECK(gives(*sealStream(value, false, kNoKeys), value));
  }
  std::string bytes = samples::kPushPull;
  const std::string state = fromHex("a55374617465 00");
  bytes[bytes.find(state) + state.size() - 1] = 4;
  CHECK(errorOf(bytes).text == "gossip: a push/pull's node is malformed");
}

TEST_CASE("a header's unknown keys are passed over, and missing ones are zero") {
  CHECK(gives(fromHex("06 81 a3466f6f 93010203"), PushPull{}));
  CHECK(gives(fromHex("06 80"), PushPull{}));
  CHECK(gives(fromHex("08 c0"), User{}));
}

TEST_CASE("after the message, and after an error, nothing more is read") {
  StreamReader reader(kNoKeys);
  auto outcome = reader.take(samples::kPushPull + "more");
  CHECK((outcome.has_value() && *outcome == StreamMessage(samples::kPushPullValue)));
  outcome = reader.take(samples::kPushPull);
  CHECK((outcome.has_value() && !outcome->has_value()));

  StreamReader failed(kNoKeys);
  CHECK_FALSE(failed.take("\x63").has_value());
  outcome = failed.take(samples::kPushPull);
  CHECK((outcome.has_value() && !outcome->has_value()));
}

TEST_CASE("nodes without a name, or too many of them, are refused") {
  CHECK(errorOf(fromHex("06 81 a54e6f646573 01 80")).text == "gossip: a push/pull has a node without a name");
  CHECK(errorOf(fromHex("06 81 a54e6f646573 ce00100001")).text ==
        "gossip: a push/pull of 1048577 nodes; 1048576 are the most");
  CHECK(errorOf(fromHex("06 81 a54e6f646573 ce00100000")).text == "more is needed");
}

TEST_CASE("a stream is refused as soon as it says that it will be too large") {
  CHECK(errorOf(fromHex("06 81 ac5573657253746174654c656e ce02800001")).text ==
        "gossip: a stream announces 41943041 bytes; 41943040 are the most");
  CHECK(errorOf(fromHex("08 81 aa557365724d73674c656e cfffffffffffffffff")).kind == Error::Kind::invalid);
  CHECK(errorOf(framed(StreamReader::kLimit - 4), ring()).text ==
        "gossip: a stream of 20971521 bytes; 20971520 are the most");
  CHECK(errorOf(framed(0xffffffff), ring()).kind == Error::Kind::invalid);
  CHECK(errorOf(framed(StreamReader::kLimit - 5), ring()).text == "more is needed");
}

TEST_CASE("a stream ends at its limit, sent and received") {
  const StreamMessage large = User{std::string(StreamReader::kLimit, 'x')};
  CHECK(sealStream(large, false, kNoKeys).error().kind == Error::Kind::invalid);
  CHECK(sealStream(large, false, ring()).error().kind == Error::Kind::invalid);
  CHECK(gives(*sealStream(large, true, ring()), large, ring(), 4096));
  CHECK_FALSE(sealStream(User{std::string(2 * StreamReader::kLimit, 'x')}, true, kNoKeys).has_value());

  StreamReader reader(kNoKeys);
  CHECK(reader.take(fromHex("00 81 dbffffffff")).has_value());
  CHECK(reader.take(std::string(StreamReader::kLimit - 7, 'x')).has_value());
  CHECK_FALSE(reader.take("x").has_value());
}

TEST_CASE("a compressed stream expands to 40 MiB at most") {
  const std::string zeros(2 * StreamReader::kLimit + 1, '\0');
  CHECK(errorOf(compressMessage(zeros)).text ==
        "gossip: a compressed message: LZW: expands to more than 41943040 bytes");
}

TEST_CASE("what is encrypted and cut, changed, or in another frame is refused") {
  const std::string bytes = sealed(samples::kPing);
  CHECK(errorOf(bytes, ring()).text == "a message");
  std::string changed = bytes;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  CHECK(errorOf(changed, ring()).kind == Error::Kind::conflict);
  // The length is authenticated.
  changed = bytes + "x";
  changed[4] = static_cast<char>(changed[4] + 1);
  CHECK(errorOf(changed, ring()).kind == Error::Kind::conflict);
  CHECK(errorOf(framed(0), ring()).kind == Error::Kind::conflict);
  CHECK(errorOf(sealed(samples::kPing.substr(0, 60)), ring()).text ==
        "gossip: a stream's message is cut short");
  CHECK(errorOf(sealed(""), ring()).text == "gossip: a stream's message is cut short");
}

TEST_CASE("a compressed message is not compressed twice, and is whole") {
  CHECK(errorOf(compressMessage(samples::kCompressedAck)).kind == Error::Kind::invalid);
  CHECK(errorOf(compressMessage(samples::kPushPull.substr(0, 800))).text ==
        "gossip: a stream's message is cut short");
  CHECK(errorOf(fromHex("09 c1")).text == "gossip: a compressed stream is malformed");
}

TEST_CASE("encryption is all or nothing") {
  CHECK(errorOf("\x06", ring()).kind == Error::Kind::conflict);
  CHECK(errorOf(samples::kCompressedAck, ring()).kind == Error::Kind::conflict);
  CHECK(errorOf("\x0a").kind == Error::Kind::conflict);
}

TEST_CASE("a stream begins with a type that belongs there") {
  for (const int type : {1, 3, 4, 5, 7, 11, 12, 14, 255}) {
    CAPTURE(type);
    CHECK(errorOf(static_cast<char>(type) + samples::kPing.substr(1)).kind == Error::Kind::invalid);
  }
  CHECK(errorOf(fromHex("f4 01 61")).text == "gossip: a stream with a label, which is not supported");
  CHECK(errorOf(fromHex("f4 01 61"), ring()).text == "gossip: a stream with a label, which is not supported");
}

TEST_CASE("the cost of a stream does not grow with the number of its pieces") {
  // 2 MB byte by byte: in records, in one value, and in one tail. A second look at all of it each time would
  // take hours.
  PushPull many;
  many.nodes.assign(8000, samples::recordOf(1));
  many.userState = std::string(300'000, 'x');
  PushPull nested;
  nested.nodes.assign(1, samples::recordOf(1));
  nested.nodes[0].meta = std::string(300'000, 'x');
  for (const PushPull& value : {many, nested}) {
    auto bytes = sealStream(value, false, kNoKeys);
    REQUIRE(bytes.has_value());
    CHECK(gives(*bytes, value));
    CHECK(gives(compressMessage(*bytes), value));
  }
  // A header with 300000 unknown keys.
  std::string header = fromHex("06 df 000493e0");
  for (int i = 0; i < 300'000; ++i) header += fromHex("a0c0");
  CHECK(gives(header, PushPull{}));
}
