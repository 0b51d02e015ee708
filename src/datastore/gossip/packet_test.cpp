// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/packet.hpp"

#include <doctest/doctest.h>

#include "datastore/gossip/big_endian.hpp"
#include "datastore/gossip/compression.hpp"
#include "datastore/gossip/samples.hpp"

using namespace twill;
using namespace twill::gossip;
using samples::fromHex;
using Messages = std::vector<std::string>;

namespace {

const Keyring kNoKeys;

Keyring ring() {
  return Keyring::of({samples::kKey}).value();
}

Messages opened(std::string_view datagram, const Keyring& keys = kNoKeys) {
  auto messages = openDatagram(datagram, keys);
  if (!messages) return {"error: " + messages.error().text};
  return *messages;
}

Error::Kind errorKind(std::string_view datagram, const Keyring& keys = kNoKeys) {
  auto messages = openDatagram(datagram, keys);
  REQUIRE_FALSE(messages.has_value());
  return messages.error().kind;
}

/// In `count` layers of a datagram of one message.
std::string nested(int count, std::string inside) {
  for (; count > 0; --count) {
    std::string sizes = fromHex("0701");
    appendBig(sizes, inside.size(), 2);
    inside.insert(0, sizes);
  }
  return inside;
}

}  // namespace

TEST_CASE("a captured datagram of three messages is opened, and sealed byte by byte the same") {
  REQUIRE(samples::kGossip.size() == 285);
  const Messages messages = {samples::kAlive1, samples::kAlive2, samples::kJoin};
  CHECK(opened(samples::kGossip) == messages);
  CHECK(sealDatagram(messages, true, false, kNoKeys) == samples::kGossip);
  CHECK(sealDatagram(messages, false, false, kNoKeys) == samples::kGossip.substr(5));
  CHECK(opened(samples::kGossip.substr(5)) == messages);
}

TEST_CASE("one message is sent bare") {
  CHECK(sealDatagram({samples::kPing}, false, false, kNoKeys) == samples::kPing);
  CHECK(opened(samples::kPing) == Messages{samples::kPing});
  CHECK(sealDatagram({samples::kJoin3}, true, false, kNoKeys) == fromHex("0c488c5d81") + samples::kJoin3);
}

TEST_CASE("a captured compressed message is opened, and compressed byte by byte the same") {
  CHECK(sealDatagram({samples::kAck}, false, true, kNoKeys) == samples::kCompressedAck);
  CHECK(opened(samples::kCompressedAck) == Messages{samples::kAck});
  // Where it would not be smaller, it is not done.
  CHECK(sealDatagram({samples::kPing}, false, true, kNoKeys) == samples::kPing);
}

TEST_CASE("a captured encrypted datagram is opened") {
  CHECK(opened(samples::kJoin3Sealed, ring()) == Messages{samples::kJoin3});
}

TEST_CASE("all layers together come off again") {
  const Messages messages = {samples::kAlive1, samples::kAck, samples::kAlive2, samples::kPing};
  for (const bool checksum : {false, true}) {
    for (const bool compress : {false, true}) {
      for (const Keyring& keys : {Keyring(), ring()}) {
        auto sealed = sealDatagram(messages, checksum, compress, keys);
        REQUIRE(sealed.has_value());
        CHECK(opened(*sealed, keys) == messages);
      }
    }
  }
}

TEST_CASE("a datagram that is as full as it may be keeps within the budget") {
  for (const Keyring& keys : {Keyring(), ring()}) {
    std::size_t room = datagramRoom(keys);
    CHECK(room == (keys.empty() ? 1393 : 1364));
    Messages messages;
    for (; room >= 100 + kCompoundOverhead; room -= 100 + kCompoundOverhead) messages.emplace_back(100, 'x');
    messages.emplace_back(room - kCompoundOverhead, 'y');
    auto sealed = sealDatagram(messages, true, false, keys);
    REQUIRE(sealed.has_value());
    CHECK(sealed->size() == kDatagramBudget);
  }
}

TEST_CASE("a datagram has 1 to 255 messages, none of them empty or longer than a length can say") {
  const Messages most(255, "x");
  auto sealed = sealDatagram(most, false, false, kNoKeys);
  REQUIRE(sealed.has_value());
  CHECK(opened(*sealed) == most);
  for (const Messages& messages :
       {Messages{}, Messages(256, "x"), Messages{""}, Messages{"x", ""}, Messages{std::string(65536, 'x')},
        Messages{"x", std::string(65536, 'x')}, Messages(3, std::string(30'000, 'x'))}) {
    auto refused = sealDatagram(messages, false, false, kNoKeys);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == Error::Kind::invalid);
  }
}

TEST_CASE("a datagram that is cut at any byte or has a wrong checksum is refused") {
  for (std::size_t size = 0; size < samples::kGossip.size(); ++size) {
    CAPTURE(size);
    CHECK(errorKind(std::string_view(samples::kGossip).substr(0, size)) == Error::Kind::invalid);
    if (size >= 6) continue;
    std::string changed = samples::kGossip;
    changed[size] = static_cast<char>(changed[size] ^ 1);
    if (size > 0) CHECK(opened(changed) == Messages{"error: gossip: a datagram has a wrong checksum"});
  }
  const std::string bare = samples::kGossip.substr(5);
  for (std::size_t size = 0; size < bare.size(); ++size) {
    CHECK(errorKind(std::string_view(bare).substr(0, size)) == Error::Kind::invalid);
  }
  for (std::size_t size = 0; size < samples::kCompressedAck.size(); ++size) {
    CHECK(errorKind(std::string_view(samples::kCompressedAck).substr(0, size)) == Error::Kind::invalid);
  }
}

TEST_CASE("a datagram of no messages is refused") {
  CHECK(errorKind("") == Error::Kind::invalid);
  CHECK(errorKind(fromHex("07 00")) == Error::Kind::invalid);
  CHECK(errorKind(fromHex("07 02 0001 0000 63")) == Error::Kind::invalid);
}

TEST_CASE("types that are not known are handed on") {
  CHECK(opened("\x63 what") == Messages{"\x63 what"});
  CHECK(opened("\x0a") == Messages{"\x0a"});
}

TEST_CASE("a datagram in plain, or by another key, is refused where there are keys") {
  CHECK(errorKind(samples::kGossip, ring()) == Error::Kind::conflict);
  CHECK(errorKind(samples::kIndirectPing, ring()) == Error::Kind::conflict);
  CHECK(errorKind("", ring()) == Error::Kind::conflict);
  const Keyring other = Keyring::of({std::string(16, 'k')}).value();
  CHECK(errorKind(samples::kJoin3Sealed, other) == Error::Kind::conflict);
}

TEST_CASE("a label is refused by name") {
  const Messages refusal = {"error: gossip: a datagram with a label, which is not supported"};
  const std::string labelled = fromHex("f4 03 616263") + samples::kPing;
  CHECK(opened(labelled) == refusal);
  CHECK(opened(labelled, ring()) == refusal);
}

TEST_CASE("layers are not nested without end") {
  CHECK(opened(nested(7, samples::kPing)) == Messages{samples::kPing});
  CHECK(opened(nested(8, samples::kPing)) == Messages{"error: gossip: a datagram of too many layers"});
  CHECK(errorKind(nested(1000, samples::kPing)) == Error::Kind::invalid);
}

TEST_CASE("a datagram expands to 64 KiB, all its parts together") {
  const std::string half = compressMessage('\x63' + std::string(32767, 'x'));
  CHECK(opened(*sealDatagram({half, half}, false, false, kNoKeys)).size() == 2);
  CHECK(errorKind(*sealDatagram({half, half, compressMessage("x")}, false, false, kNoKeys)) ==
        Error::Kind::invalid);
  CHECK(errorKind(compressMessage(std::string(65537, 'x'))) == Error::Kind::invalid);
  // A message within a compressed one counts twice, so that depth is no way around.
  CHECK(errorKind(compressMessage(compressMessage('\x63' + std::string(65535, 'x')))) ==
        Error::Kind::invalid);
}

TEST_CASE("a compressed message of nothing or by another algorithm is refused") {
  CHECK(opened(compressMessage("")) == Messages{"error: gossip: a compressed message of nothing"});
  std::string other = samples::kCompressedAck;
  other[7] = 1;
  CHECK(opened(other) == Messages{"error: gossip: a message compressed by algorithm 1, which is not known"});
}
