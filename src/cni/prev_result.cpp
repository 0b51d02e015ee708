// SPDX-License-Identifier: Apache-2.0
#include "cni/prev_result.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "cni/config.hpp"

namespace twill::cni {
namespace {

using Json = nlohmann::json;

std::string textOf(const Json& object, const char* key) {
  const Json* value = memberOf(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

const Json& listOf(const Json& object, const char* key) {
  static const Json kNone = Json::array();
  const Json* list = memberOf(object, key);
  return list != nullptr && list->is_array() ? *list : kNone;
}

/// The interface in the result that is the container's.
bool isInside(const Json& interface, const AttachRequest& request) {
  return textOf(interface, "name") == request.ifname && !textOf(interface, "sandbox").empty();
}

CniResult<void> readMac(const Json& interfaces, Call& call) {
  for (const Json& interface : interfaces) {
    if (!isInside(interface, call.request)) continue;
    const std::string text = textOf(interface, "mac");
    const auto mac = MacAddress::parse(text);
    if (!text.empty() && !mac)
      return bad("prevResult.interfaces", interface, "an interface with a MAC address");
    if (mac) call.expected.mac = *mac;
  }
  return {};
}

/// Adds to `others` the networks of other interfaces.
CniResult<void> readAddresses(const Json& result, Call& call, std::vector<Prefix>& others) {
  const Json& interfaces = listOf(result, "interfaces");
  for (const Json& ip : listOf(result, "ips")) {
    const Json* which = memberOf(ip, "interface");
    const bool ours = which != nullptr && which->is_number_unsigned() &&
                      which->get<std::size_t>() < interfaces.size() &&
                      isInside(interfaces[which->get<std::size_t>()], call.request);
    const auto address = InterfaceAddress::parse(textOf(ip, "address"));
    if (!ours && address) others.push_back(address->prefix());
    if (!ours) continue;
    if (!address) return bad("prevResult.ips", ip, "an entry with an address and its length");
    call.expected.addresses.push_back(*address);
  }
  return {};
}

/// A result names no interface with a route: it is another's when its gateway is in the other's network only.
bool isOthers(const IpAddress& gateway, const std::vector<InterfaceAddress>& ours,
              const std::vector<Prefix>& others) {
  const auto contains = [&](const Prefix& network) { return network.contains(gateway); };
  return std::any_of(others.begin(), others.end(), contains) &&
         std::none_of(ours.begin(), ours.end(),
                      [&](const InterfaceAddress& address) { return contains(address.prefix()); });
}

CniResult<void> readRoutes(const Json& result, const std::vector<Prefix>& others, Call& call) {
  for (const Json& entry : listOf(result, "routes")) {
    const auto dst = InterfaceAddress::parse(textOf(entry, "dst"));
    const std::string text = textOf(entry, "gw");
    const auto gateway = IpAddress::parse(text);
    if (!dst || (!text.empty() && !gateway))
      return bad("prevResult.routes", entry, "a route with a dst, and a gw that is an IP address");
    if (gateway && isOthers(*gateway, call.expected.addresses, others)) continue;
    ContainerRoute& route = call.expected.routes.emplace_back();
    route.dst = dst->prefix();
    if (gateway) route.via = *gateway;
    const Json* priority = memberOf(entry, "priority");
    if (priority != nullptr && priority->is_number_unsigned())
      route.priority = priority->get<std::uint32_t>();
  }
  return {};
}

CniResult<void> readExpected(const Json& result, Call& call) {
  if (auto read = readMac(listOf(result, "interfaces"), call); !read) return read;
  std::vector<Prefix> others;
  if (auto read = readAddresses(result, call, others); !read) return read;
  return readRoutes(result, others, call);
}

/// The specification's text and its library differ in the key; callers send both.
CniResult<void> readValid(const Json& config, Call& call) {
  for (const char* key : {"cni.dev/valid-attachments", "cni.dev/attachments"}) {
    const Json* list = memberOf(config, key);
    if (list == nullptr) continue;
    if (!list->is_array()) return bad(key, *list, "a list of attachments");
    for (const Json& entry : *list) {
      const std::string container = textOf(entry, "containerID");
      const std::string ifname = textOf(entry, "ifname");
      // One that is not understood must not be taken for dead.
      if (container.empty() || ifname.empty())
        return bad(key, entry, "an object with containerID and ifname");
      call.valid.emplace(container, ifname);
    }
  }
  return {};
}

}  // namespace

CniResult<void> readLeftovers(const Json& config, Call& call) {
  if (call.command == Command::gc) return readValid(config, call);
  const Json* result = memberOf(config, "prevResult");
  if (result != nullptr && !result->is_object()) return bad("prevResult", *result, "an object");
  if (call.command == Command::add && result != nullptr) call.prevResult = result->dump();
  if (call.command != Command::check) return {};
  if (result == nullptr) return bad("prevResult", nullptr, "there; CHECK needs what ADD has answered");
  return readExpected(*result, call);
}

}  // namespace twill::cni
