// SPDX-License-Identifier: Apache-2.0
#include "trace/walk.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "plan/network_names.hpp"
#include "trace/delivery.hpp"
#include "trace/route_class.hpp"
#include "trace/tunnel.hpp"

namespace twill::trace {
namespace {

/// "blackhole 172.16.1.0/24, static"
std::string nameRoute(std::string_view kind, const RouteAnswer& answer) {
  if (!answer.matched) return std::string(kind);
  return fmt::format("{} {}, {}", kind, answer.matched->text(), protocolName(answer.protocol));
}

class Walker {
 public:
  Walker(const Network& network, const Packet& packet)
      : network_(network), at_(packet.from), in_(packet.in), ttl_(packet.ttl) {
    trace_.from = network.places[packet.from].name;
    trace_.src = packet.src;
    trace_.dst = packet.dst;
    trace_.bytes = packet.bytes;
  }

  Result<Trace> run() {
    while (true) {
      TWILL_TRY(const bool goesOn, step());
      if (!goesOn) return std::move(trace_);
    }
  }

 private:
  [[nodiscard]] const Place& here() const { return network_.places[at_]; }
  Hop& hop() { return trace_.hops.back(); }

  bool drop(Reason reason, std::string text) {
    trace_.outcome = Outcome::dropped;
    trace_.reason = reason;
    trace_.text = std::move(text);
    return false;
  }

  Result<bool> step() {
    trace_.hops.push_back({.place = here().name, .in = in_, .ttl = ttl_});
    if (!visited_.insert({at_, in_}).second) {
      return drop(Reason::loop,
                  fmt::format("{} had it before: it goes round until its TTL is over", here().name));
    }
    TWILL_TRY(hop().route, here().lookUp({.dst = trace_.dst, .src = trace_.src, .iif = in_}));
    const RouteVerdict verdict = hop().route.verdict;
    if (verdict == RouteVerdict::local) {
      trace_.outcome = Outcome::delivered;
      trace_.to = here().name;
      trace_.text = fmt::format("{} is an address of {}", trace_.dst.text(), here().name);
      if (!trace_.src) trace_.src = trace_.dst;
      return false;
    }
    if (verdict != RouteVerdict::unicast) return refuse();
    if (!in_.empty() && !forward()) return false;
    return send();
  }

  [[nodiscard]] bool isContainers(const std::optional<IpAddress>& address) const {
    const auto place = address ? network_.placeOf(*address) : std::nullopt;
    return place && network_.places[*place].kind == PlaceKind::container;
  }

  /// What comes in by `entrance` may go past all that, from container to container. The road that is shown is
  /// that of ICMP.
  void noteFastPath(const Port& entrance) {
    const Interface* interface = network_.places[entrance.place].find(entrance.link);
    if (interface == nullptr || !interface->fastPath) return;
    if (!isContainers(trace_.src) || !isContainers(trace_.dst)) return;
    hop().notes.push_back(
        fmt::format("fast path: from {} {} on, TCP and UDP go past bridge, firewall and routing",
                    network_.places[entrance.place].name, entrance.link));
  }

  /// The bridge's port for what came in by a bridge.
  [[nodiscard]] Port entrance() const {
    const auto& hops = trace_.hops;
    if (hops.size() < 2 || hops[hops.size() - 2].passes.empty()) return {at_, in_};
    const Pass& pass = hops[hops.size() - 2].passes.back();
    return pass.place == here().name ? Port{at_, pass.link} : Port{at_, in_};
  }

  /// The kernel drops it here.
  Result<bool> refuse() {
    const RouteAnswer& route = hop().route;
    const std::string& name = here().name;
    switch (route.verdict) {
      case RouteVerdict::blackhole:
        return drop(Reason::blackhole,
                    fmt::format("{} drops it in silence: {}", name, nameRoute("blackhole", route)));
      case RouteVerdict::unreachable:
        return drop(Reason::unreachable, fmt::format("{} answers \"host unreachable\": {}", name,
                                                     nameRoute("unreachable", route)));
      case RouteVerdict::prohibit:
        return drop(Reason::prohibit,
                    fmt::format("{} answers \"prohibited\": {}", name, nameRoute("prohibit", route)));
      case RouteVerdict::refusedSource:
        return refuseSource();
      case RouteVerdict::notForwarding:
        return stopForwarding("ipv4");
      case RouteVerdict::group:
        return drop(Reason::group, fmt::format("{} is no address of a single host", trace_.dst.text()));
      default:
        return drop(Reason::noRoute,
                    fmt::format("{} has no route to {}{}", name, trace_.dst.text(), linksDown()));
    }
  }

  /// A link that is down takes its routes with it.
  [[nodiscard]] std::string linksDown() const {
    std::vector<std::string> down;
    for (const auto& [name, interface] : here().interfaces) {
      if (!interface.link.up && !interface.addresses.empty()) down.push_back(name);
    }
    return down.empty() ? ""
                        : fmt::format("; {} is down, which takes its routes away", fmt::join(down, ", "));
  }

  Result<bool> refuseSource() {
    const std::string src = trace_.src ? trace_.src->text() : "its source";
    const std::string what = fmt::format("{} refuses {} as a source on {}", here().name, src, in_);
    if (trace_.src && here().holder(*trace_.src) != nullptr) {
      return drop(Reason::reversePath, what + ": that address is its own");
    }
    TWILL_TRY(const auto back,
              here().lookUp({.dst = trace_.src.value_or(IpAddress()), .src = {}, .iif = ""}));
    if (back.verdict != RouteVerdict::unicast) {
      return drop(Reason::reversePath, what + ": it has no route back (rp_filter)");
    }
    if (back.link != in_) {
      return drop(Reason::reversePath,
                  fmt::format("{}: its own way there is {} (strict rp_filter)", what, back.link));
    }
    return drop(Reason::reversePath, what);
  }

  /// It came to a place that will not pass it on: the wrong place, or the right one with forwarding off.
  bool stopForwarding(std::string_view family) {
    const auto& hops = trace_.hops;
    const bool meantForHere = hops.size() > 1 && hops[hops.size() - 2].nextHop == trace_.dst;
    if (meantForHere) {
      return drop(Reason::notLocal, fmt::format("it ends at {}, which does not have {} and does not forward",
                                                here().name, trace_.dst.text()));
    }
    return drop(Reason::notForwarding,
                fmt::format("{} does not forward what comes in by {} (net.{}.conf.{}.forwarding)",
                            here().name, in_, family, family == "ipv4" ? in_ : "all"));
  }

  /// What a router does before it sends on. False: it dropped the packet.
  bool forward() {
    if (!trace_.dst.isV4() && !here().interfaces.at(in_).forwards6) return stopForwarding("ipv6");
    if (ttl_ <= 1) return drop(Reason::ttl, fmt::format("its TTL is over at {}", here().name));
    hop().ttl = --ttl_;
    return true;
  }

  Result<bool> send() {
    const RouteAnswer& route = hop().route;
    const Port out{at_, route.link};
    const Interface* interface = here().find(route.link);
    if (interface == nullptr) {
      return fail(fmt::format("{} routes by '{}', which was not there a moment ago; try again", here().name,
                              route.link),
                  Error::Kind::busy);
    }
    hop().out = route.link;
    hop().nextHop = route.via.value_or(trace_.dst);
    if (const auto obstacle = obstacleAt(out)) return obstruct(*obstacle);
    if (!trace_.src) trace_.src = route.source;
    if (!fits(*interface)) return false;
    if (here().kind == PlaceKind::node) noteFastPath(entrance());
    if (interface->link.vxlan) return sendInside(interface->link);
    if (here().udp && here().udp->device == route.link) return sendInUdp();
    if (interface->ipipExit || interface->link.ipTunnel) return sendInIpip(*interface);

    TWILL_TRY(auto delivery, deliver(network_, out, *hop().nextHop, askingAddress(*interface)));
    hop().neighbour = delivery.entry;
    for (auto& note : delivery.notes) hop().notes.push_back(std::move(note));
    if (delivery.exit) return leave(*delivery.exit);
    if (!delivery.to) return drop(Reason::neighbour, fmt::format("{}: {}", here().name, delivery.fault));
    if (here().kind == PlaceKind::container && delivery.to->port.place == network_.placeOf(trace_.dst) &&
        !delivery.to->way.empty()) {
      noteFastPath(delivery.to->way.front().port);
    }
    for (const auto& crossing : delivery.to->way) {
      if (crossing.bridge.empty()) continue;
      hop().passes.push_back(
          {network_.places[crossing.port.place].name, crossing.port.link, crossing.bridge});
    }
    const int bytes = std::min(trace_.bytes, hop().mtu);
    if (const auto obstacle = obstructionOn(network_, delivery.to->way, bytes)) return obstruct(*obstacle);
    at_ = delivery.to->port.place;
    in_ = delivery.to->port.link;
    return true;
  }

  /// Into a tunnel, where nobody can be asked: neighbour and forwarding entry say all.
  Result<bool> sendInside(const Link& device) {
    for (const NeighbourEntry& entry : here().neighbours) {
      if (entry.link == device.name && entry.address == *hop().nextHop) hop().neighbour = entry;
    }
    const MacAddress mac = hop().neighbour.mac;
    if (!hop().neighbour.usable() || mac.isZero()) {
      return drop(Reason::tunnel, fmt::format("{} {} has no neighbour entry for {}", here().name, device.name,
                                              hop().nextHop->text()));
    }
    hop().tunnel = encapsulate(here(), device, mac);
    if (!hop().tunnel) {
      return drop(Reason::tunnel,
                  fmt::format("{} {} has no forwarding entry for {}", here().name, device.name, mac.text()));
    }
    TWILL_CHECK(followOuter());
    const Tunnel& tunnel = *hop().tunnel;
    return comeOut(tunnel, [&] { return decapsulate(here(), tunnel, mac); });
  }

  /// Into one that a process, or the kernel in its place, carries: its own table says all.
  Result<bool> sendInUdp() {
    hop().nextHop.reset();  // nobody behind a TUN answers for one
    hop().tunnel = encapsulateByUdp(here(), trace_.dst);
    if (!hop().tunnel) {
      return drop(Reason::tunnel,
                  fmt::format("{} {} knows no peer for {}", here().name, hop().out, trace_.dst.text()));
    }
    TWILL_CHECK(followOuter());
    const Tunnel& tunnel = *hop().tunnel;
    return comeOut(tunnel, [&] { return decapsulateByUdp(here(), tunnel, *trace_.src); });
  }

  /// Into one that programs of the kernel make, whose map says all, or a driver, which goes by the next hop.
  Result<bool> sendInIpip(const Interface& device) {
    hop().tunnel = device.ipipExit ? encapsulateByIpip(device, trace_.dst)
                                   : encapsulateByDriver(device.link, *hop().nextHop);
    hop().nextHop.reset();  // nobody behind such a device answers for one
    if (!hop().tunnel) {
      return drop(Reason::tunnel,
                  fmt::format("{} {} knows no peer for {}", here().name, hop().out, trace_.dst.text()));
    }
    TWILL_CHECK(followOuter());
    Tunnel& tunnel = *hop().tunnel;
    const Trace& outer = tunnel.road.front();
    if (const Hop* least = narrowest(outer)) {
      tunnel.mtu = least->mtu;
      if (outer.bytes > tunnel.mtu) {
        return drop(Reason::mtu, fmt::format("in the tunnel: {} bytes do not fit into the MTU of {} at {}, "
                                             "and nothing fragments there",
                                             outer.bytes, tunnel.mtu, least->place));
      }
    }
    return comeOut(tunnel, [&] { return decapsulateByIpip(here(), tunnel, *trace_.src, trace_.dst); });
  }

  Result<void> followOuter() {
    Tunnel& tunnel = *hop().tunnel;
    const int bytes = std::min(trace_.bytes, hop().mtu) + tunnel.added;
    TWILL_TRY(Trace outer,
              walk(network_, {.from = at_, .in = "", .dst = tunnel.dst, .src = tunnel.src, .bytes = bytes}));
    tunnel.road.push_back(std::move(outer));
    return {};
  }

  /// Goes on where the outer packet was delivered, by the device that takes the inner one out.
  template <class Decapsulate>
  bool comeOut(const Tunnel& tunnel, const Decapsulate& decapsulated) {
    const Trace& outer = tunnel.road.front();
    if (outer.outcome == Outcome::dropped) return drop(outer.reason, "in the tunnel: " + outer.text);
    if (outer.outcome == Outcome::leaves) {
      trace_.outcome = Outcome::leaves;
      trace_.text = "in the tunnel " + outer.text;
      return false;
    }
    at_ = *network_.placeNamed(outer.to);
    const auto device = decapsulated();
    if (!device) return drop(Reason::tunnel, device.error().text);
    in_ = *device;
    return true;
  }

  /// What stops a packet on its way out; a device whose packets a program takes needs no carrier.
  [[nodiscard]] std::optional<Obstruction> obstacleAt(const Port& out) const {
    auto obstacle = obstructionOn(network_, {{out, ""}}, 0);
    if (obstacle && obstacle->why == Obstruction::Why::noCarrier && network_.at(out).ipipExit)
      obstacle.reset();
    return obstacle;
  }

  /// What ARP requests carry as the sender: the packet's source where it was made, else an address of the
  /// link.
  [[nodiscard]] std::optional<IpAddress> askingAddress(const Interface& interface) const {
    if (in_.empty()) return trace_.src;
    for (const auto& own : interface.addresses) {
      if (own.address.isV4()) return own.address;
    }
    return trace_.src;
  }

  /// Larger than the MTU: a drop only for a router of IPv6.
  bool fits(const Interface& interface) {
    const int linkMtu = interface.link.mtu.value_or(0);
    hop().mtu = hop().route.mtu != 0 ? static_cast<int>(hop().route.mtu) : linkMtu;
    if (trace_.bytes == 0) trace_.bytes = hop().mtu;
    if (trace_.bytes <= hop().mtu) return true;
    const std::string what = fmt::format("{} bytes do not fit into the MTU of {}", trace_.bytes, hop().mtu);
    if (in_.empty()) {
      hop().notes.push_back(what + ": the sender makes smaller packets");
    } else if (trace_.dst.isV4()) {
      hop().notes.push_back(what +
                            ": it is fragmented, or with DF set answered by ICMP \"fragmentation needed\"");
    } else {
      return drop(Reason::mtu, fmt::format("{}: {} answers by ICMPv6 \"packet too big\"", what, here().name));
    }
    return true;
  }

  bool leave(const Crossing& exit) {
    if (const auto obstacle = obstructionOn(network_, {exit}, 0)) return obstruct(*obstacle);
    trace_.outcome = Outcome::leaves;
    trace_.text =
        fmt::format("it leaves {} by {} for {}", here().name, exit.port.link, hop().nextHop->text());
    return false;
  }

  bool obstruct(const Obstruction& obstacle) {
    const Interface& interface = network_.at(obstacle.port);
    const std::string where =
        fmt::format("{} {}", network_.places[obstacle.port.place].name, obstacle.port.link);
    switch (obstacle.why) {
      case Obstruction::Why::down:
        return drop(Reason::linkDown, where + " is down");
      case Obstruction::Why::noCarrier:
        if (interface.link.name == kIpipDevice)
          return drop(Reason::linkDown, where + " has no program that encapsulates what goes out by it");
        return drop(Reason::linkDown,
                    where + " has no carrier: " +
                        (interface.link.kind == LinkKind::tun ? "no process is attached to it"
                                                              : "its other end is down or gone"));
      case Obstruction::Why::tooSmall:
        break;
    }
    return drop(Reason::mtu, fmt::format("{} takes {} bytes: a larger packet is dropped in silence", where,
                                         interface.link.mtu.value_or(0)));
  }

  const Network& network_;
  Trace trace_;
  std::size_t at_;
  std::string in_;
  int ttl_;
  std::set<Port> visited_;
};

}  // namespace

Result<Trace> walk(const Network& network, const Packet& packet) {
  return Walker(network, packet).run();
}

}  // namespace twill::trace
