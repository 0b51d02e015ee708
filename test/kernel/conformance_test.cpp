// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "kernel/linux.hpp"
#include "kernel_conformance.hpp"
#include "sandbox.hpp"

using namespace twill;

TEST_CASE("Linux keeps the rules that the agent counts on") {
  for (const auto& rule : conformance::kRules) {
    const auto sandbox = test::Sandbox::make();
    if (!sandbox) return;
    const auto kernel = LinuxKernel::open();
    REQUIRE_MESSAGE(kernel, (kernel ? "" : kernel.error().text));
    const auto witness = LinuxKernel::open();
    REQUIRE_MESSAGE(witness, (witness ? "" : witness.error().text));
    conformance::check(rule, **kernel, witness->get());
  }
}
