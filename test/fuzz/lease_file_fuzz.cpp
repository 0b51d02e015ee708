// SPDX-License-Identifier: Apache-2.0
// A lease file of any bytes is an error, or leases that survive their own JSON, become a sound cluster, and
// take another node's lease without losing any.
#include <algorithm>
#include <cstdlib>

#include "datastore/file/lease_edit.hpp"
#include "model/cluster.hpp"

using namespace twill;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void checkSound(const std::vector<Lease>& leases) {
  static const NetworkConfig network =
      *parseNetworkConfig(R"({"Network":"172.16.0.0/12","EnableIPv6":true,"IPv6Network":"fd42::/48"})");
  auto sound = makeSound({network, leases});
  require(sound.cluster.leases.size() + sound.conflicts.size() == leases.size());
  auto reversed = makeSound({network, {leases.rbegin(), leases.rend()}});
  require(reversed.cluster == sound.cluster && reversed.conflicts == sound.conflicts);
  require(makeSound(sound.cluster).conflicts.empty());
}

void checkEdit(std::string_view text, const std::vector<Lease>& leases) {
  const Lease mine{.node = "fuzz", .subnet = *Prefix::parse("192.0.2.0/24")};
  auto edited = withLease(text, mine);
  if (!edited) {
    // A key "Leases" that is written with escapes is refused, anything else can be edited.
    require(edited.error().kind == Error::Kind::conflict || text.find('\\') != std::string_view::npos);
    return;
  }
  if (!*edited) return;
  auto read = parseLeases(**edited);
  require(read.has_value() && std::count(read->begin(), read->end(), mine) == 1);
  for (const Lease& lease : leases) {
    require(lease.node == mine.node || std::find(read->begin(), read->end(), lease) != read->end());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto leases = parseLeases(text);
  if (!leases) {
    require(!leases.error().text.empty() && leases.error().text.size() < 1000);
    return 0;
  }
  auto again = parseLeases(toJson(*leases));
  require(again && *again == *leases);
  checkSound(*leases);
  checkEdit(text, *leases);
  return 0;
}
