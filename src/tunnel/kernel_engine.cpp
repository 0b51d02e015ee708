// SPDX-License-Identifier: Apache-2.0
#include "tunnel/kernel_engine.hpp"

#include <algorithm>
#include <set>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <net/if.h>
#include <udp_tunnel.h>
#include <udp_tunnel.skel.h>

namespace twill::tunnel {
namespace {

/// Where the programs are among others of their hook.
constexpr std::uint16_t kPriority = 116;
constexpr std::size_t kLeastRoom = 256;
/// Nanoseconds: longer than a packet waits in user space.
constexpr std::uint64_t kBulk = 5'000'000;

std::string ownerOf(const IpAddress& endpoint, std::uint32_t index, bool byUser) {
  udp_tunnel_owner owner{};
  std::ranges::copy(tc::mapped(endpoint), owner.endpoint);
  owner.index = index;
  owner.by_user = byUser ? 1 : 0;
  return tc::bytesOf(owner);
}

Result<int> linkIndex(const std::string& name) {
  const unsigned index = ::if_nametoindex(name.c_str());
  if (index == 0) return failErrno("find the link " + name);
  return static_cast<int>(index);
}

}  // namespace

void KernelEngine::Detach::operator()(udp_tunnel* programs) const {
  udp_tunnel__destroy(programs);
}

Result<std::unique_ptr<KernelEngine>> KernelEngine::start(const Settings& settings, const Where& where,
                                                          const std::vector<Peer>& peers) {
  tc::listen();
  std::unique_ptr<KernelEngine> engine(new KernelEngine);
  engine->where_ = where;
  engine->settings_ = settings;
  TWILL_TRY(const int device, linkIndex(settings.device));
  TWILL_TRY(const int underlay, linkIndex(where.underlay));
  engine->programs_.reset(udp_tunnel__open());
  if (!engine->programs_) return failErrno("open the kernel engine");
  engine->programs_->rodata->tunnel_link = static_cast<__u32>(device);
  engine->programs_->rodata->underlay_link = static_cast<__u32>(underlay);
  engine->openMergingLink();
  TWILL_CHECK(engine->load(peers.size()));
  TWILL_CHECK(engine->setPeers(peers));
  if (engine->merging_) {
    TWILL_CHECK(engine->attach(::bpf_program__fd(engine->programs_->progs.twill_udp_merged),
                               {.link = engine->merging_->exit, .entrance = true, .priority = kPriority}));
  }
  TWILL_CHECK(engine->attach(::bpf_program__fd(engine->programs_->progs.twill_udp_receive),
                             {.link = underlay, .entrance = true, .priority = kPriority}));
  TWILL_CHECK(engine->attach(::bpf_program__fd(engine->programs_->progs.twill_udp_send),
                             {.link = device, .priority = kPriority}));
  return engine;
}

void KernelEngine::openMergingLink() {
  auto made = tc::MergingLink::make();
  if (!made) {
    unmerged_ = made.error().text;
    return;
  }
  merging_ = *made;
  programs_->rodata->merging_link = static_cast<__u32>(merging_->entrance);
}

Result<void> KernelEngine::load(std::size_t peers) {
  const std::size_t room = std::max(kLeastRoom, peers * 2);
  for (std::size_t i = room; i > 0; --i) free_.push_back(static_cast<std::uint32_t>(i - 1));
  auto* data = programs_->rodata;
  data->port = htons(settings_.port);
  data->bulk_ns = kBulk;
  data->floods_by_user = where_.floodsByUser ? 1 : 0;
  if (settings_.local4) std::memcpy(const_cast<__be32*>(&data->local4), settings_.local4->bytes().data(), 4);
  if (settings_.local6) std::memcpy(const_cast<__u32*>(data->local6), settings_.local6->bytes().data(), 16);
  for (bpf_map* map : {programs_->maps.counters, programs_->maps.received})
    ::bpf_map__set_max_entries(map, static_cast<__u32>(room));
  if (const int failed = udp_tunnel__load(programs_.get()); failed != 0)
    return tc::failLoad("load the kernel engine", -failed);
  return {};
}

Result<void> KernelEngine::attach(int program, const tc::Place& place) {
  TWILL_TRY(attached_[place], tc::attach(program, place));
  return {};
}

KernelEngine::~KernelEngine() {
  for (const auto& [place, program] : attached_) tc::detach(place);
  if (merging_) tc::MergingLink::remove();
}

void KernelEngine::takeOver(KernelEngine& before) const {
  for (const auto& [place, program] : attached_) before.attached_.erase(place);
  if (merging_) before.merging_.reset();
}

bool KernelEngine::isIntact() const {
  const auto isAt = [this](const std::string& link, bool entrance) {
    const auto index = static_cast<int>(::if_nametoindex(link.c_str()));
    return attached_.contains({.link = index, .entrance = entrance, .priority = kPriority});
  };
  return isAt(settings_.device, false) && isAt(where_.underlay, true) && (!merging_ || merging_->isUp()) &&
         std::ranges::all_of(attached_, [](const auto& at) { return tc::holds(at.first, at.second); });
}

Result<std::uint32_t> KernelEngine::indexOf(const std::string& peer) {
  if (const auto found = indexes_.find(peer); found != indexes_.end()) return found->second;
  if (free_.empty()) return fail("more peers than there is room for", Error::Kind::busy);
  const std::uint32_t index = free_.back();
  const std::vector<udp_tunnel_counters> zeros(tc::cpus());
  if (::bpf_map_update_elem(::bpf_map__fd(programs_->maps.counters), &index, zeros.data(), BPF_ANY) != 0)
    return failErrno("set a peer's counters to zero");
  free_.pop_back();
  indexes_.emplace(peer, index);
  return index;
}

void KernelEngine::forgetPeersBut(const std::vector<Peer>& peers) {
  std::set<std::string_view> names;
  for (const Peer& peer : peers) names.insert(peer.name);
  std::erase_if(indexes_, [&](const auto& entry) {
    if (names.contains(entry.first)) return false;
    free_.push_back(entry.second);
    return true;
  });
}

Result<void> KernelEngine::setPeers(const std::vector<Peer>& peers) {
  forgetPeersBut(peers);
  tc::Entries wanted;
  for (const Peer& peer : peers) {
    TWILL_TRY(const auto index, indexOf(peer.name));
    for (const Prefix& prefix : peer.prefixes)
      wanted.emplace(tc::keyOf(prefix), ownerOf(peer.endpoint, index, !peer.partialChecksums));
  }
  for (const Prefix& prefix : settings_.own)
    wanted.insert_or_assign(tc::keyOf(prefix), ownerOf({}, UDP_TUNNEL_OWN, false));
  return tc::write(::bpf_map__fd(programs_->maps.owners), wanted, entries_);
}

std::map<std::string, PeerNumbers> KernelEngine::numbers() const {
  std::map<std::string, PeerNumbers> out;
  std::vector<udp_tunnel_counters> each(tc::cpus());
  const int map = ::bpf_map__fd(programs_->maps.counters);
  for (const auto& [name, index] : indexes_) {
    if (::bpf_map_lookup_elem(map, &index, each.data()) != 0) continue;
    PeerNumbers& sum = out[name];
    for (const auto& one : each) {
      sum.sentPackets += one.sent_packets;
      sum.sentBytes += one.sent_bytes;
      sum.receivedPackets += one.received_packets;
      sum.receivedBytes += one.received_bytes;
    }
  }
  return out;
}

}  // namespace twill::tunnel
