// SPDX-License-Identifier: Apache-2.0
#include "kernel/tunnel_port_programs.hpp"

#include <algorithm>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <tunnel_port.h>
#include <tunnel_port.skel.h>

#include "kernel/programs.hpp"

namespace twill {
namespace {

constexpr std::uint16_t kPriority = 115;

tc::Entries entriesOf(const std::vector<ContainerPort>& ports) {
  tc::Entries out;
  for (const auto& port : ports) {
    tunnel_port_key key{};
    key.tunnel = static_cast<__u32>(port.tunnel);
    key.bridge = static_cast<__u32>(port.bridge);
    std::copy(port.mac.bytes.begin(), port.mac.bytes.end(), key.mac);
    out[tc::bytesOf(key)] = tc::bytesOf(static_cast<__u32>(port.link));
  }
  return out;
}

}  // namespace

TunnelPortPrograms::TunnelPortPrograms() = default;
TunnelPortPrograms::~TunnelPortPrograms() = default;

void TunnelPortPrograms::Destroy::operator()(tunnel_port* programs) const {
  tunnel_port__destroy(programs);
}

Result<void> TunnelPortPrograms::follow(const std::vector<ContainerPort>& wanted) {
  if (wanted.empty()) return remove();
  if (refused_) return Failure(*refused_);
  if (!programs_) {
    if (auto loaded = load(); !loaded) {
      refused_ = loaded.error();
      return loaded;
    }
  }
  TWILL_CHECK(tc::write(::bpf_map__fd(programs_->maps.ports), entriesOf(wanted), ports_));
  std::set<int> bridges;
  for (const auto& port : wanted) bridges.insert(port.bridge);
  return attachTo(bridges);
}

/// With a map of their own; the programs that are there go on until attachTo() puts these in their place.
Result<void> TunnelPortPrograms::load() {
  tc::listen();
  std::unique_ptr<tunnel_port, Destroy> fresh(tunnel_port__open());
  if (!fresh) return failErrno("open the program at bridges");
  if (const int failed = tunnel_port__load(fresh.get()); failed != 0)
    return tc::failLoad("load the program at bridges", -failed);
  programs_ = std::move(fresh);
  return {};
}

Result<void> TunnelPortPrograms::attachTo(const std::set<int>& bridges) {
  const int program = ::bpf_program__fd(programs_->progs.twill_port);
  for (const int bridge : bridges) {
    const tc::Place place{.link = bridge, .entrance = false, .priority = kPriority};
    const auto there = attached_.find(place);
    if (there != attached_.end() && (!doubted_ || tc::holds(place, there->second))) continue;
    TWILL_TRY(attached_[place], tc::attach(program, place));
  }
  doubted_ = false;
  std::erase_if(attached_, [&](const auto& at) {
    if (bridges.contains(at.first.link)) return false;
    tc::detach(at.first);
    return true;
  });
  if (clean_) return {};
  std::set<std::uint32_t> ours;
  for (const auto& [place, id] : attached_) ours.insert(id);
  TWILL_CHECK(removePrograms(kPortPrograms, ours));
  clean_ = true;
  return {};
}

Result<void> TunnelPortPrograms::remove() {
  if (!clean_ || programs_) TWILL_CHECK(removePrograms(kPortPrograms));
  clean_ = true;
  attached_.clear();
  programs_.reset();
  refused_.reset();
  ports_.clear();
  return {};
}

bool TunnelPortPrograms::doubt(int link) {
  if (link == 0) refused_.reset();
  const bool concerns = link == 0 || std::any_of(attached_.begin(), attached_.end(),
                                                 [&](const auto& at) { return at.first.link == link; });
  doubted_ = doubted_ || concerns;
  return concerns;
}

}  // namespace twill
