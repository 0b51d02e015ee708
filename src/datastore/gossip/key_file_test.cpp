// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/key_file.hpp"

#include <array>
#include <filesystem>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "base/file.hpp"
#include "datastore/gossip/base64.hpp"
#include "temporary_directory.hpp"

using namespace twill;
using namespace twill::gossip;

namespace {

class Directory : public test::TemporaryDirectory {
 public:
  /// A file of that text for its owner alone; its path.
  [[nodiscard]] std::string with(const std::string& text, mode_t mode = 0600) const {
    const std::string file = path("key");
    REQUIRE(writeFile(file, text, Durability::process, mode));
    REQUIRE(::chmod(file.c_str(), mode) == 0);
    return file;
  }
};

mode_t modeOf(const std::string& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777U;
}

}  // namespace

TEST_CASE("a key file that is not there is a ring without keys") {
  const Directory directory;
  const auto ring = readKeyFile(directory.path("none"));
  REQUIRE(ring);
  CHECK(ring->empty());
}

TEST_CASE("a ring of keys comes back from its file in its order") {
  const Directory directory;
  const auto ring = Keyring::of({std::string(32, 'a'), std::string(16, '\0'), std::string(24, '\xff')});
  REQUIRE(ring);
  const std::string path = directory.path("key");
  REQUIRE(writeKeyFile(path, *ring));
  CHECK(modeOf(path) == 0600);
  const auto read = readKeyFile(path);
  REQUIRE(read);
  CHECK(read->keys() == ring->keys());
}

TEST_CASE("a key file without a key is a mistake, not a wish for plain text") {
  const Directory directory;
  const auto ring = readKeyFile(directory.with("# to be filled\n"));
  REQUIRE_FALSE(ring);
  CHECK(ring.error().text.find("holds no key") != std::string::npos);
}

TEST_CASE("a key file is made with a new key of 32 bytes, for its owner's eyes, and never over another") {
  const Directory directory;
  const std::string path = directory.path("new/deep/key");
  REQUIRE(makeKeyFile(path));
  CHECK(modeOf(path) == 0600);
  const auto made = readKeyFile(path);
  REQUIRE(made);
  REQUIRE(made->keys().size() == 1);
  CHECK(made->keys().front().size() == 32);
  const auto again = makeKeyFile(path);
  REQUIRE_FALSE(again);
  CHECK(again.error().kind == Error::Kind::exists);
  CHECK(readKeyFile(path)->keys() == made->keys());
  CHECK(newKey().value() != newKey().value());
}

TEST_CASE("a key file that others than its owner may read or write is refused") {
  const Directory directory;
  const std::string line = toBase64(std::string(32, 'k')) + "\n";
  for (const mode_t mode : {0640U, 0620U, 0604U, 0602U, 0644U, 0610U, 0666U}) {
    const std::string path = directory.with(line, mode);
    const auto ring = readKeyFile(path);
    CAPTURE(mode);
    REQUIRE_FALSE(ring);
    CHECK(ring.error().kind == Error::Kind::invalid);
    CHECK(ring.error().text == path + " can be read by others than its owner: chmod 600 " + path);
  }
  for (const mode_t mode : {0600U, 0400U, 0700U}) CHECK(readKeyFile(directory.with(line, mode)));
}

TEST_CASE("comments and empty lines of a key file are passed over, and a last line without an end is read") {
  const Directory directory;
  const std::string one = toBase64(std::string(16, '1'));
  const std::string two = toBase64(std::string(32, '2'));
  const auto ring = readKeyFile(directory.with("# the cluster's\n\n" + one + "\n#" + two + "\n" + two));
  REQUIRE(ring);
  CHECK(ring->keys() == std::vector{std::string(16, '1'), std::string(32, '2')});
  const auto twice = readKeyFile(directory.with(one + "\n" + one + "\n"));
  REQUIRE(twice);
  CHECK(twice->keys().size() == 1);
}

TEST_CASE("garbage in a key file is refused by its line, and never shown") {
  const Directory directory;
  const std::string good = toBase64(std::string(32, 'k'));
  for (const std::string& secret : {std::string("geheim"), good.substr(1), " " + good, good + " ", good + "=",
                                    std::string("\xff\xfe\0x", 4), std::string("====")}) {
    const std::string path = directory.with(good + "\n" + secret + "\n");
    const auto ring = readKeyFile(path);
    CAPTURE(secret);
    REQUIRE_FALSE(ring);
    CHECK(ring.error().kind == Error::Kind::invalid);
    CHECK(ring.error().text == path + ":2: not a key in base64");
  }
  const auto shortOne = readKeyFile(directory.with(toBase64(std::string(17, 'k')) + "\n"));
  REQUIRE_FALSE(shortOne);
  CHECK(shortOne.error().kind == Error::Kind::invalid);
  CHECK(shortOne.error().text.ends_with("a gossip key has 17 bytes; it must have 16, 24 or 32"));
  CHECK_FALSE(readKeyFile(directory.with(std::string(1U << 20U, '#'))));
}

TEST_CASE("base64 goes both ways at every length, and nothing else is taken for it") {
  std::string bytes;
  for (int length = 0; length < 70; ++length) {
    const auto back = fromBase64(toBase64(bytes));
    REQUIRE(back);
    CHECK(*back == bytes);
    bytes += static_cast<char>(length * 37);
  }
  CHECK(toBase64("twill") == "dHdpbGw=");
  for (const auto* text : {"=", "====", "a", "ab", "abc", "ab=c", "dHdpbGw", "dHdpbGx=", "dHdpbGw=\n", " ",
                           "dHdp bGw=", "dHd-bGw=", "dHdpbGw=dHdp"}) {
    CAPTURE(text);
    CHECK_FALSE(fromBase64(text));
  }
}
