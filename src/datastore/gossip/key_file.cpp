// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/key_file.hpp"

#include <sstream>

#include <fmt/format.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.hpp"
#include "datastore/gossip/base64.hpp"

namespace twill::gossip {
namespace {

constexpr std::size_t kLargest = 64U << 10U;
constexpr std::size_t kKeyBytes = 32;

}  // namespace

Result<std::string> newKey() {
  std::string key(kKeyBytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(key.data()), static_cast<int>(key.size())) != 1)
    return fail("the system has no random numbers for a key");
  return key;
}

Result<Keyring> readKeyFile(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return Keyring();
    return failErrno("cannot read the key file " + path);
  }
  if ((status.st_mode & 077U) != 0) {
    return fail(fmt::format("{0} can be read by others than its owner: chmod 600 {0}", path),
                Error::Kind::invalid);
  }
  TWILL_TRY(const std::string text, readFile(path, kLargest));
  std::vector<std::string> keys;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.empty() || line.front() == '#') continue;
    auto key = fromBase64(line);
    // The line itself is a secret, right or wrong.
    if (!key) return fail(fmt::format("{}:{}: not a key in base64", path, number), Error::Kind::invalid);
    keys.push_back(std::move(*key));
  }
  if (keys.empty()) {
    return fail(path +
                    " holds no key: put another node's copy in its place, or remove it and make a first one "
                    "with `twill gossip keygen`",
                Error::Kind::invalid);
  }
  auto ring = Keyring::of(std::move(keys));
  if (!ring) return Failure(std::move(ring.error()).in(path));
  return ring;
}

Result<void> makeKeyFile(const std::string& path) {
  if (::access(path.c_str(), F_OK) == 0)
    return fail(path + " is there already: nodes that use it could not talk to those with a new key",
                Error::Kind::exists);
  TWILL_TRY(std::string key, newKey());
  TWILL_TRY(const Keyring ring, Keyring::of({std::move(key)}));
  const auto slash = path.rfind('/');
  if (slash != std::string::npos && slash > 0) TWILL_CHECK(makeDirectories(path.substr(0, slash)));
  return writeKeyFile(path, ring);
}

Result<void> writeKeyFile(const std::string& path, const Keyring& keys) {
  std::string text;
  for (const auto& key : keys.keys()) text += toBase64(key) + '\n';
  return writeFile(path, text, Durability::power, 0600);
}

}  // namespace twill::gossip
