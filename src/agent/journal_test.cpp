// SPDX-License-Identifier: Apache-2.0
#include "agent/journal.hpp"

#include <doctest/doctest.h>

using namespace twill;

TEST_CASE("the journal keeps of a large set only enough to recognise it") {
  Firewall table;
  for (int i = 0; i < 10'000; ++i) table.sets["nodes4"].elements.push_back("10.0.0." + std::to_string(i));
  std::vector<Operation> operations = {{Verb::change, table}};
  std::vector<Result<void>> results(1);
  Journal journal;
  journal.record(std::vector{Cause::cluster}, operations, results);
  const auto& kept = std::get<Firewall>(journal.entries().back().operation.object);
  CHECK(kept.sets.at("nodes4").elements.size() < 100);
  CHECK(ipCommand(journal.entries().back().operation).find("and 9980 more") != std::string::npos);
}
