// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cni/call.hpp"

namespace twill::cni {
namespace {

using Json = nlohmann::ordered_json;

/// Result formats, by what the specification changed in them.
enum class Format { legacy, listsWithVersion, lists, listsWithAttributes };

Format formatOf(const std::string& version) {
  if (version == "0.1.0" || version == "0.2.0") return Format::legacy;
  if (version.starts_with("0.")) return Format::listsWithVersion;
  return version == "1.0.0" ? Format::lists : Format::listsWithAttributes;
}

/// The one in the address's own network, else any of the family.
const IpAddress* gatewayOf(const Attachment& attachment, const InterfaceAddress& address) {
  const IpAddress* found = nullptr;
  for (const IpAddress& gateway : attachment.gateways) {
    if (gateway.family() != address.address.family()) continue;
    if (address.prefix().contains(gateway)) return &gateway;
    found = &gateway;
  }
  return found;
}

Json toJson(const ContainerRoute& route) {
  Json entry = {{"dst", route.dst.text()}};
  if (route.via) entry["gw"] = route.via->text();
  return entry;
}

void addAttributes(const ContainerRoute& route, Json& entry) {
  for (const RouteNumber& attribute : kRouteNumbers) {
    if (route.*attribute.member != 0) entry[attribute.name] = route.*attribute.member;
  }
  if (route.scope) entry["scope"] = *route.scope;
}

Json routesOf(const Attachment& attachment, bool withAttributes) {
  Json routes = Json::array();
  for (const ContainerRoute& route : attachment.routes) {
    Json entry = toJson(route);
    if (withAttributes) addAttributes(route, entry);
    routes.push_back(std::move(entry));
  }
  return routes;
}

/// 0.1.0 and 0.2.0: ip4 and ip6, one address each, and no interfaces.
Json legacyResult(const Attachment& attachment) {
  Json result = Json::object();
  for (const InterfaceAddress& address : attachment.addresses) {
    Family family = address.address.family();
    if (result.contains(family == Family::v4 ? "ip4" : "ip6")) continue;
    Json entry = {{"ip", address.text()}};
    if (const IpAddress* gateway = gatewayOf(attachment, address)) entry["gateway"] = gateway->text();
    for (const ContainerRoute& route : attachment.routes) {
      if (route.dst.family() == family) entry["routes"].push_back(toJson(route));
    }
    result[family == Family::v4 ? "ip4" : "ip6"] = std::move(entry);
  }
  return result;
}

Json interfacesOf(const Attachment& attachment, bool withMtu) {
  Json host = {{"name", attachment.hostIfname}, {"mac", attachment.hostMac.text()}};
  Json inside = {{"name", attachment.ifname}, {"mac", attachment.mac.text()}};
  if (withMtu) host["mtu"] = inside["mtu"] = attachment.mtu;
  inside["sandbox"] = attachment.netns;
  Json interfaces = Json::array();
  if (attachment.mode == AttachMode::bridge) interfaces.push_back({{"name", attachment.bridge}});
  interfaces.push_back(std::move(host));
  interfaces.push_back(std::move(inside));
  return interfaces;
}

/// Takes `fresh` as the continuation of a list in `result`.
void append(Json& result, const char* key, Json fresh) {
  Json& list = result[key];
  if (!list.is_array()) list = Json::array();
  for (Json& entry : fresh) list.push_back(std::move(entry));
}

}  // namespace

std::string formatResult(const Attachment& attachment, const Call& call) {
  const Format format = formatOf(call.version);
  Json result = call.prevResult.empty() ? Json::object() : Json::parse(call.prevResult);
  result["cniVersion"] = call.version;
  const Json dns = call.dns.empty() ? Json::object() : Json::parse(call.dns);
  if (format == Format::legacy) {
    result.update(legacyResult(attachment));
    if (!dns.empty()) result["dns"] = dns;
    return result.dump() + "\n";
  }
  const bool withAttributes = format == Format::listsWithAttributes;
  append(result, "interfaces", interfacesOf(attachment, withAttributes));
  const auto inside = result["interfaces"].size() - 1;
  Json ips = Json::array();
  for (const InterfaceAddress& address : attachment.addresses) {
    Json entry = Json::object();
    if (format == Format::listsWithVersion) entry["version"] = address.address.isV4() ? "4" : "6";
    entry["interface"] = inside;
    entry["address"] = address.text();
    if (const IpAddress* gateway = gatewayOf(attachment, address)) entry["gateway"] = gateway->text();
    ips.push_back(std::move(entry));
  }
  append(result, "ips", std::move(ips));
  append(result, "routes", routesOf(attachment, withAttributes));
  if (!dns.empty() || !result.contains("dns")) result["dns"] = dns;
  return result.dump() + "\n";
}

std::string formatError(const CniError& error) {
  Json json = {{"cniVersion", error.version.empty() ? "1.1.0" : error.version},
               {"code", error.code},
               {"msg", error.msg}};
  if (!error.details.empty()) json["details"] = error.details;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

CniError toCniError(const Error& error, const std::string& version) {
  int code = kInternal;
  if (error.kind == Error::Kind::busy) code = kTryAgain;
  if (error.kind == Error::Kind::invalid) code = kBadConfig;
  if (error.code == ESTALE) code = kBadNamespace;  // kernel/veth.hpp
  if (error.code == ENOSPC || error.code == EDQUOT || error.code == EROFS || error.code == EIO) code = kIo;
  return {.code = code, .msg = error.text, .details = "", .version = version};
}

}  // namespace twill::cni
