// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trace/network.hpp"

/// What a diagram says, sorted out of a Network but not yet anywhere on the page. In each `fault` an empty
/// text means that all is well.
namespace twill::trace::diagram {

struct LinkLine {
  std::string link;
  std::vector<std::string> addresses;
  std::string leadsTo;  ///< where its cable ends, if the cable is not drawn
  std::string fault;
  std::string tip;
};

struct RouteLine {
  std::string dst;
  std::string hop;   ///< next hop, else the link, else "blackhole" and its kin
  std::string link;  ///< where `hop` is an address
  bool ours = false;
  bool isDefault = false;
  bool dead = false;  ///< by a link that is down
  std::string tip;
};

struct ContainerBox {
  std::string place;
  std::string name;      ///< `place` without its node's
  std::string hostLink;  ///< its cable's end on the node; empty when there is none
  std::vector<std::string> addresses;
  std::string fault;
};

/// Containers that hang on one bridge, or on none.
struct Group {
  std::string bridge;  ///< empty: each has its own road to the node's routing
  std::vector<std::string> addresses;
  std::vector<ContainerBox> containers;
  std::string fault;
};

/// A cable to a segment.
struct Uplink {
  std::size_t segment = 0;
  std::string link;
  std::string fault;
};

/// A node or a router.
struct Card {
  std::string place;
  std::vector<Uplink> uplinks;  ///< a node is drawn at its first
  std::vector<LinkLine> links;
  std::vector<Group> groups;
  std::vector<RouteLine> routes;
};

struct SegmentBus {
  enum class Kind : std::uint8_t {
    known,
    outside,  ///< what lies beyond the links that lead out of what is known
    none,     ///< for nodes that are on no segment
  };
  Kind kind = Kind::known;
  std::string name;
  std::vector<std::string> prefixes;
  std::string fault;
  std::vector<Card> nodes;
};

struct Content {
  std::vector<SegmentBus> segments;
  std::vector<Card> routers;
  std::vector<std::string> faults;  ///< all of them, with the place: "node1: eth0 down"
};

[[nodiscard]] Content contentOf(const Network& network);

/// "1 fault", "2 faults"
[[nodiscard]] std::string counted(std::size_t count, std::string_view what);
/// "3 nodes, 6 containers, 1 segment"
[[nodiscard]] std::string sizeOf(const Content& content);
/// The whole in words, for those who cannot see it: its size, which node is where, what is wrong.
[[nodiscard]] std::string descriptionOf(const Content& content);

}  // namespace twill::trace::diagram
