// SPDX-License-Identifier: Apache-2.0
#include "trace/diagram.hpp"

#include <algorithm>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "trace/diagram_content.hpp"
#include "trace/diagram_layout.hpp"
#include "trace/samples.hpp"

using namespace twill;
using namespace twill::trace;
using namespace twill::trace::samples;
using diagram::Box;
using diagram::BoxStyle;
using diagram::Ink;
using diagram::Picture;
using diagram::Rect;
using diagram::SegmentBus;

namespace {

const DiagramLabels kLabels{"lab", "host-gw", "file", "172.16.0.0/16"};

Picture picture(const Sample& sample) {
  return diagram::layOut(diagram::contentOf(sample.network), kLabels);
}

bool overlap(const Rect& a, const Rect& b) {
  return a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom();
}

bool holds(const Rect& outer, const Rect& inner) {
  return inner.x >= outer.x && inner.y >= outer.y && inner.right() <= outer.right() &&
         inner.bottom() <= outer.bottom();
}

bool isInside(const Picture& p, std::size_t inner, std::size_t outer) {
  for (auto at = p.boxes[inner].parent; at; at = p.boxes[*at].parent) {
    if (*at == outer) return true;
  }
  return false;
}

/// No two boxes overlap unless one is in the other, everything is where it belongs, texts do not run into
/// each other.
void checkGeometry(const Picture& p) {
  for (std::size_t i = 0; i < p.boxes.size(); ++i) {
    const Box& box = p.boxes[i];
    CHECK(holds({0, 0, p.width, p.height}, box.rect));
    if (box.parent) CHECK(holds(p.boxes[*box.parent].rect, box.rect));
    for (std::size_t k = 0; k < i; ++k) {
      if (!isInside(p, i, k) && !isInside(p, k, i)) CHECK_FALSE(overlap(box.rect, p.boxes[k].rect));
    }
  }
  for (std::size_t i = 0; i < p.texts.size(); ++i) {
    const auto& text = p.texts[i];
    const Rect extent = extentOf(text);
    INFO(text.text);
    CHECK(holds({0, 0, p.width, p.height}, extent));
    if (text.box) CHECK(holds(p.boxes[*text.box].rect, extent));
    const bool clear = std::none_of(p.texts.begin(), p.texts.begin() + static_cast<std::ptrdiff_t>(i),
                                    [&](const auto& other) { return overlap(extent, extentOf(other)); });
    CHECK(clear);
  }
}

bool says(const Picture& p, std::string_view text) {
  return std::any_of(p.texts.begin(), p.texts.end(), [&](const auto& t) { return t.text == text; });
}
bool saysInRed(const Picture& p, std::string_view text) {
  return std::any_of(p.texts.begin(), p.texts.end(),
                     [&](const auto& t) { return t.text == text && t.ink == Ink::fault; });
}

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

/// A lab with that many of each, all of them under names as long as they can get.
Sample lab(int nodes, int containers, int segments, const std::string& suffix = "") {
  Sample sample;
  const auto wire = sample.add("wire", PlaceKind::wire);
  const auto router = sample.add(("router" + suffix).c_str(), PlaceKind::router);
  for (int k = 1; k <= segments; ++k) {
    const auto bridge = fmt::format("seg{}", k);
    const auto port = fmt::format("router{}", k);
    const auto link = fmt::format("eth{}", k);
    sample.addLink(wire, bridge.c_str(), LinkKind::bridge);
    sample.addLink(wire, port.c_str(), LinkKind::veth, bridge.c_str());
    sample.addLink(router, link.c_str(), LinkKind::veth);
    sample.cable(wire, port.c_str(), router, link.c_str());
    sample.addAddress(router, link.c_str(), fmt::format("10.0.{}.1/24", k).c_str());
  }
  for (int i = 0; i < nodes; ++i) {
    const auto name = fmt::format("node{}{}", i, suffix);
    const auto node = sample.add(name.c_str(), PlaceKind::node);
    const int k = i * segments / nodes + 1;
    sample.addLink(wire, name.c_str(), LinkKind::veth, fmt::format("seg{}", k).c_str());
    sample.addLink(node, "eth0", LinkKind::veth);
    sample.addLink(node, "twill0", LinkKind::bridge);
    sample.cable(wire, name.c_str(), node, "eth0");
    sample.addAddress(node, "eth0", fmt::format("10.0.{}.{}/24", k, 10 + i).c_str());
    sample.addAddress(node, "eth0", fmt::format("fd00:1234:5678:{}::{}/64", k, 10 + i).c_str());
    sample.addAddress(node, "twill0", fmt::format("172.16.{}.1/24", i).c_str());
    for (int c = 0; c < containers; ++c) {
      const auto container =
          sample.add(fmt::format("{}/con{}{}", name, c, suffix).c_str(), PlaceKind::container);
      const auto host = fmt::format("tw{:012x}", c);
      sample.addLink(node, host.c_str(), LinkKind::veth, "twill0");
      sample.addLink(container, "eth0", LinkKind::veth);
      sample.cable(node, host.c_str(), container, "eth0");
      sample.addAddress(container, "eth0", fmt::format("172.16.{}.{}/24", i, c + 2).c_str());
      sample.addAddress(container, "eth0", fmt::format("fd42:aaaa:bbbb:{}::{}/64", i, c + 2).c_str());
    }
    for (int peer = 0; peer < nodes; ++peer) {
      if (peer == i) continue;
      sample.addRoute(node, prefix(fmt::format("172.16.{}.0/24", peer).c_str()), "eth0",
                      ip(fmt::format("10.0.{}.1", k).c_str()), kProtocol);
    }
  }
  return sample;
}

/// node1 of twoNodes() without its bridge.
Sample routed() {
  auto sample = twoNodes();
  const auto node = *sample.network.placeNamed("node1");
  sample.place("node1").interfaces.erase("twill0");
  sample.link("node1", "tw1").link.master = "";
  sample.addRoute(node, prefix("172.16.0.2/32"), "tw1", std::nullopt, kProtocol);
  return sample;
}

}  // namespace

TEST_CASE("a diagram shows each name, address and route once where it belongs") {
  const auto p = picture(twoNodes());
  checkGeometry(p);
  for (const char* text :
       {"lab", "no faults seen", "seg1", "10.0.0.0/24", "node1", "node2", "con1", "tw1", "twill0",
        "10.0.0.10/24", "10.0.0.20/24", "172.16.0.1/24", "172.16.1.1/24", "172.16.0.2/24", "172.16.1.2/24",
        "172.16.1.0/24", "→ 10.0.0.20", "172.16.0.0/24", "→ 10.0.0.10"}) {
    INFO(text);
    CHECK(says(p, text));
  }
  CHECK(std::none_of(p.lines.begin(), p.lines.end(), [&](const auto& line) {
    return line.faulty && line.points.front().y < p.boxes.front().rect.bottom();
  }));
  CHECK(p.description == "2 nodes, 2 containers, 1 segment. seg1: node1, node2.");
}

TEST_CASE("the SVG is one document with a title, a description and a background") {
  const auto svg = toSvg(twoNodes().network, kLabels);
  CHECK(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"tw-diagram\" role=\"img\" "));
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(svg.find("<title id=\"tw-title\">lab</title>") != std::string::npos);
  CHECK(svg.find("<desc id=\"tw-desc\">2 nodes") != std::string::npos);
  CHECK(svg.find("<rect class=\"tw-page\"") != std::string::npos);
  CHECK(count(svg, "<rect class=\"tw-node\"") == 2);
  CHECK(count(svg, "<rect class=\"tw-container\" data-place=\"node2/con1\"") == 1);
  CHECK(count(svg, "<path class=\"tw-bus\"") == 1);
  CHECK(svg.find("route 172.16.1.0/24 via 10.0.0.20 dev eth0, made by twill, next hop is node2") !=
        std::string::npos);
  CHECK(svg == toSvg(twoNodes().network, kLabels));
}

TEST_CASE("nothing overlaps, few or many, short names or long") {
  const std::string longName = "-with-a-name-that-goes-on-and-on-and-on-until-no-box-can-hold-it";
  for (const int nodes : {1, 2, 5, 12}) {
    for (const int containers : {0, 1, 3, 10}) {
      for (const int segments : {1, 3}) {
        INFO(nodes << " nodes, " << containers << " containers, " << segments << " segments");
        checkGeometry(picture(lab(nodes, containers, segments)));
      }
    }
  }
  checkGeometry(picture(lab(3, 5, 2, longName)));
  checkGeometry(picture(lab(2, 2, 1, "-WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW")));
  checkGeometry(picture(Sample()));
}

TEST_CASE("segments stand one below the other, the router reaches each") {
  const auto content = diagram::contentOf(lab(4, 0, 2).network);
  REQUIRE(content.segments.size() == 2);
  CHECK(content.segments[1].name == "seg2");
  CHECK(content.segments[1].nodes.size() == 2);
  REQUIRE(content.routers.size() == 1);
  REQUIRE(content.routers[0].uplinks.size() == 2);
  CHECK(content.routers[0].uplinks[1].segment == 1);
  CHECK(content.routers[0].uplinks[1].link == "eth2");
}

TEST_CASE("without a bridge containers hang on the node, each by its route") {
  const auto sample = routed();
  const auto p = picture(sample);
  checkGeometry(p);
  CHECK(says(p, "no bridge"));
  CHECK(says(p, "172.16.0.2/32"));
  CHECK(says(p, "→ tw1"));
  CHECK(says(p, "no faults seen"));

  auto broken = sample;
  std::erase_if(broken.place("node1").routes, [](const Route& route) { return route.link == "tw1"; });
  CHECK(saysInRed(picture(broken), "no route to it"));
}

TEST_CASE("a link that is down is marked where it is, and named in the description") {
  auto sample = twoNodes();
  sample.link("node2", "eth0").link.up = false;
  sample.link("wire", "node2").link.running = false;
  auto p = picture(sample);
  CHECK(saysInRed(p, "eth0 down"));
  CHECK(saysInRed(p, "1 fault"));
  CHECK(p.description.ends_with(" Faults: node2: eth0 down."));
  CHECK(toSvg(sample.network, kLabels).find("<path class=\"tw-cable tw-faulty\"") != std::string::npos);

  sample = twoNodes();
  sample.link("wire", "node1").link.up = false;
  CHECK(saysInRed(picture(sample), "port node1 down"));

  sample = twoNodes();
  sample.link("node1/con1", "eth0").link.running = false;
  p = picture(sample);
  CHECK(saysInRed(p, "tw1 no carrier"));
  CHECK(std::any_of(p.boxes.begin(), p.boxes.end(), [](const Box& box) {
    return box.style == BoxStyle::container && box.faulty && box.place == "node1/con1";
  }));

  sample = twoNodes();
  sample.place("node1/con1").interfaces.clear();
  sample.link("node1", "tw1").cable.reset();
  CHECK(saysInRed(picture(sample), "no cable"));
}

TEST_CASE("ipip's device has no carrier and needs none, as long as its program is there") {
  auto sample = twoNodesByIpip();
  CHECK(diagram::contentOf(sample.network).faults.empty());
  sample.link("node1", "twill-ipip").ipipExit.reset();
  CHECK(diagram::contentOf(sample.network).faults ==
        std::vector<std::string>{"node1: twill-ipip no carrier"});
}

TEST_CASE("a node by itself is shown with what its kernel knows") {
  auto sample = twoNodes();
  auto& places = sample.network.places;
  sample.link("node1", "eth0").cable.reset();
  sample.link("node1/con1", "eth0").cable = Port{0, "tw1"};
  sample.link("node1", "tw1").cable = Port{1, "eth0"};
  places = {sample.place("node1"), sample.place("node1/con1")};
  const auto content = diagram::contentOf(sample.network);
  REQUIRE(content.segments.size() == 1);
  CHECK(content.segments[0].kind == SegmentBus::Kind::outside);
  CHECK(content.segments[0].prefixes == std::vector<std::string>{"10.0.0.0/24"});
  CHECK(content.faults.empty());
  checkGeometry(picture(sample));
}

TEST_CASE("where a second cable leads is said in words") {
  auto sample = twoNodes();
  const auto node1 = *sample.network.placeNamed("node1");
  const auto node2 = *sample.network.placeNamed("node2");
  sample.addLink(0, "seg2", LinkKind::bridge);
  sample.addLink(0, "other", LinkKind::veth, "seg2");
  sample.addLink(node1, "eth1", LinkKind::veth);
  sample.cable(0, "other", node1, "eth1");
  sample.addLink(node1, "eth2", LinkKind::veth);
  sample.addLink(node2, "eth2", LinkKind::veth);
  sample.cable(node1, "eth2", node2, "eth2");
  const auto p = picture(sample);
  checkGeometry(p);
  CHECK(says(p, "to seg2"));
  CHECK(says(p, "to node2 eth2"));
}

TEST_CASE("addresses as long as they get are cut rather than run into each other") {
  auto sample = twoNodes();
  const auto node = *sample.network.placeNamed("node1");
  const auto container = *sample.network.placeNamed("node1/con1");
  sample.addLink(node, "enp130s0f0np0v9", LinkKind::other);
  sample.addAddress(node, "enp130s0f0np0v9", "2001:db8:1111:2222:3333:4444:5555:6666/120");
  sample.link("node1", "enp130s0f0np0v9").link.running = false;
  sample.addRoute(node, prefix("2001:db8:aaaa:bbbb:cccc:dddd:eeee:ff00/120"), "enp130s0f0np0v9",
                  ip("2001:db8:1111:2222:3333:4444:5555:7777"), kProtocol);
  for (int i = 1; i <= 6; ++i) {
    sample.addAddress(container, "eth0",
                      fmt::format("2001:db8:1111:2222:3333:4444:5555:888{}/128", i).c_str());
  }
  const auto p = picture(sample);
  checkGeometry(p);
  CHECK(says(p, "2001:db8:1111:2222:3333:4444:5555:8882/128"));
  CHECK(says(p, "... and 4 more"));
  CHECK(saysInRed(p, "no carrier"));
  const auto svg = toSvg(sample.network, kLabels);
  CHECK(svg.find("<title>route 2001:db8:aaaa:bbbb:cccc:dddd:eeee:ff00/120 via") != std::string::npos);
}

TEST_CASE("many routes are cut short, with their number") {
  auto sample = twoNodes();
  const auto node = *sample.network.placeNamed("node1");
  for (int i = 0; i < 40; ++i) {
    sample.addRoute(node, prefix(fmt::format("192.168.{}.0/24", i).c_str()), "eth0", ip("10.0.0.20"),
                    kProtocol);
  }
  const auto p = picture(sample);
  checkGeometry(p);
  CHECK(says(p, "... and 11 more"));
}

TEST_CASE("hostile names stay text") {
  auto sample = twoNodes();
  sample.place("node1").name = "<script>alert(1)</script>";
  sample.place("node1/con1").name = "\"a\" & 'b' \xff\x01 \xe2\x80\xae";
  const auto svg = toSvg(sample.network, {"</title><script>", "]]>", "&amp;", "\n"});
  CHECK(svg.find("<script") == std::string::npos);
  CHECK(svg.find("]]>") == std::string::npos);
  CHECK(svg.find("&lt;script&gt;alert(1)&lt;/script&gt;") != std::string::npos);
  CHECK(svg.find("data-place=\"&quot;a&quot; &amp; 'b' \xEF\xBF\xBD\xEF\xBF\xBD \xEF\xBF\xBD\"") !=
        std::string::npos);
}

TEST_CASE("text is cut in the middle, so that both ends can be told apart") {
  using diagram::Font;
  CHECK(diagram::fit("node1", Font::code, 100) == "node1");
  const auto cut = diagram::fit("coredns-5d78c9869d-x2k9p", Font::code, 80);
  CHECK(cut.starts_with("cored"));
  CHECK(cut.ends_with("x2k9p"));
  CHECK(diagram::widthOf(cut, Font::code) <= 80);
  CHECK(diagram::fit("node1", Font::code, 0) == "…");
  CHECK(diagram::fit("", Font::code, 0).empty());
}
