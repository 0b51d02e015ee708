// SPDX-License-Identifier: Apache-2.0
#include <cerrno>

#include <doctest/doctest.h>

#include "cni/call.hpp"

using namespace twill;

TEST_CASE("our errors come with the protocol's codes") {
  auto codeOf = [](Error::Kind kind, int code) {
    return cni::toCniError({.text = "why", .kind = kind, .code = code}, "1.0.0").code;
  };
  CHECK(codeOf(Error::Kind::invalid, ESTALE) == 8);  // no such namespace, or the node's own
  CHECK(codeOf(Error::Kind::invalid, 0) == 7);
  CHECK(codeOf(Error::Kind::busy, 0) == 11);
  for (int code : {ENOSPC, EDQUOT, EROFS, EIO}) CHECK(codeOf(Error::Kind::failed, code) == 5);
  CHECK(codeOf(Error::Kind::exists, EEXIST) == 999);
}
