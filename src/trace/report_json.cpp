// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "trace/report.hpp"
#include "trace/route_class.hpp"

namespace twill::trace {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json textOrNull(const std::optional<T>& value) {
  return value ? Json(value->text()) : Json(nullptr);
}

Json routeJson(const RouteAnswer& route) {
  if (!route.matched) return nullptr;
  return {{"dst", route.matched->text()},
          {"class",
           route.verdict == RouteVerdict::local ? "local" : textOf(classOf(*route.matched, route.protocol))},
          {"protocol", protocolName(route.protocol)},
          {"via", textOrNull(route.via)},
          {"dev", route.link},
          {"metric", route.metric},
          {"table", route.table}};
}

Json neighbourJson(const Hop& hop) {
  if (!hop.nextHop) return nullptr;
  const NeighbourEntry& entry = hop.neighbour;
  return {{"address", hop.nextHop->text()},
          {"mac", entry.usable() ? Json(entry.mac.text()) : Json(nullptr)},
          {"state", textOf(entry.state)}};
}

Json traceJson(const Trace& trace);

Json tunnelJson(const Hop& hop) {
  if (!hop.tunnel) return nullptr;
  const Tunnel& tunnel = *hop.tunnel;
  const auto numberIf = [](bool there, auto number) { return there ? Json(number) : Json(nullptr); };
  const bool ipip = tunnel.kind == TunnelKind::ipip;
  return {{"type", textOf(tunnel.kind)},
          {"vni", numberIf(tunnel.kind == TunnelKind::vxlan, tunnel.vni)},
          {"protocol", tunnel.protocol},
          {"port", numberIf(!ipip, tunnel.port)},
          {"engine", ipip ? Json(tunnel.driver ? "driver" : "ebpf") : Json(nullptr)},
          {"mtu", numberIf(ipip && tunnel.mtu != 0, tunnel.mtu)},
          {"src", tunnel.src.text()},
          {"dst", tunnel.dst.text()},
          {"added", tunnel.added},
          {"road", tunnel.road.empty() ? Json(nullptr) : traceJson(tunnel.road.front())}};
}

Json hopJson(const Hop& hop) {
  Json passes = Json::array();
  for (const Pass& pass : hop.passes) {
    passes.push_back({{"place", pass.place}, {"link", pass.link}, {"bridge", pass.bridge}});
  }
  return {{"place", hop.place},
          {"in", hop.in},
          {"route", routeJson(hop.route)},
          {"neighbour", neighbourJson(hop)},
          {"out", hop.out},
          {"mtu", hop.mtu},
          {"ttl", hop.ttl},
          {"tunnel", tunnelJson(hop)},
          {"passes", passes},
          {"notes", hop.notes}};
}

Json traceJson(const Trace& trace) {
  Json hops = Json::array();
  for (const Hop& hop : trace.hops) hops.push_back(hopJson(hop));
  return {{"from", trace.from},
          {"to", trace.to},
          {"src", textOrNull(trace.src)},
          {"dst", trace.dst.text()},
          {"bytes", trace.bytes},
          {"outcome", textOf(trace.outcome)},
          {"reason", textOf(trace.reason)},
          {"text", trace.text},
          {"hops", hops}};
}

}  // namespace

std::string toJson(const RoundTrip& trip) {
  Json json = traceJson(trip.there);
  json["back"] = trip.back ? traceJson(*trip.back) : Json(nullptr);
  json["symmetric"] = trip.back ? Json(isMirror(trip.there, *trip.back)) : Json(nullptr);
  // Names of links and containers are other people's; a broken byte must not stop the answer.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace twill::trace
