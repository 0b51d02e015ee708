// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "kernel/linux.hpp"
#include "kernel/netns.hpp"
#include "lab/lab.hpp"

namespace twill::lab {
namespace {

/// A place with what its kernel says of its addresses.
struct Participant {
  PlaceName name;
  Subject subject;
  std::vector<IpAddress> own;
};

Result<Participant> lookAt(const Lab& lab, const PlaceName& place) {
  Participant out{.name = place, .subject = {.name = place.text(), .netns = {}, .targets = {}}, .own = {}};
  TWILL_TRY(const std::string path, lab.namespaceOf(place));
  TWILL_TRY(out.subject.netns, openNamespace(path));
  TWILL_TRY(const NamespaceGuard guard, NamespaceGuard::enter(out.subject.netns));
  TWILL_TRY(const std::unique_ptr<LinuxKernel> kernel, LinuxKernel::open());
  TWILL_TRY(const KernelState state, kernel->read({}));
  for (const auto& [key, address] : state.addresses) {
    const IpAddress& ip = address.address.address;
    if (ip.isLoopback()) continue;
    out.own.push_back(ip);
    // Both a container and a node are reached under what eth0 has: a node's is its underlay.
    const bool first = std::none_of(out.subject.targets.begin(), out.subject.targets.end(),
                                    [&](const IpAddress& other) { return other.family() == ip.family(); });
    if (key.link == "eth0" && first && !ip.isLinkLocal()) out.subject.targets.push_back(ip);
  }
  return out;
}

}  // namespace

Result<std::vector<Row>> testConnectivity(const Lab& lab, std::chrono::milliseconds patience) {
  std::vector<Subject> subjects;
  std::vector<Participant> participants;
  for (const PlaceName& place : lab.places()) {
    if (place.machine == "router") continue;
    TWILL_TRY(Participant participant, lookAt(lab, place));
    subjects.push_back(std::move(participant.subject));
    participants.push_back(std::move(participant));
  }
  TWILL_TRY(const auto observations, probe(subjects, patience));
  std::vector<Row> rows;
  for (const Observation& seen : observations) {
    const Participant& from = participants[seen.from];
    const Participant& to = participants[seen.to];
    const int routers = routersBetween(lab.topology(), lab.spec(), from.name, to.name);
    rows.push_back(judge(seen, from.name.text(), to.name.text(), {.ttl = 64 - routers, .own = from.own}));
  }
  return rows;
}

}  // namespace twill::lab
