// SPDX-License-Identifier: Apache-2.0
#include "kernel/reaper.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <linux/rtnetlink.h>
#include <spdlog/spdlog.h>

#include "kernel/link.hpp"

namespace twill {
namespace {

using netlink::Message;

/// Links that go together in one RTM_DELLINK by group ("twil" in ASCII). They enter it in the same batch, so
/// nothing stays in it.
constexpr std::uint32_t kDoomedGroup = 0x7477696c;
/// Joining the group and deleting it has to fit into one batch window.
constexpr std::size_t kDoomedLinks = 128;
/// How long a link that cannot be removed counts as being removed, so that nobody asks again at once.
constexpr auto kAfterFailure = std::chrono::seconds(1);

}  // namespace

Reaper::Reaper(netlink::Socket socket, std::function<void()> onFailure)
    : socket_(std::move(socket)), onFailure_(std::move(onFailure)), thread_([this] { run(); }) {}

Reaper::~Reaper() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Reaper::remove(const std::vector<std::string>& links) {
  {
    const std::lock_guard lock(mutex_);
    queue_.insert(links.begin(), links.end());
  }
  changed_.notify_all();
}

std::set<std::string> Reaper::dying() {
  const std::lock_guard lock(mutex_);
  std::set<std::string> out = queue_;
  out.insert(busy_.begin(), busy_.end());
  return out;
}

bool Reaper::settle() {
  std::unique_lock lock(mutex_);
  const auto isIdle = [this] { return queue_.empty() && busy_.empty(); };
  if (isIdle()) return false;
  changed_.wait(lock, isIdle);
  return true;
}

void Reaper::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ends_ || !queue_.empty(); });
    if (queue_.empty()) return;
    auto end = queue_.begin();
    std::advance(end, std::min(queue_.size(), kDoomedLinks));
    busy_ = {queue_.begin(), end};
    queue_.erase(queue_.begin(), end);
    lock.unlock();
    const bool removed = removeAll(busy_);  // nobody else changes it
    lock.lock();
    if (!removed) changed_.wait_for(lock, kAfterFailure, [this] { return ends_; });
    busy_.clear();
    changed_.notify_all();
    if (!removed) onFailure_();
  }
}

bool Reaper::removeAll(const std::set<std::string>& links) {
  const bool alone = links.size() == 1;
  netlink::Batch batch;
  for (const auto& name : links) {
    Message message(alone ? RTM_DELLINK : RTM_NEWLINK, 0);
    alone ? netlink::encodeDeleteLink(message, name) : netlink::encodeLinkGroup(message, name, kDoomedGroup);
    batch.add(message);
  }
  if (!alone) {
    Message message(RTM_DELLINK, 0);
    netlink::encodeDeleteLinkGroup(message, kDoomedGroup);
    batch.add(message);
  }
  bool removed = true;
  for (const auto& outcome : socket_.run(batch)) {
    if (outcome || outcome.error().code == ENODEV) continue;
    removed = false;
    spdlog::warn("an interface cannot be removed, of {}: {}", *links.begin(), outcome.error().text);
  }
  return removed;
}

}  // namespace twill
