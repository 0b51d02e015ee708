// SPDX-License-Identifier: Apache-2.0
#include "cni/port_mappings.hpp"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cni/config.hpp"

namespace twill::cni {
namespace {

using Json = nlohmann::json;

/// 0 when it is not there.
CniResult<std::uint16_t> readPort(const Json& entry, const std::string& where, const char* key) {
  const Json* port = memberOf(entry, key);
  if (port == nullptr) return std::uint16_t{0};
  const bool fits = port->is_number_integer() && *port >= 0 && *port <= 65535;
  if (!fits) return bad(where + "." + key, *port, "a number from 0 to 65535");
  return port->get<std::uint16_t>();
}

CniResult<PortProtocol> readProtocol(const Json& entry, const std::string& where) {
  const Json* word = memberOf(entry, "protocol");
  if (word == nullptr || isEmptyText(*word)) return PortProtocol::tcp;
  for (const auto& [name, protocol] :
       {std::pair{"tcp", PortProtocol::tcp}, {"udp", PortProtocol::udp}, {"sctp", PortProtocol::sctp}}) {
    if (word->is_string() && sameWord(word->get_ref<const std::string&>(), name)) return protocol;
  }
  return bad(where + ".protocol", *word, "tcp, udp or sctp");
}

/// Absent and empty: every address of the node. 0.0.0.0 and :: stay, for every address of one family.
CniResult<std::optional<IpAddress>> readHostIp(const Json& entry, const std::string& where) {
  const Json* text = memberOf(entry, "hostIP");
  if (text == nullptr || isEmptyText(*text)) return std::optional<IpAddress>();
  const auto address =
      text->is_string() ? IpAddress::parse(text->get_ref<const std::string&>()) : fail("not text");
  if (!address) return bad(where + ".hostIP", *text, "an IP address");
  // As a source or a destination it never leaves lo: IPv6 has nothing like IPv4's route_localnet.
  if (!address->isV4() && address->isLoopback()) {
    return bad(
        where + ".hostIP", *text,
        "an address that leads to a container: the kernel keeps ::1 on the node itself; take 127.0.0.1, "
        "an IPv6 address of the node, or \"::\" for all of them");
  }
  return std::optional(*address);
}

/// One without a host port is a note about the container, not a wish, as the reference plugin has it.
CniResult<void> readPortMapping(const Json& entry, const std::string& where, AttachRequest& request) {
  if (!entry.is_object()) return bad(where, entry, "an object");
  auto hostPort = readPort(entry, where, "hostPort");
  if (!hostPort) return tl::unexpected(std::move(hostPort).error());
  if (*hostPort == 0) return {};
  auto containerPort = readPort(entry, where, "containerPort");
  if (!containerPort) return tl::unexpected(std::move(containerPort).error());
  if (*containerPort == 0) return bad(where + ".containerPort", 0, "a number from 1 to 65535");
  auto protocol = readProtocol(entry, where);
  if (!protocol) return tl::unexpected(std::move(protocol).error());
  auto hostIp = readHostIp(entry, where);
  if (!hostIp) return tl::unexpected(std::move(hostIp).error());
  request.ports.push_back(
      {.protocol = *protocol, .hostIp = *hostIp, .hostPort = *hostPort, .containerPort = *containerPort});
  return {};
}

}  // namespace

CniResult<void> readPortMappings(const Json& runtime, AttachRequest& request) {
  const std::string where = "runtimeConfig.portMappings";
  const Json* mappings = memberOf(runtime, "portMappings");
  if (mappings == nullptr) return {};
  if (!mappings->is_array()) return bad(where, *mappings, "a list of port mappings");
  for (std::size_t i = 0; i < mappings->size(); ++i) {
    auto read = readPortMapping((*mappings)[i], fmt::format("{}[{}]", where, i), request);
    if (!read) return read;
  }
  return {};
}

}  // namespace twill::cni
