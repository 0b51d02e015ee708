// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/keyring.hpp"

#include <doctest/doctest.h>

#include "datastore/gossip/samples.hpp"

using namespace twill;
using namespace twill::gossip;
using samples::fromHex;

namespace {

const std::string kOne(16, '1');
const std::string kTwo(24, '2');
const std::string kThree(32, '3');

Keyring ringOf(std::vector<std::string> keys) {
  return Keyring::of(std::move(keys)).value();
}

}  // namespace

TEST_CASE("what a stock agent sealed is opened") {
  const Keyring ring = ringOf({kOne, samples::kKey});
  CHECK(ring.open(samples::kJoin3Sealed) == fromHex("0c488c5d81") + samples::kJoin3);
}

TEST_CASE("what is sealed is of version 1, is opened by each kind of key, and never the same twice") {
  for (const std::string& key : {kOne, kTwo, kThree}) {
    const Keyring ring = ringOf({key});
    for (const std::string& plain : {std::string(), std::string("a"), std::string(100'000, 'x')}) {
      auto sealed = ring.seal(plain, "with");
      REQUIRE(sealed.has_value());
      CHECK(sealed->size() == plain.size() + Keyring::kOverhead);
      CHECK(sealed->front() == 1);
      CHECK((ring.open(*sealed, "with") == plain));
      CHECK_FALSE(ring.open(*sealed, "without").has_value());
      CHECK_FALSE(ring.open(*sealed).has_value());
      CHECK((ring.seal(plain, "with") != *sealed));
    }
  }
}

TEST_CASE("a sealed message that is changed or cut at any byte is refused") {
  const Keyring ring = ringOf({kThree});
  const std::string sealed = ring.seal("hello").value();
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    CAPTURE(at);
    std::string changed = sealed;
    changed[at] = static_cast<char>(changed[at] ^ 4);
    auto opened = ring.open(changed);
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().kind == Error::Kind::invalid);
    CHECK_FALSE(ring.open(std::string_view(sealed).substr(0, at)).has_value());
  }
  CHECK_FALSE(ring.open(sealed + "x").has_value());
}

TEST_CASE("version 0 is opened without its padding, and not with a wrong one") {
  const Keyring ring = ringOf({kOne});
  // The version is not authenticated, so a sealed message of version 1 becomes one of version 0.
  const auto openPadded = [&](const std::string& plain) {
    std::string sealed = ring.seal(plain).value();
    sealed.front() = 0;
    return ring.open(sealed);
  };
  CHECK(openPadded("hello" + std::string(11, '\x0b')) == "hello");
  CHECK(openPadded(std::string(16, '\x10')) == "");
  for (const std::string& plain :
       {std::string(), std::string("hello"), std::string(16, '\0'), std::string(32, '\x11'),
        std::string("\x05"), "hello" + std::string(10, '\x0b'), "\x01" + std::string(1, '\x02')}) {
    CHECK_FALSE(openPadded(plain).has_value());
  }
}

TEST_CASE("keys rotate while both sides can read each other") {
  Keyring ours = ringOf({kOne});
  Keyring theirs = ringOf({kOne});
  REQUIRE(ours.install(kTwo).has_value());
  REQUIRE(theirs.install(kTwo).has_value());
  REQUIRE(ours.use(kTwo).has_value());
  CHECK(ours.keys() == std::vector<std::string>{kTwo, kOne});
  CHECK(theirs.open(*ours.seal("a")) == "a");
  CHECK(ours.open(*theirs.seal("b")) == "b");
  REQUIRE(theirs.use(kTwo).has_value());
  REQUIRE(ours.remove(kOne).has_value());
  CHECK(ours.keys() == std::vector<std::string>{kTwo});
  CHECK(ours.open(*theirs.seal("c")) == "c");
  CHECK_FALSE(ours.open(*ringOf({kOne}).seal("d")).has_value());
}

TEST_CASE("the key that is to encrypt goes to the front of all others") {
  Keyring ring = ringOf({kOne, kTwo, kThree});
  REQUIRE(ring.use(kThree).has_value());
  CHECK(ring.keys() == std::vector<std::string>{kThree, kOne, kTwo});
}

TEST_CASE("a key is known once, has one of three lengths, and is not removed while it encrypts") {
  Keyring ring = ringOf({kOne, kTwo, kOne});
  CHECK(ring.keys() == std::vector<std::string>{kOne, kTwo});
  CHECK(ring.install(kTwo).has_value());
  CHECK(ring.keys().size() == 2);
  CHECK(ring.use(kThree).error().kind == Error::Kind::missing);
  CHECK(ring.remove(kOne).error().kind == Error::Kind::conflict);
  CHECK(ring.remove(kThree).has_value());
  CHECK(ring.keys().size() == 2);
  for (const std::size_t size : {0U, 1U, 15U, 17U, 31U, 33U, 64U}) {
    CHECK(ring.install(std::string(size, 'k')).error().kind == Error::Kind::invalid);
    CHECK(Keyring::of({kOne, std::string(size, 'k')}).error().kind == Error::Kind::invalid);
  }
}

TEST_CASE("a ring without keys neither seals nor opens") {
  const Keyring ring;
  CHECK(ring.empty());
  CHECK(ring.seal("a").error().kind == Error::Kind::invalid);
  CHECK(ring.open(samples::kJoin3Sealed).error().kind == Error::Kind::invalid);
}
