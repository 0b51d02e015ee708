// SPDX-License-Identifier: Apache-2.0
// The agent's part about containers that are there: are they well, are they wanted, could there be more?
#include <algorithm>

#include <fmt/format.h>

#include "agent/agent.hpp"
#include "attach/check.hpp"
#include "attach/desired.hpp"
#include "kernel/netns.hpp"
#include "kernel/veth.hpp"

namespace twill {
namespace {

/// `key` is "<network>/<container>/<ifname>".
bool isValid(const std::string& key, const std::set<std::pair<std::string, std::string>>& valid) {
  return std::any_of(valid.begin(), valid.end(), [&](const auto& one) {
    return key.ends_with(fmt::format("/{}/{}", one.first, one.second));
  });
}

/// The container has been started anew in another namespace, or the runtime means another one.
Result<void> checkNamespace(const Attachment& attachment, const std::string& path) {
  const auto netns = openNamespace(path);
  if (!netns) return Failure(netns.error());
  if (attachment.netnsId.empty() || namespaceId(*netns) == attachment.netnsId) return {};
  return fail(fmt::format(
      "{} is another network namespace than the one that {} of container {} was made in ({}); the "
      "container has to be started anew",
      path, attachment.ifname, attachment.containerId, attachment.netns));
}

}  // namespace

Result<void> Agent::check(const std::string& key, const ExpectedInterface& expected) {
  const Attachment* attachment = attachments_.find(key);
  if (attachment == nullptr) {
    return fail(fmt::format("there is no attachment {}; the container has to be started anew", key),
                Error::Kind::missing);
  }
  TWILL_CHECK(attachments_.checkRecord(key));
  TWILL_CHECK(checkNamespace(*attachment, expected.netns));
  if (const auto held = quarantined_.find(key); held != quarantined_.end()) {
    return fail(fmt::format("container {} is cut off: its address is {}'s now; it has to be started anew",
                            attachment->containerId, held->second));
  }
  lookAround();
  KernelState part = desiredAttachment(*attachment);
  const VethPeer peer = *part.links.at(attachment->hostIfname).peer;
  merge(part, desiredGateways(*attachment));
  merge(part, desiredShared(attachment->mode, networkOf(*attachment)));
  const Difference missing = additions(part, actual_);
  if (!missing.obstacles.empty()) return fail(missing.obstacles.front().text);
  if (!missing.operations.empty()) {
    return fail(fmt::format("the node's side is not as it should be: {} is to be done",
                            describe(missing.operations.front())));
  }
  TWILL_TRY(const PeerNamespace inside, readPeerNamespace(peer));
  return checkInside(*attachment, expected, inside);
}

Result<void> Agent::collect(const std::string& network,
                            const std::set<std::pair<std::string, std::string>>& valid) {
  std::vector<std::string> dead;
  for (const auto& [key, attachment] : attachments_.all()) {
    if (attachment.network == network && !valid.contains({attachment.containerId, attachment.ifname})) {
      dead.push_back(key);
    }
  }
  for (const auto& [key, record] : attachments_.unknown()) {
    if (key.starts_with(network + "/") && !isValid(key, valid)) dead.push_back(key);
  }
  std::string errors;
  for (const auto& key : dead) {
    if (auto gone = detach(key); !gone) errors += (errors.empty() ? "" : "; ") + gone.error().text;
  }
  return errors.empty() ? Result<void>() : fail(errors);
}

Result<void> Agent::couldAttach(const AttachRequest& request) const {
  TWILL_TRY(const Network* home, homeOf(request));
  return attachments_.hasRoom(request, home->nodeNetwork());
}

}  // namespace twill
