// SPDX-License-Identifier: Apache-2.0
#include "trace/report.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "trace/route_class.hpp"

namespace twill::trace {
namespace {

class Report {
 public:
  explicit Report(const Paint& paint) : paint_(paint) {}

  void headline(const Trace& trace) {
    const auto name = [](const std::string& place, const std::string& address) {
      return place.empty() ? address : place + " " + address;
    };
    std::string what;
    if (trace.bytes > 0) what = fmt::format("   {} bytes", trace.bytes);
    line(paint_(Tone::bold, fmt::format("{} → {}", name(trace.from, trace.src ? trace.src->text() : ""),
                                        name(trace.to, trace.dst.text()))) +
         paint_(Tone::dim, what));
    line("");
  }

  void hops(const Trace& trace) {
    for (std::size_t i = 0; i < trace.hops.size(); ++i) {
      hop(i + 1, trace.hops[i]);
      if (i + 1 < trace.hops.size()) line(paint_(Tone::dim, "    │"));
    }
    line("");
  }

  void end(const Trace& trace) {
    const int ttl = trace.hops.back().ttl;
    switch (trace.outcome) {
      case Outcome::delivered:
        line(paint_(Tone::good, fmt::format("delivered: {}, TTL {}", trace.text, ttl)));
        break;
      case Outcome::leaves:
        line(paint_(Tone::bold, fmt::format("goes on: {}, TTL {}", trace.text, ttl)));
        break;
      case Outcome::dropped:
        line(paint_(Tone::bad, fmt::format("dropped: {}", trace.text)));
        break;
    }
  }

  void line(const std::string& text) { out_ += text + "\n"; }
  std::string take() { return std::move(out_); }

 private:
  void hop(std::size_t number, const Hop& hop) {
    line(fmt::format("{:>3} {}{}", number, paint_(Tone::bold, hop.place),
                     hop.in.empty() ? "" : paint_(Tone::dim, " in by ") + hop.in));
    if (hop.route.matched) row("route", routeText(hop.route));
    if (hop.nextHop) row("next hop", neighbourText(hop));
    if (!hop.out.empty()) {
      row("out", fmt::format("{}, MTU {}, TTL {}", hop.out, hop.mtu, hop.ttl));
      if (hop.tunnel) tunnel(*hop.tunnel);
    }
    std::vector<std::string> passes;
    for (const Pass& pass : hop.passes)
      passes.push_back(fmt::format("{} {} of {}", pass.place, pass.link, pass.bridge));
    if (!passes.empty()) row("over", fmt::format("{}", fmt::join(passes, " → ")));
    for (const auto& note : hop.notes) row("note", note);
  }

  /// The outer packet, and its road in a line for each place.
  void tunnel(const Tunnel& tunnel) {
    const std::string ends =
        fmt::format("{} → {}: {} bytes more", tunnel.src.text(), tunnel.dst.text(), tunnel.added);
    const std::string_view outerIp = tunnel.dst.isV4() ? "IPv4 20" : "IPv6 40";
    switch (tunnel.kind) {
      case TunnelKind::vxlan:
        row("tunnel", fmt::format("VXLAN {} in UDP {}, {} (Ethernet 14, VXLAN 8, UDP 8, {})", tunnel.vni,
                                  tunnel.port, ends, outerIp));
        break;
      case TunnelKind::udp:
        row("tunnel", fmt::format("the packet itself in UDP {}, {} (UDP 8, {})", tunnel.port, ends, outerIp));
        break;
      case TunnelKind::ipip:
        row("tunnel",
            fmt::format("the packet itself by IP protocol {}, {} ({})", tunnel.protocol, ends, outerIp));
        row("", fmt::format("· made by {} of the kernel{}", tunnel.driver ? "a driver" : "programs",
                            tunnel.mtu != 0 ? fmt::format(", path MTU {}", tunnel.mtu) : ""));
        break;
    }
    for (const Trace& outer : tunnel.road) {
      for (const Hop& hop : outer.hops) row("", outerText(outer, hop));
    }
  }

  static std::string outerText(const Trace& outer, const Hop& hop) {
    if (!hop.nextHop) return fmt::format("· {} in by {}", hop.place, hop.in);
    return fmt::format("· {} out by {} to {}, MTU {}, TTL {}, {} bytes", hop.place, hop.out,
                       hop.nextHop->text(), hop.mtu, hop.ttl, outer.bytes);
  }

  void row(std::string_view label, const std::string& text) {
    line(fmt::format("    {} {:<9}{}", paint_(Tone::dim, "│"), label, text));
  }

  [[nodiscard]] std::string routeText(const RouteAnswer& route) const {
    std::string text = route.matched->length() == 0 ? "default" : route.matched->text();
    if (route.verdict == RouteVerdict::local) text = "local " + text;
    if (route.via) text += " via " + route.via->text();
    if (!route.link.empty()) text += " dev " + route.link;
    if (route.verdict == RouteVerdict::local) return text;
    const auto sort = textOf(classOf(*route.matched, route.protocol));
    return fmt::format("{}   {}", text,
                       paint_(Tone::dim, fmt::format("{}, made by {}", sort, protocolName(route.protocol))));
  }

  [[nodiscard]] static std::string neighbourText(const Hop& hop) {
    const NeighbourEntry& entry = hop.neighbour;
    if (entry.usable())
      return fmt::format("{} at {} ({})", hop.nextHop->text(), entry.mac.text(), textOf(entry.state));
    if (entry.state == NeighbourState::none) {
      return fmt::format("{}, to be resolved when a packet comes", hop.nextHop->text());
    }
    return fmt::format("{} ({})", hop.nextHop->text(), textOf(entry.state));
  }

  const Paint& paint_;
  std::string out_;
};

std::vector<std::string> placesOf(const Trace& trace) {
  std::vector<std::string> places;
  for (const Hop& hop : trace.hops) places.push_back(hop.place);
  return places;
}

void addBack(const RoundTrip& trip, Report& report, const Paint& paint) {
  const Trace& back = *trip.back;
  const bool mirror = isMirror(trip.there, back);
  if (mirror && !trip.full) {
    report.line(
        paint(Tone::good, fmt::format("back: the same places the other way, TTL {}", back.hops.back().ttl)));
    return;
  }
  const bool other = !mirror && back.outcome == Outcome::delivered;
  report.line("");
  report.line(other ? fmt::format("The way back is another: {}.", fmt::join(placesOf(back), " → "))
                    : "The way back:");
  report.headline(back);
  report.hops(back);
  report.end(back);
}

}  // namespace

bool isMirror(const Trace& there, const Trace& back) {
  auto places = placesOf(back);
  std::reverse(places.begin(), places.end());
  return there.outcome == Outcome::delivered && back.outcome == Outcome::delivered &&
         placesOf(there) == places;
}

std::string toText(const RoundTrip& trip, const Paint& paint) {
  Report report(paint);
  report.headline(trip.there);
  report.hops(trip.there);
  report.end(trip.there);
  if (trip.back) addBack(trip, report, paint);
  report.line(
      paint(Tone::dim, "not looked at: packet filters and NAT, VLANs, STP and isolation of bridge ports"));
  return report.take();
}

}  // namespace twill::trace
