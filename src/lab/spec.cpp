// SPDX-License-Identifier: Apache-2.0
#include "lab/spec.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "lab/forwarder.hpp"
#include "model/network_config.hpp"

namespace twill::lab {
namespace {

Result<void> checkRange(std::string_view option, int value, int least, int most) {
  if (value >= least && value <= most) return {};
  return fail(fmt::format("{} {}: expected a number from {} to {}", option, value, least, most),
              Error::Kind::invalid);
}

/// Also refuses what is no number.
Result<void> checkRange(std::string_view option, double value, double most, std::string_view unit) {
  if (value >= 0 && value <= most) return {};
  return fail(fmt::format("{} {}: expected a number from 0 to {}, in {}", option, value, most, unit),
              Error::Kind::invalid);
}

/// What the backend would not look at.
Result<void> checkBackend(const Spec& spec) {
  const bool chosen = spec.engine != Spec().engine;
  if (chosen && spec.backend != "udp" && spec.backend != "ipip")
    return fail(
        fmt::format("--engine {}: {} has none; --backend udp and ipip have", spec.engine, spec.backend),
        Error::Kind::invalid);
  if (chosen && !isEngine(spec.backend, spec.engine))
    return fail(fmt::format("--engine {}: {} has {}", spec.engine, spec.backend, engineWords(spec.backend)),
                Error::Kind::invalid);
  if (spec.directRouting && (spec.backend == "host-gw" || isCloud(spec)))
    return fail(
        fmt::format("--direct-routing: {} encapsulates nothing; --backend vxlan and udp do", spec.backend),
        Error::Kind::invalid);
  if (isCloud(spec) && spec.datastore == "bgp")
    return fail(fmt::format("--datastore bgp: with {} the lab's router is the cloud's, which talks no BGP",
                            spec.backend),
                Error::Kind::invalid);
  return {};
}

Result<void> checkDatastore(const Spec& spec) {
  if (spec.router != Spec().router && (spec.datastore != "bgp" || spec.segments < 2))
    return fail(
        fmt::format("--router {}: there is one that talks BGP with --datastore bgp and --segments 2 or more",
                    spec.router),
        Error::Kind::invalid);
  if (spec.router == "gobgp" && routerNeedsMap(spec))
    return fail(
        "--router gobgp: it does not bring routes into the kernel, as host-gw needs there; --router bird or "
        "frr",
        Error::Kind::invalid);
  if (spec.datastore != "gossip" || !routerNeedsMap(spec)) return {};
  return fail(
      "--datastore gossip: nodes take the subnets that are free, and with host-gw the router between "
      "segments has to know them beforehand; --datastore bgp, file or etcd, or --backend vxlan or udp",
      Error::Kind::invalid);
}

Result<void> checkEndpoints(const Spec& spec) {
  if (!spec.etcdEndpoints.empty() && spec.datastore != "etcd")
    return fail("--etcd-endpoints: only with --datastore etcd", Error::Kind::invalid);
  for (const auto& endpoint : spec.etcdEndpoints) {
    if (const auto parsed = parseEndpoint(endpoint); !parsed) return Failure(parsed.error());
  }
  return {};
}

Result<void> checkMtu(const Spec& spec) {
  const std::string option = fmt::format("--mtu {}", fmt::join(spec.mtu, ","));
  if (spec.mtu.size() != 1 && spec.mtu.size() != static_cast<std::size_t>(spec.segments)) {
    return fail(fmt::format("{}: expected one number, or one for each of the {} segments (--segments)",
                            option, spec.segments),
                Error::Kind::invalid);
  }
  // The least that a host has to take whole: RFC 791 for IPv4, RFC 8200 for a link that carries IPv6.
  const int least = spec.ipv6 ? 1280 : 576;
  for (const int mtu : spec.mtu) {
    if (mtu >= least && mtu <= 9000) continue;
    return fail(fmt::format("{}: expected numbers from {}{} to 9000", option, least,
                            spec.ipv6 ? " (as --ipv6 needs)" : ""),
                Error::Kind::invalid);
  }
  return {};
}

bool isName(std::string_view name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-";
  return !name.empty() && name.size() <= 20 && name.find_first_not_of(kAllowed) == std::string_view::npos;
}

std::string_view modeWord(AttachMode mode) {
  return mode == AttachMode::routed ? "routed" : "bridge";
}

}  // namespace

bool isCloud(const Spec& spec) {
  return spec.backend == "aws-vpc" || spec.backend == "gce";
}

bool routerNeedsMap(const Spec& spec) {
  return spec.segments > 1 && spec.backend == "host-gw";
}

Result<void> check(const Spec& spec) {
  if (!isName(spec.name)) {
    return fail(fmt::format("--name '{}': expected up to 20 of a-z, 0-9 and -", spec.name),
                Error::Kind::invalid);
  }
  // 200: a segment is a /24, and a node's subnet too.
  TWILL_CHECK(checkRange("--nodes", spec.nodes, 1, 200));
  TWILL_CHECK(checkRange("--containers", spec.containers, 0, 200));
  if (spec.segments > spec.nodes) {
    return fail(fmt::format("--segments {}: more than there are nodes ({})", spec.segments, spec.nodes),
                Error::Kind::invalid);
  }
  TWILL_CHECK(checkRange("--segments", spec.segments, 1, 100));
  TWILL_CHECK(checkBackend(spec));
  TWILL_CHECK(checkDatastore(spec));
  TWILL_CHECK(checkEndpoints(spec));
  TWILL_CHECK(checkMtu(spec));
  TWILL_CHECK(checkRange("--loss", spec.loss, 100, "percent"));
  return checkRange("--delay", spec.delay, 1000, "milliseconds");
}

std::string toJson(const Spec& spec) {
  return nlohmann::ordered_json{{"name", spec.name},
                                {"nodes", spec.nodes},
                                {"containers", spec.containers},
                                {"segments", spec.segments},
                                {"backend", spec.backend},
                                {"engine", spec.engine},
                                {"directRouting", spec.directRouting},
                                {"fastPath", spec.fastPath},
                                {"datastore", spec.datastore},
                                {"router", spec.router},
                                {"etcdEndpoints", spec.etcdEndpoints},
                                {"ipv6", spec.ipv6},
                                {"attach", modeWord(spec.attach)},
                                {"mtu", spec.mtu},
                                {"loss", spec.loss},
                                {"delay", spec.delay}}
             .dump() +
         "\n";
}

Result<Spec> parseSpec(std::string_view json) {
  auto parsed = nlohmann::json::parse(json, nullptr, false);
  Spec spec;
  auto number = [&](const char* key, int& into) {
    bool good = parsed.is_object() && parsed.contains(key) && parsed[key].is_number_integer();
    if (good) into = parsed[key];
    return good;
  };
  auto text = [&](const char* key, std::string& into) {
    bool good = parsed.is_object() && parsed.contains(key) && parsed[key].is_string();
    if (good) into = parsed[key];
    return good;
  };
  auto flag = [&](const char* key, bool& into) {
    bool good = parsed.is_object() && parsed.contains(key) && parsed[key].is_boolean();
    if (good) into = parsed[key];
    return good;
  };
  auto texts = [&](const char* key, std::vector<std::string>& into) {
    bool good = parsed.is_object() && parsed.contains(key) && parsed[key].is_array();
    if (!good) return false;
    into.clear();
    for (const auto& one : parsed[key]) {
      if (!one.is_string()) return false;
      into.push_back(one);
    }
    return true;
  };
  auto fraction = [&](const char* key, double& into) {
    bool good = parsed.is_object() && parsed.contains(key) && parsed[key].is_number();
    if (good) into = parsed[key];
    return good;
  };
  auto numbers = [&](const char* key, std::vector<int>& into) {
    bool good = parsed.is_object() && parsed.contains(key) && parsed[key].is_array();
    if (!good) return false;
    into.clear();
    for (const auto& one : parsed[key]) {
      if (!one.is_number_integer()) return false;
      into.push_back(one);
    }
    return true;
  };
  std::string attach;
  bool good =
      text("name", spec.name) && number("nodes", spec.nodes) && number("containers", spec.containers) &&
      number("segments", spec.segments) && text("backend", spec.backend) && text("engine", spec.engine) &&
      flag("directRouting", spec.directRouting) && flag("fastPath", spec.fastPath) &&
      text("datastore", spec.datastore) && text("router", spec.router) &&
      texts("etcdEndpoints", spec.etcdEndpoints) && text("attach", attach) && flag("ipv6", spec.ipv6) &&
      numbers("mtu", spec.mtu) && fraction("loss", spec.loss) && fraction("delay", spec.delay);
  if (!good) return fail("lab.json is not what this version of twill writes; take the lab down and up again");
  spec.attach = attach == "routed" ? AttachMode::routed : AttachMode::bridge;
  return spec;
}

std::string asOptions(const Spec& spec) {
  const Spec usual;
  std::string out;
  auto add = [&out](bool differs, const std::string& option) {
    if (differs) out += (out.empty() ? "" : " ") + option;
  };
  add(spec.name != usual.name, "--name " + spec.name);
  add(spec.nodes != usual.nodes, fmt::format("--nodes {}", spec.nodes));
  add(spec.containers != usual.containers, fmt::format("--containers {}", spec.containers));
  add(spec.segments != usual.segments, fmt::format("--segments {}", spec.segments));
  add(spec.backend != usual.backend, "--backend " + spec.backend);
  add(spec.engine != usual.engine, "--engine " + spec.engine);
  add(spec.directRouting, "--direct-routing");
  add(spec.fastPath, "--fast-path");
  add(spec.datastore != usual.datastore, "--datastore " + spec.datastore);
  add(spec.router != usual.router, "--router " + spec.router);
  add(!spec.etcdEndpoints.empty(), fmt::format("--etcd-endpoints {}", fmt::join(spec.etcdEndpoints, ",")));
  add(spec.ipv6, "--ipv6");
  add(spec.attach != usual.attach, fmt::format("--attach {}", modeWord(spec.attach)));
  add(spec.mtu != usual.mtu, fmt::format("--mtu {}", fmt::join(spec.mtu, ",")));
  add(spec.loss != usual.loss, fmt::format("--loss {}", spec.loss));
  add(spec.delay != usual.delay, fmt::format("--delay {}", spec.delay));
  return out;
}

std::string cableWords(const Spec& spec) {
  const std::string delay = spec.delay > 0 ? fmt::format("{} ms", spec.delay) : "";
  const std::string loss = spec.loss > 0 ? fmt::format("{} % loss", spec.loss) : "";
  return delay + (delay.empty() || loss.empty() ? "" : " and ") + loss + " each way";
}

Result<PlaceName> parsePlace(std::string_view text) {
  auto slash = text.find('/');
  PlaceName place{std::string(text.substr(0, slash)), ""};
  if (slash != std::string_view::npos) place.container = text.substr(slash + 1);
  bool good = !place.machine.empty() && place.container.find('/') == std::string::npos &&
              (slash == std::string_view::npos || !place.container.empty());
  if (good) return place;
  return fail(fmt::format("'{}' is no place in a lab; expected node1, node1/con1 or router", text),
              Error::Kind::invalid);
}

std::string nodeName(int index) {
  return fmt::format("node{}", index + 1);
}

std::string containerName(int index) {
  return fmt::format("con{}", index + 1);
}

}  // namespace twill::lab
