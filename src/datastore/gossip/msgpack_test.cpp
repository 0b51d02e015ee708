// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/msgpack.hpp"

#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "datastore/gossip/samples.hpp"

using namespace twill::gossip;
using samples::fromHex;
using State = MsgpackReader::State;

namespace {

template <class Write>
std::string written(Write write) {
  MsgpackWriter writer;
  write(writer);
  return std::move(writer).take();
}

std::string number(std::uint64_t value) {
  return written([&](auto& writer) { writer.number(value); });
}

std::string raw(std::size_t size) {
  return written([&](auto& writer) { writer.raw(std::string(size, 'x')); }).substr(0, 5);
}

State stateAfterSkip(std::string_view bytes) {
  MsgpackReader reader(bytes);
  reader.skip();
  return reader.state();
}

/// One value of each code, 0xc1 left out.
const std::string kEachCode = fromHex(
    "dc0027 00 7f e0 ff c0 c2 c3 c403616263 c50001ff c600000001ff"
    "c7020511 22 c800010533 c90000000105 44 ca3fc00000 cb3ff8000000000000"
    "cc80 cd0100 ce00010000 cf0000000100000000 d0ff d17fff d27fffffff"
    "d37fffffffffffffff d40511 d5051122 d60511223344 d70511223344 55667788"
    "d80500112233445566778899aabbccddeeff a0 a161 d90161 da000161 db0000000161"
    "9101 dc000101 dd0000000101 81a16101 de0001a16101 df00000001a16101");

}  // namespace

TEST_CASE("numbers take the smallest unsigned form") {
  CHECK(number(0) == fromHex("00"));
  CHECK(number(127) == fromHex("7f"));
  CHECK(number(128) == fromHex("cc80"));
  CHECK(number(255) == fromHex("ccff"));
  CHECK(number(256) == fromHex("cd0100"));
  CHECK(number(7946) == fromHex("cd1f0a"));
  CHECK(number(65535) == fromHex("cdffff"));
  CHECK(number(65536) == fromHex("ce00010000"));
  CHECK(number(2'000'000'000) == fromHex("ce77359400"));
  CHECK(number(1ULL << 32U) == fromHex("cf0000000100000000"));
}

TEST_CASE("strings and bytes are raw, and never str8 or bin") {
  CHECK(raw(0) == fromHex("a0"));
  CHECK(raw(31).substr(0, 1) == fromHex("bf"));
  CHECK(raw(32).substr(0, 3) == fromHex("da0020"));
  CHECK(raw(255).substr(0, 3) == fromHex("da00ff"));
  CHECK(raw(65535).substr(0, 3) == fromHex("daffff"));
  CHECK(raw(65536) == fromHex("db00010000"));
}

TEST_CASE("arrays and maps count in the smallest form") {
  for (const auto& [count, array, map] : {std::tuple(0, "90", "80"),
                                          {15, "9f", "8f"},
                                          {16, "dc0010", "de0010"},
                                          {512, "dc0200", "de0200"},
                                          {65536, "dd00010000", "df00010000"}}) {
    const auto size = static_cast<std::size_t>(count);
    CHECK(written([size](auto& writer) { writer.array(size); }) == fromHex(array));
    CHECK(written([size](auto& writer) { writer.map(size); }) == fromHex(map));
  }
}

TEST_CASE("nil, booleans, reals, and what is encoded already are written as they are") {
  CHECK(written([](auto& writer) {
          writer.nil();
          writer.boolean(false);
          writer.boolean(true);
          writer.real(1.5);
          writer.encoded("\x01");
        }) == fromHex("c0 c2 c3 cb3ff8000000000000 01"));
}

TEST_CASE("a number is read from any form that can hold one") {
  for (const char* text : {"05", "cc05", "cd0005", "ce00000005", "cf0000000000000005", "d005", "d10005",
                           "d200000005", "d30000000000000005"}) {
    CAPTURE(text);
    const std::string bytes = fromHex(text);
    MsgpackReader reader(bytes);
    CHECK(reader.number() == 5);
    CHECK(reader.good());
    CHECK(reader.rest().empty());
  }
  MsgpackReader nil("\xc0");
  CHECK(nil.number() == 0);
  CHECK(nil.good());
}

TEST_CASE("a number that is negative, none, or too large is malformed") {
  for (const char* text : {"ff", "e0", "d0ff", "d1ffff", "d2ffffffff", "d3ffffffffffffffff", "a0", "c2", "90",
                           "80", "cb0000000000000000", "c1"}) {
    CAPTURE(text);
    const std::string bytes = fromHex(text);
    MsgpackReader reader(bytes);
    CHECK(reader.number() == 0);
    CHECK(reader.state() == State::malformed);
  }
  const std::string large = fromHex("cf0000000100000000 ce00010000");
  MsgpackReader reader32(large);
  CHECK(reader32.number32() == 0);
  CHECK(reader32.state() == State::malformed);
  MsgpackReader reader16(std::string_view(large).substr(9));
  CHECK(reader16.number16() == 0);
  CHECK(reader16.state() == State::malformed);
}

TEST_CASE("reals are read from both sizes and from whole numbers") {
  const std::string bytes = fromHex("ca3fc00000 cb3ff8000000000000 07 c0 cb7ff8000000000000 a0");
  MsgpackReader reader(bytes);
  CHECK(reader.real() == 1.5);
  CHECK(reader.real() == 1.5);
  CHECK(reader.real() == 7);
  CHECK(reader.real() == 0);
  CHECK(std::isnan(reader.real()));
  CHECK(reader.good());
  CHECK(reader.real() == 0);
  CHECK(reader.state() == State::malformed);
}

TEST_CASE("bytes are read from raw, str8 and bin, and nil is empty") {
  for (const char* text : {"a3616263", "d903616263", "da0003616263", "db00000003616263", "c403616263",
                           "c50003616263", "c600000003616263"}) {
    CAPTURE(text);
    const std::string bytes = fromHex(text);
    MsgpackReader reader(bytes);
    CHECK(reader.raw() == "abc");
    CHECK(reader.good());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      MsgpackReader cut(std::string_view(bytes).substr(0, size));
      CHECK(cut.raw().empty());
      CHECK(cut.state() == State::cut);
    }
  }
  MsgpackReader nil("\xc0");
  CHECK(nil.raw().empty());
  CHECK(nil.good());
}

TEST_CASE("arrays and maps are read in all forms, and nil has none") {
  const std::string bytes = fromHex("91c0 dc0001c0 dd00000001c0 c0 81a0c0 de0001a0c0 df00000001a0c0 c0");
  MsgpackReader reader(bytes);
  for (int i = 0; i < 3; ++i) {
    CHECK(reader.array() == 1);
    reader.skip();
  }
  CHECK(reader.array() == 0);
  for (int i = 0; i < 3; ++i) {
    CHECK(reader.map() == 1);
    CHECK(reader.raw().empty());
    reader.skip();
  }
  CHECK(reader.map() == 0);
  CHECK(reader.good());
  CHECK(reader.position() == bytes.size());
}

TEST_CASE("a count beyond the bytes that are left is cut") {
  for (const char* text : {"91", "92c0", "dc0002c0", "ddffffffffc0", "dcffff"}) {
    const std::string bytes = fromHex(text);
    MsgpackReader reader(bytes);
    CHECK(reader.array() == 0);
    CHECK(reader.state() == State::cut);
  }
  for (const char* text : {"81", "81a0", "df7fffffffa0c0", "dfffffffffa0c0"}) {
    const std::string bytes = fromHex(text);
    MsgpackReader reader(bytes);
    CHECK(reader.map() == 0);
    CHECK(reader.state() == State::cut);
  }
}

TEST_CASE("the first failure sticks") {
  const std::string bytes = fromHex("c1 05 a161");
  MsgpackReader reader(bytes);
  CHECK_FALSE(reader.boolean());
  CHECK(reader.state() == State::malformed);
  CHECK(reader.number() == 0);
  CHECK(reader.raw().empty());
  CHECK(reader.array() == 0);
  CHECK(reader.map() == 0);
  CHECK(reader.real() == 0);
  reader.skip();
  CHECK(reader.state() == State::malformed);

  MsgpackReader empty("");
  CHECK(empty.number() == 0);
  empty.reject();
  CHECK(empty.state() == State::cut);

  MsgpackReader refused("\x05");
  refused.reject();
  CHECK(refused.number() == 0);
  CHECK(refused.state() == State::malformed);
}

TEST_CASE("each key of a map is handed out with its value next") {
  const std::string bytes = fromHex("83 a161 01 a162 93010203 a163 03");
  MsgpackReader reader(bytes);
  std::string seen;
  reader.eachKey([&](std::string_view key) {
    seen += key;
    if (key == "b") {
      reader.skip();
    } else {
      seen += std::to_string(reader.number());
    }
  });
  CHECK(reader.good());
  CHECK(seen == "a1bc3");
}

TEST_CASE("skipping passes over each code there is, and a cut at each byte is seen") {
  const std::string bytes = kEachCode + "after";
  MsgpackReader reader(bytes);
  reader.skip();
  CHECK(reader.good());
  CHECK(reader.rest() == "after");
  for (std::size_t size = 0; size < kEachCode.size(); ++size) {
    CAPTURE(size);
    CHECK(stateAfterSkip(std::string_view(kEachCode).substr(0, size)) == State::cut);
  }
  CHECK(stateAfterSkip("\xc1") == State::malformed);
}

TEST_CASE("a value that comes byte by byte ends where it ends at once") {
  MsgpackScanner scanner;
  const std::string bytes = kEachCode + kEachCode;
  for (std::size_t size = 0; size < kEachCode.size(); ++size) {
    REQUIRE(scanner.advance(std::string_view(bytes).substr(0, size)) == State::cut);
  }
  CHECK(scanner.advance(bytes) == State::good);
  CHECK(scanner.size() == kEachCode.size());
}

TEST_CASE("values are nested 32 deep at most") {
  CHECK(stateAfterSkip(std::string(32, '\x91') + '\x01') == State::good);
  CHECK(stateAfterSkip(std::string(33, '\x91') + '\x01') == State::malformed);
  std::string maps;
  for (int depth = 0; depth < 32; ++depth) maps += "\x81\xa0";
  CHECK(stateAfterSkip(maps + '\x01') == State::good);
  CHECK(stateAfterSkip("\x91" + maps + '\x01') == State::malformed);
  CHECK(stateAfterSkip(std::string(1U << 20U, '\x91')) == State::malformed);
}

TEST_CASE("a hostile length or count ends at the bytes that are there") {
  CHECK(stateAfterSkip(fromHex("dbffffffff61")) == State::cut);
  CHECK(stateAfterSkip(fromHex("c9ffffffff0161")) == State::cut);
  CHECK(stateAfterSkip(fromHex("ddffffffff c0")) == State::cut);
  std::string nested;
  for (int depth = 0; depth < 32; ++depth) nested += fromHex("dfffffffff");
  CHECK(stateAfterSkip(nested) == State::cut);
}
