// SPDX-License-Identifier: Apache-2.0
#include "agent/tunnel_process.hpp"

#include <doctest/doctest.h>

using namespace twill;

TEST_CASE("user space is a problem where the engine in the kernel was asked for, and nowhere else") {
  const auto said = engineProblem("kernel", "user", "load the kernel engine: Operation not permitted");
  CHECK(said.starts_with("Backend.Engine is \"kernel\", but packets go by user space: load the kernel"));
  CHECK(engineProblem("kernel", "kernel", "the network config says so").empty());
  CHECK(engineProblem("auto", "user", "load the kernel engine: Operation not permitted").empty());
  CHECK(engineProblem("", "user", "").empty());
}
