// SPDX-License-Identifier: Apache-2.0
#include "tunnel/kernel_engine.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <net/if.h>
#include <udp_tunnel.h>
#include <udp_tunnel.skel.h>

namespace twill::tunnel {
namespace {

// Where the programs are among others of their hook, which are asked before and after them.
constexpr std::uint32_t kHandle = 1;
constexpr std::uint32_t kPriority = 116;
constexpr std::size_t kLeastRoom = 256;
/// Nanoseconds: longer than a packet waits in user space.
constexpr std::uint64_t kBulk = 5'000'000;

/// ::ffff:a.b.c.d for IPv4.
void mapAddress(const IpAddress& address, __u8* to) {
  std::memset(to, 0, 16);
  const auto bytes = address.bytes();
  if (address.isV4()) to[10] = to[11] = 0xff;
  std::copy(bytes.begin(), bytes.end(), to + 16 - bytes.size());
}

template <class T>
std::string bytesOf(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string keyOf(const Prefix& prefix) {
  udp_tunnel_key key{};
  key.length = static_cast<__u32>(prefix.length() + (prefix.address().isV4() ? 96 : 0));
  mapAddress(prefix.address(), key.address);
  return bytesOf(key);
}

std::string ownerOf(const IpAddress& endpoint, std::uint32_t index, bool byUser) {
  udp_tunnel_owner owner{};
  mapAddress(endpoint, owner.endpoint);
  owner.index = index;
  owner.by_user = byUser ? 1 : 0;
  return bytesOf(owner);
}

bpf_tc_hook hookOf(int link, bool entrance) {
  bpf_tc_hook hook{};
  hook.sz = sizeof hook;
  hook.ifindex = link;
  hook.attach_point = entrance ? BPF_TC_INGRESS : BPF_TC_EGRESS;
  return hook;
}

bpf_tc_opts optionsAt() {
  bpf_tc_opts options{};
  options.sz = sizeof options;
  options.handle = kHandle;
  options.priority = kPriority;
  return options;
}

/// What libbpf has said last, with the verifier's log in it.
std::string& words() {
  static std::string all;
  return all;
}

int keepWords(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN) return 0;
  std::array<char, 32768> text{};
  const int size = std::vsnprintf(text.data(), text.size(), format, arguments);
  if (size > 0) words().append(text.data(), std::min(text.size() - 1, static_cast<std::size_t>(size)));
  return 0;
}

/// The verifier ends its log with its reason, and a line of numbers.
std::string verifiersReason() {
  const auto numbers = words().rfind("\nprocessed ");
  if (numbers == std::string::npos) return {};
  const auto before = words().rfind('\n', numbers - 1);
  return words().substr(before + 1, numbers - before - 1);
}

Failure failLoad(int code) {
  constexpr std::string_view kWhat = "load the kernel engine";
  if (code == EPERM) return failErrno(fmt::format("{} (it needs CAP_BPF or CAP_SYS_ADMIN)", kWhat), code);
  if (const auto reason = verifiersReason(); !reason.empty())
    return failErrno(fmt::format("{}: the kernel's verifier says '{}'", kWhat, reason), code);
  return failErrno(kWhat, code);
}

/// So many values has an entry of a map for each CPU.
std::size_t cpus() {
  return static_cast<std::size_t>(std::max(1, ::libbpf_num_possible_cpus()));
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
  ::libbpf_set_print(keepWords);
  std::unique_ptr<KernelEngine> engine(new KernelEngine);
  engine->where_ = where;
  engine->settings_ = settings;
  TWILL_TRY(const int device, linkIndex(settings.device));
  TWILL_TRY(const int underlay, linkIndex(where.underlay));
  engine->programs_.reset(udp_tunnel__open());
  if (!engine->programs_) return failErrno("open the kernel engine");
  engine->programs_->rodata->tunnel_link = static_cast<__u32>(device);
  engine->programs_->rodata->underlay_link = static_cast<__u32>(underlay);
  TWILL_CHECK(engine->load(peers.size()));
  TWILL_CHECK(engine->setPeers(peers));
  TWILL_CHECK(engine->attach(::bpf_program__fd(engine->programs_->progs.twill_udp_receive), underlay, true));
  TWILL_CHECK(engine->attach(::bpf_program__fd(engine->programs_->progs.twill_udp_send), device, false));
  return engine;
}

Result<void> KernelEngine::load(std::size_t peers) {
  const std::size_t room = std::max(kLeastRoom, peers * 2);
  for (std::size_t i = room; i > 0; --i) free_.push_back(static_cast<std::uint32_t>(i - 1));
  auto* data = programs_->rodata;
  data->port = htons(settings_.port);
  data->bulk_ns = kBulk;
  data->large_by_user = where_.largeByUser ? 1 : 0;
  if (settings_.local4) std::memcpy(const_cast<__be32*>(&data->local4), settings_.local4->bytes().data(), 4);
  if (settings_.local6) std::memcpy(const_cast<__u32*>(data->local6), settings_.local6->bytes().data(), 16);
  for (bpf_map* map : {programs_->maps.counters, programs_->maps.received_large})
    ::bpf_map__set_max_entries(map, static_cast<__u32>(room));
  words().clear();
  if (const int failed = udp_tunnel__load(programs_.get()); failed != 0) return failLoad(-failed);
  return {};
}

Result<void> KernelEngine::attach(int program, int link, bool entrance) {
  bpf_tc_hook hook = hookOf(link, entrance);
  if (const int failed = ::bpf_tc_hook_create(&hook); failed != 0 && failed != -EEXIST)
    return failErrno(fmt::format("make a place for programs at link {}", link), -failed);
  bpf_tc_opts options = optionsAt();
  options.prog_fd = program;
  options.flags = BPF_TC_F_REPLACE;
  if (const int failed = ::bpf_tc_attach(&hook, &options); failed != 0)
    return failErrno(fmt::format("attach the kernel engine to link {}", link), -failed);
  attached_.push_back({link, entrance, options.prog_id});
  return {};
}

KernelEngine::~KernelEngine() {
  for (const Attachment& place : attached_) {
    const bpf_tc_hook hook = hookOf(place.link, place.entrance);
    const bpf_tc_opts options = optionsAt();
    (void)::bpf_tc_detach(&hook, &options);  // the link may be gone, and all that was there with it
  }
}

void KernelEngine::takeOver(KernelEngine& before) const {
  std::erase_if(before.attached_, [&](const Attachment& old) {
    return std::any_of(attached_.begin(), attached_.end(),
                       [&](const Attachment& place) { return place.samePlace(old); });
  });
}

bool KernelEngine::isAt(const std::string& link, bool entrance) const {
  const auto index = static_cast<int>(::if_nametoindex(link.c_str()));
  return std::any_of(attached_.begin(), attached_.end(), [&](const Attachment& place) {
    return place.entrance == entrance && place.link == index;
  });
}

bool KernelEngine::isIntact() const {
  const auto isThere = [](const Attachment& place) {
    const bpf_tc_hook hook = hookOf(place.link, place.entrance);
    bpf_tc_opts options = optionsAt();
    return ::bpf_tc_query(&hook, &options) == 0 && options.prog_id == place.program;
  };
  return isAt(settings_.device, false) && isAt(where_.underlay, true) &&
         std::all_of(attached_.begin(), attached_.end(), isThere);
}

Result<std::uint32_t> KernelEngine::indexOf(const std::string& peer) {
  if (const auto found = indexes_.find(peer); found != indexes_.end()) return found->second;
  if (free_.empty()) return fail("more peers than there is room for", Error::Kind::busy);
  const std::uint32_t index = free_.back();
  const std::vector<udp_tunnel_counters> zeros(cpus());
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
  Entries wanted;
  for (const Peer& peer : peers) {
    TWILL_TRY(const auto index, indexOf(peer.name));
    for (const Prefix& prefix : peer.prefixes)
      wanted.emplace(keyOf(prefix), ownerOf(peer.endpoint, index, !peer.partialChecksums));
  }
  for (const Prefix& prefix : settings_.own)
    wanted.insert_or_assign(keyOf(prefix), ownerOf({}, UDP_TUNNEL_OWN, false));
  return write(wanted);
}

Result<void> KernelEngine::write(const Entries& wanted) {
  const int map = ::bpf_map__fd(programs_->maps.owners);
  for (const auto& [key, value] : wanted) {
    if (const auto found = entries_.find(key); found != entries_.end() && found->second == value) continue;
    if (::bpf_map_update_elem(map, key.data(), value.data(), BPF_ANY) != 0)
      return failErrno("tell the kernel engine of a peer");
  }
  for (const auto& [key, value] : entries_) {
    if (!wanted.contains(key)) (void)::bpf_map_delete_elem(map, key.data());
  }
  entries_ = wanted;
  return {};
}

std::map<std::string, PeerNumbers> KernelEngine::numbers() const {
  std::map<std::string, PeerNumbers> out;
  std::vector<udp_tunnel_counters> each(cpus());
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
