// SPDX-License-Identifier: Apache-2.0
#include "node_address.hpp"

#include "kernel/linux.hpp"

namespace twill {

Result<Underlay> underlayHere(const Options& options, const RouteQuestion& routeTo) {
  // Not by the agent's: to read the kernel is to drop the notifications that wait there.
  TWILL_TRY(const auto kernel, LinuxKernel::open());
  TWILL_TRY(const KernelState actual, kernel->read({}));
  Result<UnderlayChoice> choice = fail("the underlay has no address to talk to other nodes from");
  for (const auto& [needV4, needV6] :
       {std::pair(true, true), std::pair(true, false), std::pair(false, true)}) {
    UnderlayRules rules = options.underlay;
    rules.needV4 = needV4;
    rules.needV6 = needV6;
    choice = chooseUnderlay(actual, rules, routeTo);
    if (choice) return choice->underlay;
  }
  return Failure(choice.error());
}

Result<InterfaceAddress> underlayAddress(const Options& options, const RouteQuestion& routeTo) {
  TWILL_TRY(const Underlay underlay, underlayHere(options, routeTo));
  if (underlay.v4) return *underlay.v4;
  if (underlay.v6) return *underlay.v6;
  return fail("the underlay has no address to talk to other nodes from");
}

}  // namespace twill
