// SPDX-License-Identifier: Apache-2.0
#include "agent_call.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "plan/network_names.hpp"

namespace twill {

void addAsking(CLI::App& command, Asking& asking, bool prints) {
  if (prints) command.add_flag("--json", asking.json, "print JSON");
  command.add_option("--socket", asking.socket, "the agent's socket")
      ->capture_default_str()
      ->envname("TWILL_SOCKET");
}

void addNetwork(CLI::App& command, Asking& asking) {
  command.add_option("--network", asking.network, "which of the networks of a node that is in several")
      ->check([](const std::string& name) {
        const auto checked = checkNetworkName(name);
        return checked ? std::string() : checked.error().text;
      });
}

std::string parametersFor(const Asking& asking, std::string parameters) {
  if (!asking.network.empty()) parameters += (parameters.empty() ? "" : "&") + ("network=" + asking.network);
  return parameters.empty() ? "" : "?" + parameters;
}

Result<std::string> callAgent(const Asking& asking, const api::Call& call) {
  TWILL_TRY(api::Reply reply, api::call(asking.socket, call));
  if (reply.status == 200) return std::move(reply.body);
  const auto body = nlohmann::json::parse(reply.body, nullptr, false);
  const bool told = body.is_object() && body.contains("error") && body["error"].is_string();
  const auto kind = reply.status == 400   ? Error::Kind::invalid
                    : reply.status == 404 ? Error::Kind::missing
                                          : Error::Kind::failed;
  if (told) return fail(body["error"].get<std::string>(), kind);
  return fail(fmt::format("the agent on {} answered {} to {}: {}", asking.socket, reply.status, call.target,
                          reply.body),
              kind);
}

Result<nlohmann::json> jsonOf(const std::string& body) {
  auto json = nlohmann::json::parse(body, nullptr, false);
  if (json.is_discarded()) return fail("the agent's answer is no JSON: " + body);
  return json;
}

std::string text(const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return "-";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string both(const nlohmann::json& json, const char* v4, const char* v6) {
  std::string second = text(json, v6);
  std::string first = text(json, v4);
  if (second == "-") return first;
  return first == "-" ? second : first + ", " + second;
}

std::string timeText(const nlohmann::json& json, const char* key) {
  constexpr std::int64_t kMinute = 60;
  constexpr std::int64_t kHour = 60 * kMinute;
  constexpr std::int64_t kDay = 24 * kHour;
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number_integer()) return "-";
  const auto seconds = found->get<std::int64_t>();
  if (seconds >= 2 * kDay) return fmt::format("{}d{:02}h", seconds / kDay, seconds % kDay / kHour);
  if (seconds >= kHour) return fmt::format("{}h{:02}m", seconds / kHour, seconds % kHour / kMinute);
  if (seconds >= kMinute) return fmt::format("{}m{:02}s", seconds / kMinute, seconds % kMinute);
  return fmt::format("{}s", seconds);
}

}  // namespace twill
