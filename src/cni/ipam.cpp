// SPDX-License-Identifier: Apache-2.0
#include "cni/ipam.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cni/config.hpp"
#include "cni/route_attributes.hpp"

namespace twill::cni {
namespace {

using Json = nlohmann::json;

template <class T>
CniResult<void> readOne(const Json& object, const std::string& where, const char* key,
                        std::string_view expected, std::optional<T>& out) {
  const Json* value = memberOf(object, key);
  if (value == nullptr) return {};
  auto parsed = value->is_string() ? T::parse(value->get_ref<const std::string&>())
                                   : Result<T>(fail("no text", Error::Kind::invalid));
  if (!parsed) return bad(where + "." + key, *value, expected);
  out = *parsed;
  return {};
}

CniResult<AddressRange> readRange(const Json& json, const std::string& where) {
  if (!json.is_object()) return bad(where, json, "an object with a subnet");
  // Host bits are forgiven, as by host-local.
  std::optional<InterfaceAddress> subnet;
  if (auto read = readOne(json, where, "subnet", "a subnet such as \"172.16.0.0/24\"", subnet); !read) {
    return tl::unexpected(read.error());
  }
  if (!subnet) return bad(where, json, "an object with a subnet");
  AddressRange range{.subnet = subnet->prefix(), .first = {}, .last = {}, .gateway = {}};
  for (const auto& [key, member] :
       {std::pair{"rangeStart", &AddressRange::first}, std::pair{"rangeEnd", &AddressRange::last},
        std::pair{"gateway", &AddressRange::gateway}}) {
    if (auto read = readOne(json, where, key, "an IP address", range.*member); !read) {
      return tl::unexpected(read.error());
    }
  }
  return range;
}

/// [[{"subnet": ...}, ...], ...]
CniResult<void> readRanges(const Json& sets, const std::string& where, AttachRequest& request) {
  constexpr auto kExpected = "a list of lists of ranges, [[{\"subnet\": \"172.16.0.0/24\"}]]";
  if (!sets.is_array()) return bad(where, sets, kExpected);
  for (const Json& set : sets) {
    if (!set.is_array() || set.empty()) return bad(where, set, kExpected);
    auto& ranges = request.ranges.emplace_back();
    for (const Json& json : set) {
      auto range = readRange(json, where);
      if (!range) return tl::unexpected(range.error());
      if (range->subnet.family() != (ranges.empty() ? *range : ranges.front()).subnet.family()) {
        return bad(where, set, "of one IP version");
      }
      ranges.push_back(*range);
    }
  }
  return {};
}

CniResult<void> readRoutes(const Json& object, const std::string& where, AttachRequest& request) {
  const Json* routes = memberOf(object, "routes");
  if (routes == nullptr) return {};
  if (!routes->is_array()) return bad(where + ".routes", *routes, "a list of routes");
  for (const Json& json : *routes) {
    std::optional<InterfaceAddress> dst;
    ContainerRoute route;
    if (auto read = readOne(json, where + ".routes", "dst", "a prefix such as \"10.0.0.0/8\"", dst); !read) {
      return read;
    }
    if (!dst) return bad(where + ".routes", json, "a route with a dst");
    route.dst = dst->prefix();
    if (auto read = readOne(json, where + ".routes", "gw", "an IP address", route.via); !read) return read;
    if (route.via && route.via->family() != route.dst.family()) {
      return bad(where + ".routes", json, "a route whose dst and gw are of one IP version");
    }
    if (auto read = readRouteAttributes(json, where + ".routes", route); !read) return read;
    request.routes.push_back(route);
  }
  return {};
}

/// host-local's keys.
CniResult<void> readOwn(const Json& config, const Json& ipam, Call& call) {
  AttachRequest& request = call.request;
  const Json* runtime = memberOf(config, "runtimeConfig");
  if (const Json* sets = runtime == nullptr ? nullptr : memberOf(*runtime, "ipRanges")) {
    if (auto read = readRanges(*sets, "runtimeConfig.ipRanges", request); !read) return read;
  }
  if (memberOf(ipam, "subnet") != nullptr) {
    auto range = readRange(ipam, "ipam");
    if (!range) return tl::unexpected(range.error());
    request.ranges.push_back({*range});
  }
  if (const Json* sets = memberOf(ipam, "ranges")) {
    if (auto read = readRanges(*sets, "ipam.ranges", request); !read) return read;
  }
  if (const Json* directory = memberOf(ipam, "dataDir")) {
    if (!directory->is_string()) return bad("ipam.dataDir", *directory, "a directory");
    request.hostLocalDir = *directory;
  }
  if (const Json* file = memberOf(ipam, "resolvConf")) {
    if (!file->is_string()) return bad("ipam.resolvConf", *file, "the path of a resolv.conf");
    if (call.dns.empty()) call.resolvConf = *file;
  }
  return readRoutes(ipam, "ipam", request);
}

/// The result of another plugin, in any version's format.
CniResult<void> readGiven(const Json& result, Call& call) {
  auto& given = call.request.given.emplace();
  const std::string where = "the ipam plugin's result";
  const auto readAddress = [&](const Json& json, const char* key) -> CniResult<void> {
    std::optional<InterfaceAddress> address;
    std::optional<IpAddress> gateway;
    if (auto read = readOne(json, where, key, "an address with its length", address); !read) return read;
    if (!address) return bad(where, json, "an object with an address");
    if (auto read = readOne(json, where, "gateway", "an IP address", gateway); !read) return read;
    given.push_back({*address, gateway});
    return {};
  };
  for (const char* legacy : {"ip4", "ip6"}) {  // before 0.3.0
    const Json* entry = memberOf(result, legacy);
    if (entry == nullptr) continue;
    if (auto read = readAddress(*entry, "ip"); !read) return read;
    if (auto read = readRoutes(*entry, where, call.request); !read) return read;
  }
  if (const Json* ips = memberOf(result, "ips"); ips != nullptr && ips->is_array()) {
    for (const Json& ip : *ips) {
      if (auto read = readAddress(ip, "address"); !read) return read;
    }
  }
  if (given.empty() && !needsInterface(call.delegate)) return bad(where, result, "a result with addresses");
  if (const Json* dns = memberOf(result, "dns"); dns != nullptr && call.dns.empty() && !dns->empty()) {
    call.dns = dns->dump();
  }
  return readRoutes(result, where, call.request);
}

}  // namespace

bool needsInterface(std::string_view ipamPlugin) {
  return ipamPlugin == "dhcp";
}

CniResult<void> readIpam(const Json& config, Call& call) {
  if (const Json* dns = memberOf(config, "dns"); dns != nullptr && !dns->empty()) {
    if (!dns->is_object()) return bad("dns", *dns, "an object");
    call.dns = dns->dump();
  }
  const Json* ipam = memberOf(config, "ipam");
  const Json none = Json::object();
  if (ipam == nullptr) ipam = &none;
  if (!ipam->is_object()) return bad("ipam", *ipam, "an object");
  if (const Json* type = memberOf(*ipam, "type")) {
    // A plugin's name is looked up in CNI_PATH: it must not lead out of there.
    const bool isName = type->is_string() && !type->get_ref<const std::string&>().empty() &&
                        type->get_ref<const std::string&>().find('/') == std::string::npos;
    if (!isName) return bad("ipam.type", *type, "the name of a plugin");
    if (*type != "twill") call.delegate = *type;
  }
  if (call.delegate.empty()) return readOwn(config, *ipam, call);
  bool isGateway = false;
  for (const char* key : {"isGateway", "isDefaultGateway"}) {
    const Json* flag = memberOf(config, key);
    isGateway = isGateway || (flag != nullptr && *flag == true);
  }
  call.request.nodeIsGateway = isGateway;
  const Json* result = memberOf(*ipam, kIpamResult);
  return result == nullptr ? CniResult<void>() : readGiven(*result, call);
}

}  // namespace twill::cni
