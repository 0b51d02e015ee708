// SPDX-License-Identifier: Apache-2.0
// attach and detach: containers' interfaces in namespaces that no runtime manages. They go the way of a CNI
// call.
#include <algorithm>
#include <cctype>
#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "api/client.hpp"
#include "base/result.hpp"
#include "commands.hpp"

namespace twill {
namespace {

using Json = nlohmann::json;

struct Wish {
  std::string place;  ///< namespace, process or, to detach, container
  std::string network;
  std::string home;
  std::string ifname = "eth0";
  std::string ip;
  std::string mac;
  bool routed = false;
  bool json = false;
  std::string socket = "/run/twill/twill.sock";
};

/// "web" is /run/netns/web, as for ip-netns(8); "4711" is what the process 4711 lives in.
std::string namespacePath(const std::string& place) {
  const bool isPid = !place.empty() &&
                     std::all_of(place.begin(), place.end(), [](unsigned char c) { return std::isdigit(c); });
  if (isPid) return "/proc/" + place + "/ns/net";
  return place.find('/') == std::string::npos ? "/run/netns/" + place : place;
}

/// The name under which the agent knows what no runtime has named: after the namespace's inode number.
std::optional<std::string> containerOf(const std::string& path) {
  struct stat there {};
  if (::stat(path.c_str(), &there) != 0) return std::nullopt;
  return fmt::format("ns-{}", there.st_ino);
}

Result<std::string> callCni(const Wish& wish, const std::string& command, const std::string& network,
                            const std::string& container, const std::string& ifname,
                            const std::string& netns) {
  Json config = {{"cniVersion", "1.1.0"}, {"name", network}, {"type", "twill-cni"}};
  if (!wish.home.empty()) config["network"] = wish.home;
  if (wish.routed) config["attach"] = "routed";
  if (!wish.ip.empty()) config["args"]["cni"]["ips"] = {wish.ip};
  if (!wish.mac.empty()) config["args"]["cni"]["mac"] = wish.mac;
  const api::Call call{.method = "POST",
                       .target = "/v1/cni",
                       .headers = {{"Twill-CNI_COMMAND", command},
                                   {"Twill-CNI_CONTAINERID", container},
                                   {"Twill-CNI_NETNS", netns},
                                   {"Twill-CNI_IFNAME", ifname},
                                   {"Twill-CNI_PATH", "-"}},
                       .body = config.dump(-1, ' ', false, Json::error_handler_t::replace)};
  auto reply = api::call(wish.socket, call);
  if (!reply) return Failure(reply.error());
  if (reply->status != 200) return fail(fmt::format("the agent answered {}: {}", reply->status, reply->body));
  const auto exit = reply->headers.find("twill-exit");
  if (exit != reply->headers.end() && exit->second == "0") return std::move(reply->body);
  const Json error = Json::parse(reply->body, nullptr, false);
  return fail(error.is_object() ? error.value("msg", reply->body) : reply->body);
}

int complain(const std::string& text) {
  fmt::print(stderr, "twill: {}\n", text);
  return 1;
}

int attach(const Wish& wish) {
  const std::string path = namespacePath(wish.place);
  const auto container = containerOf(path);
  if (!container) return complain("there is no network namespace " + path);
  const auto answer = callCni(wish, "ADD", wish.network, *container, wish.ifname, path);
  if (!answer) return complain(answer.error().text);
  if (wish.json) {
    fmt::print("{}", *answer);
    return 0;
  }
  const Json result = Json::parse(*answer);
  for (const Json& ip : result["ips"]) {
    fmt::print("{} in {} has {}{}\n", wish.ifname, path, ip["address"].get<std::string>(),
               ip.contains("gateway") ? ", gateway " + ip["gateway"].get<std::string>() : "");
  }
  return 0;
}

int detach(const Wish& wish) {
  auto reply = api::call(wish.socket, {.target = "/v1/attachments"});
  if (!reply) return complain(reply.error().text);
  const Json known = Json::parse(reply->body, nullptr, false);
  if (reply->status != 200 || !known.is_object()) return complain("the agent answered " + reply->body);
  const auto unnamed = containerOf(namespacePath(wish.place));
  int found = 0;
  for (const Json& attachment : known["attachments"]) {
    const std::string container = attachment["container"];
    const bool isIt = (container == unnamed || container == wish.place) &&
                      (wish.network.empty() || attachment["network"] == wish.network) &&
                      (wish.ifname.empty() || attachment["ifname"] == wish.ifname);
    if (!isIt) continue;
    const auto gone = callCni(wish, "DEL", attachment["network"], container, attachment["ifname"], "");
    if (!gone) return complain(gone.error().text);
    fmt::print("{} of {} is gone\n", attachment["ifname"].get<std::string>(), wish.place);
    ++found;
  }
  if (found > 0) return 0;
  return complain(
      fmt::format("{} is neither a namespace that twill attach gave an interface, nor a container of twill "
                  "attachments (with --network and --ifname, if given)",
                  wish.place));
}

std::shared_ptr<Wish> addOptions(CLI::App& command, const char* place) {
  auto wish = std::make_shared<Wish>();
  command.add_option("PLACE", wish->place, place)->required();
  command.add_option("--network", wish->network, "name of the network, which addresses are booked under");
  command.add_option("--ifname", wish->ifname, "name of the interface inside");
  command.add_option("--socket", wish->socket, "the agent's socket")
      ->capture_default_str()
      ->envname("TWILL_SOCKET");
  return wish;
}

}  // namespace

void addAttachCommands(CLI::App& app) {
  CLI::App* attaching =
      app.add_subcommand("attach", "give a network namespace that no runtime manages an interface");
  auto wish = addOptions(*attaching, "a namespace (name or path), or the process id of who lives in it");
  // Not a network that a runtime has: its GC would take what it does not know of.
  wish->network = "attached";
  for (const char* option : {"--network", "--ifname"}) attaching->get_option(option)->capture_default_str();
  attaching->add_option("--ip", wish->ip, "an address of this node's subnet; else the next that is free");
  attaching->add_option("--mac", wish->mac, "a MAC address; else one that follows from the address");
  attaching->add_option("--in", wish->home,
                        "which of the networks of a node that is in several; else its first");
  attaching->add_flag("--routed", wish->routed, "routed mode: no bridge, /32 and /128");
  attaching->add_flag("--json", wish->json, "print the CNI result");
  attaching->footer(
      "Examples:\n"
      "  ip netns add web && twill attach web\n"
      "  twill attach 4711 --ip 172.16.0.7\n");
  attaching->callback([wish] { throw CLI::RuntimeError(attach(*wish)); });

  CLI::App* detaching = app.add_subcommand("detach", "take such an interface away, and free its address");
  auto unwish =
      addOptions(*detaching, "the namespace or process, or the container as twill attachments names it");
  unwish->ifname.clear();
  detaching->footer(
      "Without --network and --ifname all interfaces of it go.\n\n"
      "Examples:\n"
      "  twill detach web\n"
      "  twill detach ns-4026532201\n");
  detaching->callback([unwish] { throw CLI::RuntimeError(detach(*unwish)); });
}

}  // namespace twill
