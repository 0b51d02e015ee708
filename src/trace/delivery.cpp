// SPDX-License-Identifier: Apache-2.0
#include "trace/delivery.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace twill::trace {
namespace {

bool carries(const Interface& interface, const IpAddress& address) {
  return std::any_of(interface.addresses.begin(), interface.addresses.end(),
                     [&](const InterfaceAddress& own) { return own.address == address; });
}

class Resolver {
 public:
  Resolver(const Network& network, const Port& out, const IpAddress& nextHop, std::optional<IpAddress> sender)
      : network_(network), out_(out), nextHop_(nextHop), sender_(sender), segment_(segmentOf(network, out)) {
    std::erase_if(segment_.stations, [&](const Station& station) { return station.port.place == out.place; });
  }

  Result<Delivery> run() {
    for (const NeighbourEntry& entry : network_.places[out_.place].neighbours) {
      if (entry.link == out_.link && entry.address == nextHop_) delivery_.entry = entry;
    }
    delivery_.entry.link = out_.link;
    delivery_.entry.address = nextHop_;
    TWILL_TRY(const Station* owner, findOwner());
    if (delivery_.entry.usable() && !delivery_.entry.mac.isZero()) {
      followMac(owner);
    } else {
      ask(owner);
    }
    return std::move(delivery_);
  }

 private:
  /// An IPv4 address is answered for on every link of its place, one of IPv6 only on its own
  /// (arp_process() in net/ipv4/arp.c, ndisc_recv_ns() in net/ipv6/ndisc.c).
  Result<bool> answers(const Station& station) const {
    const Place& place = network_.places[station.port.place];
    const Interface& interface = network_.at(station.port);
    if (carries(interface, nextHop_)) return true;
    const auto& proxied = interface.proxied;
    if (std::find(proxied.begin(), proxied.end(), nextHop_) != proxied.end()) return true;
    if (!nextHop_.isV4()) return false;
    if (place.holder(nextHop_) != nullptr) return true;
    if (!interface.proxyArp || !sender_) return false;
    TWILL_TRY(const auto route, place.lookUp({.dst = nextHop_, .src = *sender_, .iif = station.port.link}));
    return route.verdict == RouteVerdict::unicast && route.link != station.port.link;
  }

  /// Null when nobody answers.
  Result<const Station*> findOwner() {
    std::vector<const Station*> owners;
    for (const Station& station : segment_.stations) {
      TWILL_TRY(const bool answered, answers(station));
      if (answered) owners.push_back(&station);
    }
    // One that carries the address on this very link is meant before one that only answers too.
    std::stable_partition(owners.begin(), owners.end(), [&](const Station* station) {
      return carries(network_.at(station->port), nextHop_);
    });
    const auto carriers = std::count_if(owners.begin(), owners.end(), [&](const Station* station) {
      return carries(network_.at(station->port), nextHop_);
    });
    if (carriers > 1) {
      delivery_.notes.push_back(fmt::format("{} and {} both have {}: who answers first gets the packets",
                                            nameOf(*owners[0]), nameOf(*owners[1]), nextHop_.text()));
    }
    return owners.empty() ? nullptr : owners.front();
  }

  /// The packet goes to whoever has the MAC of the entry, right or wrong.
  void followMac(const Station* owner) {
    const MacAddress& mac = delivery_.entry.mac;
    const auto holds = [&](const Station& station) { return network_.at(station.port).link.mac == mac; };
    const auto& stations = segment_.stations;
    const auto other = std::find_if(stations.begin(), stations.end(), holds);
    const Station* found = other == stations.end() ? nullptr : &*other;
    if (owner != nullptr && holds(*owner)) found = owner;
    if (found != nullptr) {
      delivery_.to = *found;
      if (found != owner) {
        delivery_.notes.push_back(fmt::format("the neighbour entry says {}, which is {}; {}", mac.text(),
                                              nameOf(*found), whoHasIt(owner)));
      }
    } else if (!segment_.exits.empty() && owner == nullptr) {
      delivery_.exit = segment_.exits.front();
    } else {
      delivery_.fault = fmt::format("the neighbour entry for {} says {}, which nobody on the segment has; {}",
                                    nextHop_.text(), mac.text(), whoHasIt(owner));
    }
  }

  void ask(const Station* owner) {
    const NeighbourState state = delivery_.entry.state;
    if (owner != nullptr) {
      delivery_.to = *owner;
      if (state == NeighbourState::failed) {
        delivery_.notes.push_back(
            fmt::format("{} did not answer when it was last asked for", nextHop_.text()));
      }
    } else if (!segment_.exits.empty() && state != NeighbourState::failed) {
      delivery_.exit = segment_.exits.front();
    } else if (!segment_.exits.empty()) {
      delivery_.fault = fmt::format("{} does not answer (neighbour entry: failed)", nextHop_.text());
    } else {
      delivery_.fault =
          fmt::format("nobody on the segment of {} has {}{}", out_.link, nextHop_.text(), elsewhere());
    }
  }

  [[nodiscard]] std::string nameOf(const Station& station) const {
    return fmt::format("{} {}", network_.places[station.port.place].name, station.port.link);
  }
  [[nodiscard]] std::string whoHasIt(const Station* owner) const {
    if (owner == nullptr) return fmt::format("nobody on the segment has {}", nextHop_.text());
    const auto& mac = network_.at(owner->port).link.mac;
    return fmt::format("{} is at {}, {}", nextHop_.text(), nameOf(*owner),
                       mac ? mac->text() : "without a MAC");
  }
  [[nodiscard]] std::string elsewhere() const {
    const auto place = network_.placeOf(nextHop_);
    return place ? fmt::format("; {} has it, on another segment", network_.places[*place].name) : "";
  }

  const Network& network_;
  const Port& out_;
  const IpAddress& nextHop_;
  std::optional<IpAddress> sender_;
  Segment segment_;
  Delivery delivery_;
};

}  // namespace

Result<Delivery> deliver(const Network& network, const Port& out, const IpAddress& nextHop,
                         const std::optional<IpAddress>& sender) {
  return Resolver(network, out, nextHop, sender).run();
}

}  // namespace twill::trace
