// SPDX-License-Identifier: Apache-2.0
#include "datastore/bgp/lingering.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "datastore/bgp/bird_config.hpp"
#include "datastore/bgp/record.hpp"

namespace twill::bgp {

std::uint32_t signOf(const std::string& record, std::vector<Prefix> prefixes) {
  std::sort(prefixes.begin(), prefixes.end());
  std::string text = record;
  for (const Prefix& prefix : prefixes) text += ' ' + prefix.text();
  return digestOf(text);
}

std::vector<Announcement> withLingering(const std::vector<Announcement>& before,
                                        std::vector<Announcement> now, const SignHeard& heard) {
  std::set<Prefix> announced;
  std::set<std::tuple<IpAddress, Family>> speaking;
  for (const auto& one : now) {
    announced.insert(one.prefix);
    speaking.emplace(announcerOf(one.nextHop), one.prefix.family());
  }
  std::vector<Announcement> gone;
  for (const auto& one : before) {
    if (!one.record.empty() && !announced.contains(one.prefix) &&
        !speaking.contains({announcerOf(one.nextHop), one.prefix.family()}))
      gone.push_back(one);
  }
  if (gone.empty()) return now;
  std::map<std::tuple<IpAddress, std::string>, std::vector<Prefix>> had;
  for (const auto& one : before) had[{announcerOf(one.nextHop), one.record}].push_back(one.prefix);
  for (const auto& one : gone) {
    if (heard(one) == signOf(one.record, had[{announcerOf(one.nextHop), one.record}])) now.push_back(one);
  }
  std::sort(now.begin(), now.end());
  return now;
}

}  // namespace twill::bgp
