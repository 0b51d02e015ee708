// SPDX-License-Identifier: Apache-2.0
#include "kernel/ipip_sight.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <vector>

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <ipip.h>
#include <ipip.skel.h>
#include <net/if.h>
#include <prefix_key.h>

#include "base/fd.hpp"

namespace twill {
namespace {

using Settings = ipip::ipip__rodata;

IpAddress addressOf(const __be32& word) {
  return IpAddress::fromBytes({reinterpret_cast<const std::uint8_t*>(&word), sizeof word});
}

/// Of an entry of the map, where IPv4 is ::ffff:0.0.0.0/96.
Prefix prefixOf(const prefix_key& key) {
  const auto address = IpAddress::fromBytes({key.address, sizeof key.address});
  const int length = static_cast<int>(key.length);
  if (!address.isMappedV4() || length < 96) return {address, length};
  return {IpAddress::fromBytes({key.address + 12, 4}), length - 96};
}

std::string linkNamed(std::uint32_t index) {
  std::array<char, IF_NAMESIZE> name{};
  return ::if_indextoname(index, name.data()) == nullptr ? "" : name.data();
}

/// Ids of the maps that a program uses.
Result<std::vector<__u32>> mapsOf(std::uint32_t program) {
  const Fd fd(::bpf_prog_get_fd_by_id(program));
  if (!fd) return failErrno(fmt::format("open program {} of ipip", program));
  std::vector<__u32> ids(16);
  bpf_prog_info info{};
  info.nr_map_ids = static_cast<__u32>(ids.size());
  info.map_ids = reinterpret_cast<__u64>(ids.data());
  __u32 size = sizeof info;
  if (::bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0)
    return failErrno(fmt::format("look at program {} of ipip", program));
  ids.resize(std::min<std::size_t>(info.nr_map_ids, ids.size()));
  return ids;
}

/// That one of the maps which has this name.
Result<Fd> mapOf(const std::vector<__u32>& ids, std::string_view name, std::size_t valueSize) {
  for (const __u32 id : ids) {
    Fd map(::bpf_map_get_fd_by_id(id));
    if (!map) return failErrno(fmt::format("open map {}", id));
    bpf_map_info info{};
    __u32 size = sizeof info;
    if (::bpf_obj_get_info_by_fd(map.get(), &info, &size) != 0)
      return failErrno(fmt::format("look at map {}", id));
    if (name == info.name && info.value_size == valueSize) return map;
  }
  return fail(fmt::format("a program of ipip has no map {}; is it another version's?", name));
}

Result<std::vector<std::pair<prefix_key, ipip_owner>>> entriesOf(const Fd& owners) {
  std::vector<std::pair<prefix_key, ipip_owner>> out;
  prefix_key key{};
  for (const prefix_key* last = nullptr; ::bpf_map_get_next_key(owners.get(), last, &key) == 0; last = &key) {
    ipip_owner owner{};
    if (::bpf_map_lookup_elem(owners.get(), &key, &owner) == 0) out.emplace_back(key, owner);
  }
  if (errno != ENOENT) return failErrno("read the peers of ipip");
  return out;
}

}  // namespace

Result<IpipTunnel> lookAtIpip(std::uint32_t program) {
  TWILL_TRY(const auto maps, mapsOf(program));
  TWILL_TRY(const Fd constants, mapOf(maps, "ipip.rodata", sizeof(Settings)));
  Settings settings{};
  const __u32 zero = 0;
  if (::bpf_map_lookup_elem(constants.get(), &zero, &settings) != 0)
    return failErrno("read the settings of ipip");
  IpipTunnel tunnel{.device = linkNamed(settings.tunnel_link),
                    .underlay = linkNamed(settings.underlay_link),
                    .local = addressOf(settings.local),
                    .own = {},
                    .peers = {}};
  TWILL_TRY(const Fd owners, mapOf(maps, "owners", sizeof(ipip_owner)));
  TWILL_TRY(const auto entries, entriesOf(owners));
  std::map<IpAddress, std::vector<Prefix>> peers;
  for (const auto& [key, owner] : entries)
    (owner.own != 0 ? tunnel.own : peers[addressOf(owner.endpoint)]).push_back(prefixOf(key));
  for (auto& [endpoint, prefixes] : peers) tunnel.peers.push_back({endpoint, std::move(prefixes)});
  return tunnel;
}

}  // namespace twill
