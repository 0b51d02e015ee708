// SPDX-License-Identifier: Apache-2.0
#include "lab_capture.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/socket.h>

#include "base/fd.hpp"
#include "lab/frame.hpp"
#include "lab/process.hpp"
#include "terminal.hpp"

namespace twill {
namespace {

using Clock = std::chrono::steady_clock;

struct Seen {
  std::size_t bytes = 0;
  bool outgoing = false;
  std::vector<lab::Layer> layers;
};

Result<Fd> openTap(const std::string& link) {
  const auto index = static_cast<int>(::if_nametoindex(link.c_str()));
  if (index == 0)
    return fail(fmt::format("there is no interface {}; --link names one", link), Error::Kind::missing);
  Fd tap(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
  if (!tap) return failErrno("open a packet socket");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = index;
  if (::bind(tap.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return failErrno("listen on " + link);
  }
  return tap;
}

/// The next packet; nothing when none came until then.
Result<std::optional<Seen>> next(const Fd& tap, Clock::time_point deadline) {
  std::array<std::uint8_t, 65536> packet{};
  pollfd poll{.fd = tap.get(), .events = POLLIN, .revents = 0};
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  if (left <= 0 || ::poll(&poll, 1, static_cast<int>(left)) <= 0) return std::optional<Seen>();
  sockaddr_ll from{};
  socklen_t size = sizeof from;
  const auto length =
      ::recvfrom(tap.get(), packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
  if (length < 0) return failErrno("read a packet");
  const std::span bytes(packet.data(), static_cast<std::size_t>(length));
  const bool ethernet = from.sll_hatype == ARPHRD_ETHER || from.sll_hatype == ARPHRD_LOOPBACK;
  return Seen{.bytes = bytes.size(),
              .outgoing = from.sll_pkttype == PACKET_OUTGOING,
              .layers = lab::layersOf(bytes, ethernet)};
}

bool isMeant(const Seen& seen, const std::optional<IpAddress>& host) {
  return !host || std::any_of(seen.layers.begin(), seen.layers.end(), [&](const lab::Layer& layer) {
    return layer.src == host || layer.dst == host;
  });
}

void print(const Seen& seen, const Capture& what) {
  fmt::print("{} {}\n", paint(Tone::bold, fmt::format("{} {}", what.place, what.link)),
             paint(Tone::dim, fmt::format("{}, {} bytes", seen.outgoing ? "out" : "in", seen.bytes)));
  for (const auto& layer : seen.layers) {
    fmt::print("  {:>5}  {:<9} {}\n", layer.bytes, layer.name, layer.text);
  }
}

nlohmann::ordered_json toJson(const Seen& seen, const Capture& what) {
  auto layers = nlohmann::ordered_json::array();
  for (const auto& layer : seen.layers) {
    nlohmann::ordered_json one = {{"name", layer.name}, {"bytes", layer.bytes}, {"text", layer.text}};
    if (layer.src) one["src"] = layer.src->text();
    if (layer.dst) one["dst"] = layer.dst->text();
    layers.push_back(std::move(one));
  }
  return {{"place", what.place},
          {"link", what.link},
          {"direction", seen.outgoing ? "out" : "in"},
          {"bytes", seen.bytes},
          {"layers", layers}};
}

/// In the place.
Result<int> listen(const Capture& what, const std::optional<IpAddress>& host) {
  TWILL_TRY(const Fd tap, openTap(what.link));
  const auto deadline = Clock::now() + std::chrono::seconds(what.seconds);
  auto all = nlohmann::ordered_json::array();
  int found = 0;
  while (found < what.count) {
    TWILL_TRY(const auto seen, next(tap, deadline));
    if (!seen) break;
    if (!isMeant(*seen, host)) continue;
    ++found;
    if (what.json) {
      all.push_back(toJson(*seen, what));
    } else {
      print(*seen, what);
    }
    std::fflush(stdout);
  }
  if (what.json) fmt::print("{}\n", all.dump(2));
  if (found == what.count) return 0;
  fmt::print(stderr, "twill: {} of {} packets came within {} s\n", found, what.count, what.seconds);
  return 1;
}

}  // namespace

Result<int> capturePackets(const lab::Lab& lab, const Capture& what) {
  TWILL_TRY(const lab::PlaceName place, lab::parsePlace(what.place));
  std::optional<IpAddress> host;
  if (what.host) {
    TWILL_TRY(host, IpAddress::parse(*what.host));
  }
  TWILL_TRY(const std::string found, lab.namespaceOf(place));  // a wrong name is told before anything is done
  TWILL_TRY(const pid_t child, lab::spawn([&] {
              auto seen = [&]() -> Result<int> {
                TWILL_CHECK(lab.enter(place));
                return listen(what, host);
              }();
              if (seen) return *seen;
              fmt::print(stderr, "twill: {}\n", seen.error().text);
              return 2;
            }));
  return lab::waitFor(child);
}

}  // namespace twill
