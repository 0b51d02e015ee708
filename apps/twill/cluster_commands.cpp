// SPDX-License-Identifier: Apache-2.0
// Commands about the cluster's map, through this node's agent: config, leases, lease.
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent_call.hpp"
#include "base/file.hpp"
#include "command.hpp"
#include "commands.hpp"
#include "model/cluster.hpp"
#include "terminal.hpp"

namespace twill {
namespace {

using Json = nlohmann::json;

constexpr const char* kConfigFooter = R"(Examples:
  twill config validate net-conf.json
  twill config set net-conf.json
  twill config set blue.json --network blue
  twill config get | jq '.Backend.Type = "host-gw"' | twill config set -)";

constexpr const char* kLeaseFooter = R"(Examples:
  twill lease reserve 172.16.7.0/24 --public-ip 10.0.0.17
  twill lease reserve 172.16.7.0/24 --ipv6-subnet fd42:0:0:7::/64 --node node7 --public-ip 10.0.0.17
  twill lease release 172.16.7.0/24)";

constexpr std::size_t kLargestConfig = 1U << 20U;

struct ConfigFile {
  Asking asking;
  std::string path;
  bool force = false;
};

/// "-": standard input.
Result<std::string> contents(const ConfigFile& file) {
  if (file.path != "-") return readFile(file.path, kLargestConfig);
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

Result<std::string> soundContents(const ConfigFile& file) {
  TWILL_TRY(std::string text, contents(file));
  auto network = parseNetworkConfig(text);
  if (!network) return Failure(std::move(network).error().in(file.path));
  return text;
}

void addAskingOfNetwork(CLI::App& command, Asking& asking, bool prints) {
  addAsking(command, asking, prints);
  addNetwork(command, asking);
}

Result<int> getConfig(const Asking& asking) {
  TWILL_TRY(const std::string text, callAgent(asking, {.target = "/v1/config" + parametersFor(asking)}));
  fmt::print("{}{}", text, text.ends_with('\n') ? "" : "\n");
  return 0;
}

Result<int> setConfig(const ConfigFile& file) {
  TWILL_TRY(std::string text, soundContents(file));
  TWILL_CHECK(callAgent(file.asking,
                        {.method = "PUT",
                         .target = "/v1/config" + parametersFor(file.asking, file.force ? "force=true" : ""),
                         .body = std::move(text)}));
  fmt::print("the network config is set; nodes take it over by themselves\n");
  return 0;
}

Result<int> validateConfig(const ConfigFile& file) {
  TWILL_CHECK(soundContents(file));
  fmt::print("{} is a network config\n", file.path == "-" ? "that" : file.path);
  return 0;
}

void addConfig(CLI::App& app) {
  CLI::App* group = app.add_subcommand("config", "the cluster's network config, where the map lives");
  group->footer(kConfigFooter);
  group->require_subcommand(1);
  const auto asking = std::make_shared<Asking>();
  addAskingOfNetwork(*addCommand<Asking>(*group, "get", "print it", asking, getConfig), *asking, false);
  const auto set = std::make_shared<ConfigFile>();
  CLI::App* command =
      addCommand<ConfigFile>(*group, "set", "check it, and put it in place of the old one", set, setConfig);
  command->add_option("file", set->path, "flannel's net-conf.json; - for standard input")->required();
  command->add_flag("--force", set->force, "even if nodes' leases would lie outside of the network");
  addAskingOfNetwork(*command, set->asking, false);
  const auto checked = std::make_shared<ConfigFile>();
  addCommand<ConfigFile>(*group, "validate", "check a file; needs no agent", checked, validateConfig)
      ->add_option("file", checked->path, "flannel's net-conf.json; - for standard input")
      ->required();
}

void printLeaseTable(const Json& answer) {
  fmt::print("{}\n", paint(Tone::bold, fmt::format("{:<28} {:<28} {:<10} {:<8} {:<8} {}", "SUBNET", "OWNER",
                                                   "KIND", "AGE", "TTL", "BACKEND DATA")));
  for (const Json& lease : answer["leases"]) {
    const std::string node = text(lease, "node");
    const std::string address = both(lease, "public_ip", "public_ip6");
    const Json& reserved = lease["reserved"];
    std::string data = text(lease, "backend");
    for (const char* key : {"backend_data", "backend_v6_data"}) {
      if (!lease[key].is_null()) data += " " + text(lease, key);
    }
    fmt::print("{:<28} {:<28} {:<10} {:<8} {:<8} {}\n", both(lease, "subnet", "subnet6"),
               node == "-" ? address : fmt::format("{} ({})", node, address),
               reserved.is_null()     ? "-"
               : reserved.get<bool>() ? "reserved"
                                      : "leased",
               timeText(lease, "age_seconds"), timeText(lease, "ttl_seconds"), data);
  }
}

Result<int> printLeases(const Asking& asking) {
  TWILL_TRY(const std::string body, callAgent(asking, {.target = "/v1/leases" + parametersFor(asking)}));
  if (asking.json) {
    fmt::print("{}", body);
    return 0;
  }
  TWILL_TRY(const Json answer, jsonOf(body));
  printLeaseTable(answer);
  return 0;
}

void addLeases(CLI::App& app) {
  const auto asking = std::make_shared<Asking>();
  addAskingOfNetwork(*addCommand<Asking>(app, "leases", "who has which subnet, since when and for how long",
                                         asking, printLeases),
                     *asking, true);
}

struct Reservation {
  Asking asking;
  std::string node, subnet, subnet6, publicIp, publicIp6;
};

template <class Value>
Result<void> parseInto(const std::string& text, std::optional<Value>& into) {
  if (text.empty()) return {};
  TWILL_TRY(into, Value::parse(text));
  return {};
}

Result<int> reserve(const Reservation& what) {
  Lease lease{.node = what.node};
  TWILL_CHECK(parseInto(what.subnet, lease.subnet));
  TWILL_CHECK(parseInto(what.subnet6, lease.subnet6));
  TWILL_CHECK(parseInto(what.publicIp, lease.publicIp));
  TWILL_CHECK(parseInto(what.publicIp6, lease.publicIp6));
  if (lease.subnet && !lease.subnet->address().isV4() && !lease.subnet6)
    lease.subnet6 = std::exchange(lease.subnet, std::nullopt);
  TWILL_CHECK(callAgent(
      what.asking,
      {.method = "POST", .target = "/v1/leases" + parametersFor(what.asking), .body = toJson(lease)}));
  fmt::print("{} is reserved for {}\n", what.subnet, lease.name());
  return 0;
}

Result<int> release(const Reservation& what) {
  TWILL_CHECK(callAgent(
      what.asking,
      {.method = "DELETE", .target = "/v1/leases" + parametersFor(what.asking, "subnet=" + what.subnet)}));
  fmt::print("{} is free\n", what.subnet);
  return 0;
}

void addLease(CLI::App& app) {
  CLI::App* group = app.add_subcommand("lease", "reserve and release subnets");
  group->footer(kLeaseFooter);
  group->require_subcommand(1);
  const auto wanted = std::make_shared<Reservation>();
  CLI::App* command =
      addCommand<Reservation>(*group, "reserve", "keep a subnet for a node, for good", wanted, reserve);
  command->add_option("subnet", wanted->subnet, "172.16.7.0/24")->required();
  command->add_option("--ipv6-subnet", wanted->subnet6, "and its IPv6 subnet");
  command->add_option("--public-ip", wanted->publicIp,
                      "the node's IPv4 address on the underlay; etcd knows nodes by it");
  command->add_option("--public-ipv6", wanted->publicIp6, "its IPv6 address");
  command->add_option("--node", wanted->node, "its name; a lease file knows nodes by it");
  addAskingOfNetwork(*command, wanted->asking, false);
  const auto gone = std::make_shared<Reservation>();
  command = addCommand<Reservation>(
      *group, "release", "end a lease or reservation; a node that runs takes its own again", gone, release);
  command->add_option("subnet", gone->subnet, "172.16.7.0/24")->required();
  addAskingOfNetwork(*command, gone->asking, false);
}

}  // namespace

void addClusterCommands(CLI::App& app) {
  addConfig(app);
  addLeases(app);
  addLease(app);
}

}  // namespace twill
