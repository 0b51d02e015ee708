// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/machine.hpp"

#include "base/file.hpp"

namespace twill::gossip {
namespace {

/// Without the newline at its end; empty where there is none.
std::string lineOf(const std::string& path) {
  const std::string text = readFile(path, 4096).value_or("");
  return text.substr(0, text.find('\n'));
}

}  // namespace

Machine machineHere() {
  return {.machineId = lineOf("/etc/machine-id"), .productUuid = lineOf("/sys/class/dmi/id/product_uuid")};
}

Result<Machine> adoptState(const std::string& path, const Machine& here) {
  TWILL_TRY(const std::string text, readFile(path, kLargestState));
  if (parseSlotState(text, here))
    return fail(path + " is this machine's already; nothing was changed", Error::Kind::exists);
  // Without a machine to compare it with, what is wrong now is the file itself.
  auto state = parseSlotState(text, {});
  if (!state) return Failure(std::move(state.error()).in(path));
  const Machine before = std::exchange(state->machine, here);
  TWILL_CHECK(writeFile(path, toText(*state), Durability::power, 0600));
  return before;
}

}  // namespace twill::gossip
