// SPDX-License-Identifier: Apache-2.0
#include "kernel/ipip_programs.hpp"

#include <algorithm>
#include <cstring>
#include <set>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <ipip.h>
#include <ipip.skel.h>
#include <net/if.h>

#include "kernel/programs.hpp"

namespace twill {
namespace {

/// Before the fast path's: what it sees are the packets inside.
constexpr std::uint16_t kPriority = 115;

__be32 wordOf(const IpAddress& address) {
  __be32 word = 0;
  std::memcpy(&word, address.bytes().data(), sizeof word);
  return word;
}

tc::Entries entriesOf(const IpipTunnel& tunnel) {
  tc::Entries out;
  for (const auto& peer : tunnel.peers) {
    for (const Prefix& prefix : peer.prefixes)
      out[tc::keyOf(prefix)] = tc::bytesOf(ipip_owner{.endpoint = wordOf(peer.endpoint), .own = 0});
  }
  for (const Prefix& prefix : tunnel.own)
    out[tc::keyOf(prefix)] = tc::bytesOf(ipip_owner{.endpoint = wordOf(tunnel.local), .own = 1});
  return out;
}

Result<int> indexOf(const std::string& link) {
  const auto index = ::if_nametoindex(link.c_str());
  if (index == 0) return fail(fmt::format("there is no link {}", link), Error::Kind::missing);
  return static_cast<int>(index);
}

}  // namespace

IpipPrograms::IpipPrograms() = default;
IpipPrograms::~IpipPrograms() = default;

void IpipPrograms::Destroy::operator()(ipip* programs) const {
  ipip__destroy(programs);
}

Result<void> IpipPrograms::follow(const IpipTunnel& wanted) {
  if (refused_) return Failure(*refused_);
  Place place{.device = 0, .underlay = 0, .local = wanted.local};
  TWILL_TRY(place.device, indexOf(wanted.device));
  TWILL_TRY(place.underlay, indexOf(wanted.underlay));
  if (!programs_ || place != place_) {
    if (auto loaded = load(place); !loaded) {
      refused_ = loaded.error();
      return loaded;
    }
  }
  if (wanted != filled_) {
    TWILL_CHECK(tc::write(::bpf_map__fd(programs_->maps.owners), entriesOf(wanted), owners_));
    filled_ = wanted;
  }
  return attach();
}

/// With maps of their own; the programs that are there go on until attach() puts these in their place.
Result<void> IpipPrograms::load(const Place& place) {
  tc::listen();
  std::unique_ptr<ipip, Destroy> fresh(ipip__open());
  if (!fresh) return failErrno("open the programs of ipip");
  fresh->rodata->tunnel_link = static_cast<__u32>(place.device);
  fresh->rodata->underlay_link = static_cast<__u32>(place.underlay);
  fresh->rodata->local = wordOf(place.local);
  if (const int failed = ipip__load(fresh.get()); failed != 0)
    return tc::failLoad("load the programs of ipip", -failed);
  programs_ = std::move(fresh);
  place_ = place;
  filled_.reset();
  owners_.clear();
  attached_.clear();
  clean_ = false;
  return {};
}

Result<void> IpipPrograms::attach() {
  const std::map<tc::Place, int> places{{{.link = place_->device, .entrance = false, .priority = kPriority},
                                         ::bpf_program__fd(programs_->progs.twill_ipip_send)},
                                        {{.link = place_->underlay, .entrance = true, .priority = kPriority},
                                         ::bpf_program__fd(programs_->progs.twill_ipip_recv)}};
  for (const auto& [place, program] : places) {
    const auto there = attached_.find(place);
    if (there != attached_.end() && (!doubted_ || tc::holds(place, there->second))) continue;
    TWILL_TRY(attached_[place], tc::attach(program, place));
  }
  doubted_ = false;
  if (clean_) return {};
  std::set<std::uint32_t> ours;
  for (const auto& [place, program] : attached_) {
    if (places.contains(place)) ours.insert(program);
  }
  TWILL_CHECK(removePrograms(kIpipPrograms, ours));
  std::erase_if(attached_, [&](const auto& at) { return !places.contains(at.first); });
  clean_ = true;
  return {};
}

Result<void> IpipPrograms::remove() {
  if (!clean_ || programs_) TWILL_CHECK(removePrograms(kIpipPrograms));
  clean_ = true;
  attached_.clear();
  programs_.reset();
  place_.reset();
  filled_.reset();
  refused_.reset();
  owners_.clear();
  return {};
}

bool IpipPrograms::doubt(int link) {
  if (link == 0) refused_.reset();
  const bool concerns = link == 0 || std::any_of(attached_.begin(), attached_.end(),
                                                 [&](const auto& at) { return at.first.link == link; });
  doubted_ = doubted_ || concerns;
  return concerns;
}

std::optional<IpipNumbers> IpipPrograms::numbers() const {
  if (!programs_) return std::nullopt;
  IpipNumbers out;
  std::vector<ipip_counters> each(tc::cpus());
  const auto sum = [&](ipip_count what, std::uint64_t& packets, std::uint64_t& bytes) {
    const auto key = static_cast<__u32>(what);
    if (::bpf_map_lookup_elem(::bpf_map__fd(programs_->maps.counters), &key, each.data()) != 0) return;
    for (const auto& one : each) {
      packets += one.packets;
      bytes += one.bytes;
    }
  };
  std::uint64_t unused = 0;
  sum(IPIP_SENT, out.sentPackets, out.sentBytes);
  sum(IPIP_RECEIVED, out.receivedPackets, out.receivedBytes);
  sum(IPIP_STRANGERS, out.strangers, unused);
  return out;
}

}  // namespace twill
