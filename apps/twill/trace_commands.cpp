// SPDX-License-Identifier: Apache-2.0
// Commands that look at kernels: trace and diagram, in a lab or on this node.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "commands.hpp"
#include "scene.hpp"
#include "terminal.hpp"
#include "trace/diagram.hpp"
#include "trace/report.hpp"
#include "trace/walk.hpp"

namespace twill {
namespace {

constexpr const char* kTraceFooter = R"(Places:
  a lab's        node1, node1/con1, router
  this node's    its name, and for a container that Twill attached its own
  any            an address; as FROM, one that a place has

Examples:
  twill trace node1/con1 node2/con1      through the lab
  twill trace 172.16.1.2                 from this node, as far as it can be seen from here
  twill trace --json -6 node1 node3/con2)";

struct Tracing {
  std::string lab;
  std::vector<std::string> ends;
  bool ipv6 = false;
  bool full = false;
  bool json = false;
  int bytes = 0;
};

/// The one container of that name, on whatever node.
std::optional<std::size_t> containerNamed(const trace::Network& network, const std::string& name) {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < network.places.size(); ++i) {
    if (!network.places[i].name.ends_with("/" + name)) continue;
    if (found) return std::nullopt;
    found = i;
  }
  return found;
}

/// A place by name, or the one that has the address.
Result<std::size_t> placeFor(const trace::Network& network, const std::string& text) {
  if (auto place = network.placeNamed(text)) return *place;
  if (auto place = containerNamed(network, text)) return *place;
  if (auto address = IpAddress::parse(text)) {
    if (auto place = network.placeOf(*address)) return *place;
  }
  std::vector<std::string> names;
  for (const auto& place : network.places) {
    if (place.kind != trace::PlaceKind::wire) names.push_back(place.name);
  }
  return fail(
      fmt::format("'{}' is no place here and no address of one; there are {}", text, fmt::join(names, ", ")),
      Error::Kind::invalid);
}

/// Where a place is reached: its uplink's address, else any.
Result<IpAddress> addressOf(const trace::Place& place, Family family) {
  std::optional<IpAddress> found;
  for (const auto& [name, interface] : place.interfaces) {
    for (const auto& address : interface.addresses) {
      const IpAddress& ip = address.address;
      const bool usable = ip.family() == family && !ip.isLoopback() && !ip.isLinkLocal();
      if (usable && (!found || name == "eth0")) found = ip;
    }
  }
  if (found) return *found;
  return fail(fmt::format("{} has no {} address", place.name, family == Family::v4 ? "IPv4" : "IPv6"),
              Error::Kind::missing);
}

Result<IpAddress> destination(const trace::Network& network, const std::string& text, Family family) {
  if (auto address = IpAddress::parse(text)) return *address;
  TWILL_TRY(const std::size_t place, placeFor(network, text));
  return addressOf(network.places[place], family);
}

Result<int> runTrace(const Tracing& what) {
  TWILL_TRY(const Scene scene, openScene(what.lab));
  const trace::Network& network = scene.network;
  std::size_t from = scene.here;
  if (what.ends.size() > 1) {
    TWILL_TRY(from, placeFor(network, what.ends.front()));
  }
  TWILL_TRY(const IpAddress to, destination(network, what.ends.back(), what.ipv6 ? Family::v6 : Family::v4));

  trace::RoundTrip trip{.there = {}, .back = {}, .full = what.full};
  TWILL_TRY(trip.there, trace::walk(network, {.from = from, .dst = to, .bytes = what.bytes}));
  const auto target = network.placeNamed(trip.there.to);
  if (trip.there.outcome == trace::Outcome::delivered && target && trip.there.src) {
    TWILL_TRY(
        trip.back,
        trace::walk(network, {.from = *target, .dst = *trip.there.src, .src = to, .bytes = what.bytes}));
  }
  fmt::print("{}", what.json ? trace::toJson(trip) : trace::toText(trip, paint));
  const bool lost = trip.there.outcome == trace::Outcome::dropped ||
                    (trip.back && trip.back->outcome == trace::Outcome::dropped);
  return lost ? 1 : 0;
}

struct Drawing {
  std::string lab;
  std::string file;
};

Result<int> runDiagram(const Drawing& what) {
  // Opened first: inside a lab the caller's paths mean something else.
  std::FILE* out = what.file.empty() ? stdout : std::fopen(what.file.c_str(), "we");
  if (out == nullptr) return failErrno("write " + what.file);
  TWILL_TRY(const Scene scene, openScene(what.lab));
  const std::string svg = trace::toSvg(scene.network, scene.labels);
  const bool written = std::fwrite(svg.data(), 1, svg.size(), out) == svg.size() && std::fflush(out) == 0;
  if (!written) return failErrno("write " + (what.file.empty() ? std::string("the diagram") : what.file));
  return 0;
}

int statusOf(const Result<int>& result) {
  if (result) return *result;
  fmt::print(stderr, "twill: {}\n", result.error().text);
  return result.error().kind == Error::Kind::invalid ? 2 : 1;
}

void addLab(CLI::App& command, std::string& lab) {
  command.add_option("--lab", lab,
                     "look at this lab; unless given, at this node, or where no agent runs at the lab "
                     "'lab' if it is up");
}

}  // namespace

void addTraceCommands(CLI::App& app) {
  auto tracing = std::make_shared<Tracing>();
  CLI::App* trace =
      app.add_subcommand("trace", "the road of a packet, hop by hop, and where it would be dropped");
  trace->footer(kTraceFooter);
  addLab(*trace, tracing->lab);
  trace->add_option("ends", tracing->ends, "FROM and TO; TO alone is from this node")
      ->required()
      ->expected(1, 2);
  trace->add_flag("-6,--ipv6", tracing->ipv6, "for a TO that is named: its IPv6 address");
  trace->add_option("--size", tracing->bytes, "size of the packet in bytes, its IP header included")
      ->check(CLI::Range(0, 65535));
  trace->add_flag("--full", tracing->full, "the road back in full, too");
  trace->add_flag("--json", tracing->json, "print JSON");
  trace->callback([tracing] { throw CLI::RuntimeError(statusOf(runTrace(*tracing))); });

  auto drawing = std::make_shared<Drawing>();
  CLI::App* diagram = app.add_subcommand("diagram", "a picture of the live network, as SVG");
  addLab(*diagram, drawing->lab);
  diagram->add_option("-o,--output", drawing->file, "file to write; stdout when left out");
  diagram->callback([drawing] { throw CLI::RuntimeError(statusOf(runDiagram(*drawing))); });
}

}  // namespace twill
