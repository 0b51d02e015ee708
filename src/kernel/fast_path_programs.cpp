// SPDX-License-Identifier: Apache-2.0
#include "kernel/fast_path_programs.hpp"

#include <algorithm>
#include <set>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fast_path.h>
#include <fast_path.skel.h>
#include <fmt/format.h>

#include "kernel/programs.hpp"

namespace twill {
namespace {

/// Behind udp's own programs, which are about packets from the node's address.
constexpr std::uint16_t kPriority = 117;

tc::Place entranceOf(int link) {
  return {.link = link, .entrance = true, .priority = kPriority};
}

tc::Entries entriesOf(const std::vector<FastPath::Container>& containers) {
  tc::Entries out;
  for (const auto& container : containers) {
    fast_path_container value{};
    value.link = static_cast<__u32>(container.link);
    value.mtu = static_cast<__u32>(container.mtu);
    std::copy(container.mac.bytes.begin(), container.mac.bytes.end(), value.mac);
    std::copy(container.gateway.bytes.begin(), container.gateway.bytes.end(), value.gateway);
    for (const IpAddress& address : container.addresses)
      out[tc::bytesOf(tc::mapped(address))] = tc::bytesOf(value);
  }
  return out;
}

tc::Entries entriesOf(const std::vector<FastPath::Peer>& peers) {
  tc::Entries out;
  for (const auto& peer : peers) {
    fast_path_peer value{};
    value.link = static_cast<__u32>(peer.way.link);
    value.raw = peer.way.raw ? 1 : 0;
    out[tc::keyOf(peer.subnet)] = tc::bytesOf(value);
  }
  return out;
}

}  // namespace

FastPathPrograms::FastPathPrograms() = default;
FastPathPrograms::~FastPathPrograms() = default;

void FastPathPrograms::Destroy::operator()(fast_path* programs) const {
  fast_path__destroy(programs);
}

Result<void> FastPathPrograms::follow(const FastPath& wanted) {
  if (refused_) return Failure(*refused_);
  const bool complete =
      std::all_of(attached_.begin(), attached_.end(), [](const auto& at) { return at.second != 0; });
  if (wanted == current_ && complete && doubted_.empty()) return {};
  if (!programs_) {
    if (auto loaded = load(); !loaded) {
      refused_ = loaded.error();
      return loaded;
    }
  }
  TWILL_CHECK(fill(wanted));
  current_ = wanted;
  TWILL_CHECK(attach(placesOf(wanted)));
  return clean_ ? Result<void>() : removeLeft();
}

/// With maps of their own; those that a former process has left stay until attach() puts these in their
/// place.
Result<void> FastPathPrograms::load() {
  tc::listen();
  std::unique_ptr<fast_path, Destroy> fresh(fast_path__open());
  if (!fresh) return failErrno("open the fast path");
  if (const int failed = fast_path__load(fresh.get()); failed != 0)
    return tc::failLoad("load the fast path", -failed);
  programs_ = std::move(fresh);
  return {};
}

Result<void> FastPathPrograms::fill(const FastPath& wanted) {
  TWILL_CHECK(
      tc::write(::bpf_map__fd(programs_->maps.containers), entriesOf(wanted.containers), containers_));
  return tc::write(::bpf_map__fd(programs_->maps.peers), entriesOf(wanted.peers), peers_);
}

std::map<tc::Place, int> FastPathPrograms::placesOf(const FastPath& wanted) const {
  std::map<tc::Place, int> places;
  for (const auto& container : wanted.containers)
    places[entranceOf(container.link)] = ::bpf_program__fd(programs_->progs.twill_fast_leave);
  for (const auto& peer : wanted.peers) {
    const auto& programs = programs_->progs;
    places[entranceOf(peer.way.link)] =
        ::bpf_program__fd(peer.way.raw ? programs.twill_fast_raw : programs.twill_fast_enter);
  }
  return places;
}

Result<void> FastPathPrograms::attach(const std::map<tc::Place, int>& places) {
  std::optional<Error> first;
  for (const auto& [place, program] : places) {
    std::uint32_t& there = attached_[place];
    if (const bool doubted = doubted_.contains(0) || doubted_.contains(place.link);
        there != 0 && (!doubted || tc::holds(place, there)))
      continue;
    auto attached = tc::attach(program, place);
    there = attached.value_or(0);
    if (!attached && !first) first = attached.error();
  }
  doubted_.clear();
  std::erase_if(attached_, [&](const auto& at) {
    const bool left = !places.contains(at.first);
    if (left) tc::detach(at.first);
    return left;
  });
  if (first) return Failure(std::move(*first));
  return {};
}

/// What a former process left at links that are not wanted any more.
Result<void> FastPathPrograms::removeLeft() {
  std::set<std::uint32_t> ours;
  for (const auto& [place, program] : attached_) ours.insert(program);
  TWILL_CHECK(removePrograms(kFastPathPrograms, ours));
  clean_ = true;
  return {};
}

Result<void> FastPathPrograms::remove() {
  attached_.clear();
  if (!clean_ || programs_) {
    TWILL_CHECK(removeLeft());
  }
  programs_.reset();
  current_.reset();
  refused_.reset();
  containers_.clear();
  peers_.clear();
  return {};
}

bool FastPathPrograms::doubt(int link) {
  if (link == 0) refused_.reset();
  const bool concerns = link == 0 || attached_.contains(entranceOf(link));
  if (concerns) doubted_.insert(link);
  return concerns;
}

std::optional<FastPathNumbers> FastPathPrograms::numbers() const {
  if (!programs_) return std::nullopt;
  const int map = ::bpf_map__fd(programs_->maps.counters);
  FastPathNumbers out;
  std::vector<fast_path_counters> each(tc::cpus());
  for (const auto& [road, sum] : {std::pair{FAST_PATH_LOCAL, &out.local}, std::pair{FAST_PATH_OUT, &out.out},
                                  std::pair{FAST_PATH_IN, &out.in}}) {
    const auto key = static_cast<__u32>(road);
    if (::bpf_map_lookup_elem(map, &key, each.data()) != 0) continue;
    for (const auto& one : each) {
      sum->packets += one.packets;
      sum->bytes += one.bytes;
    }
  }
  return out;
}

}  // namespace twill
