// SPDX-License-Identifier: Apache-2.0
#include "cloud/aws/credentials.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <limits>

#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "cloud/aws/xml.hpp"
#include "cloud/form.hpp"

namespace twill::cloud::aws {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::system_clock;

constexpr std::size_t kLongestFile = 1U << 20U;
/// New ones are asked for this long before the old ones end; until kLatest a failure to get them is no harm.
constexpr auto kEarly = 15min;
constexpr auto kLatest = 1min;

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

/// "2026-01-02T03:04:05Z", as AWS writes an end; far away when it is none.
Clock::time_point timeOf(const std::string& text) {
  std::tm parts{};
  if (::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr) return Clock::time_point::max();
  // The clock counts nanoseconds, in 64 bits.
  constexpr std::time_t kLast = std::numeric_limits<std::int64_t>::max() / 1000000000 - 1;
  const std::time_t seconds = ::timegm(&parts);
  if (seconds > kLast) return Clock::time_point::max();
  return Clock::from_time_t(std::max<std::time_t>(seconds, 0));
}

Refusal refuse(Kind kind, std::string text) {
  return Refusal(Outcome{kind, std::move(text)});
}

/// Tokens may go only where nobody else listens: AWS's own rule for AWS_CONTAINER_CREDENTIALS_FULL_URI.
bool isSafeForTokens(const std::string& url) {
  constexpr std::array kPrefixes{"https://",     "http://127.",          "http://localhost",
                                 "http://[::1]", "http://169.254.170.2", "http://169.254.170.23"};
  for (const std::string_view prefix : kPrefixes) {
    if (url.starts_with(prefix)) return true;
  }
  return false;
}

}  // namespace

std::map<std::string, std::string> profileIn(std::string_view text, std::string_view name) {
  std::map<std::string, std::string> out;
  bool inside = false;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      const auto close = line.find(']');
      const std::string section = trimmed(std::string_view(line).substr(1, close - 1));
      inside = section == name || section == fmt::format("profile {}", name);
      continue;
    }
    const auto equals = line.find('=');
    if (!inside || equals == std::string::npos) continue;
    out[trimmed(std::string_view(line).substr(0, equals))] =
        trimmed(std::string_view(line).substr(equals + 1));
  }
  return out;
}

Answer<Credentials> credentialsIn(std::string_view json, const std::string& source) {
  const auto body = nlohmann::json::parse(json, nullptr, false);
  const auto text = [&](const char* key) {
    const auto found = body.is_object() ? body.find(key) : body.end();
    return body.is_object() && found != body.end() && found->is_string() ? found->get<std::string>() : "";
  };
  Credentials out{.id = text("AccessKeyId"),
                  .secret = text("SecretAccessKey"),
                  .token = text("Token"),
                  .expires = timeOf(text("Expiration"))};
  if (!out.id.empty() && !out.secret.empty()) return out;
  const std::string code = text("Code");
  return refuse(Kind::auth, fmt::format("credentials from {}: the answer holds none{}", source,
                                        code.empty() || code == "Success" ? "" : " (" + code + ")"));
}

CredentialChain::CredentialChain(Http& http, Metadata& metadata, Environment environment)
    : http_(http), metadata_(metadata), environment_(std::move(environment)) {}

Task<Answer<Credentials>> CredentialChain::get(std::string region) {
  const auto now = Clock::now();
  if (held_ && now < held_->expires - kEarly) co_return *held_;
  auto fresh = co_await fetch(std::move(region));
  if (fresh) held_ = *fresh;
  if (!fresh && held_ && now < held_->expires - kLatest) co_return *held_;
  co_return fresh;
}

Task<Answer<Credentials>> CredentialChain::fetch(std::string region) {
  if (auto found = fromEnvironment()) co_return std::move(*found);
  if (environment_("AWS_WEB_IDENTITY_TOKEN_FILE") && environment_("AWS_ROLE_ARN"))
    co_return co_await fromWebIdentity(std::move(region));
  auto keys = profile();
  if (!keys["aws_access_key_id"].empty() && !keys["aws_secret_access_key"].empty()) {
    Credentials found{.id = keys["aws_access_key_id"],
                      .secret = keys["aws_secret_access_key"],
                      .token = keys["aws_session_token"]};
    co_return found;
  }
  if (environment_("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
      environment_("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
    co_return co_await fromContainer();
  co_return co_await fromInstance();
}

std::optional<Credentials> CredentialChain::fromEnvironment() const {
  const auto id = environment_("AWS_ACCESS_KEY_ID");
  const auto secret = environment_("AWS_SECRET_ACCESS_KEY");
  if (!id || !secret) return std::nullopt;
  return Credentials{.id = *id, .secret = *secret, .token = environment_("AWS_SESSION_TOKEN").value_or("")};
}

/// Of the credentials file and, where that says nothing, of the config file.
std::map<std::string, std::string> CredentialChain::profile() const {
  const std::string name = environment_("AWS_PROFILE").value_or("default");
  const std::string home = environment_("HOME").value_or("/root");
  std::map<std::string, std::string> out;
  for (const auto& path : {environment_("AWS_SHARED_CREDENTIALS_FILE").value_or(home + "/.aws/credentials"),
                           environment_("AWS_CONFIG_FILE").value_or(home + "/.aws/config")}) {
    if (const auto text = readFile(path, kLongestFile)) out.merge(profileIn(*text, name));
  }
  return out;
}

std::string CredentialChain::region() const {
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (auto named = environment_(name)) return *named;
  }
  return profile()["region"];
}

Task<Answer<Credentials>> CredentialChain::fromWebIdentity(std::string region) {
  const std::string file = *environment_("AWS_WEB_IDENTITY_TOKEN_FILE");
  const auto token = readFile(file, kLongestFile);
  if (!token) co_return refuse(Kind::auth, "AWS_WEB_IDENTITY_TOKEN_FILE: " + token.error().text);
  const std::string form =
      formOf({{"Action", "AssumeRoleWithWebIdentity"},
              {"Version", "2011-06-15"},
              {"RoleArn", *environment_("AWS_ROLE_ARN")},
              {"RoleSessionName", environment_("AWS_ROLE_SESSION_NAME").value_or("twilld")},
              {"WebIdentityToken", trimmed(*token)}});
  HttpRequest request{
      .method = "POST",
      .url =
          environment_("AWS_ENDPOINT_URL_STS").value_or(fmt::format("https://sts.{}.amazonaws.com/", region)),
      .headers = {"Content-Type: application/x-www-form-urlencoded; charset=utf-8"},
      .body = form};
  const auto response = co_await http_.send(std::move(request));
  if (!response) co_return Refusal(response.error());
  const auto answer = parseXml(response->body);
  const Element* result = answer ? answer->child("AssumeRoleWithWebIdentityResult") : nullptr;
  const Element* found = result == nullptr ? nullptr : result->child("Credentials");
  if (response->status == 200 && found != nullptr) {
    Credentials out{.id = found->textOf("AccessKeyId"),
                    .secret = found->textOf("SecretAccessKey"),
                    .token = found->textOf("SessionToken"),
                    .expires = timeOf(found->textOf("Expiration"))};
    co_return out;
  }
  const Element* error = answer ? answer->child("Error") : nullptr;
  co_return refuse(
      response->status >= 500 ? Kind::transient : Kind::auth,
      fmt::format(
          "STS AssumeRoleWithWebIdentity for {}: HTTP {} {}; the role has to trust this token's issuer",
          *environment_("AWS_ROLE_ARN"), response->status, error == nullptr ? "" : error->textOf("Code")));
}

Task<Answer<Credentials>> CredentialChain::fromContainer() {
  std::string url = "http://169.254.170.2";
  if (const auto path = environment_("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")) {
    url += *path;
  } else {
    url = *environment_("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  }
  if (!isSafeForTokens(url))
    co_return refuse(Kind::auth,
                     "AWS_CONTAINER_CREDENTIALS_FULL_URI: expected https, or an address of this machine");
  HttpRequest request{.url = url, .timeout = 5s, .proxy = false};
  std::string token = environment_("AWS_CONTAINER_AUTHORIZATION_TOKEN").value_or("");
  if (const auto file = environment_("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
    const auto text = readFile(*file, kLongestFile);
    if (!text) co_return refuse(Kind::auth, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: " + text.error().text);
    token = trimmed(*text);
  }
  if (!token.empty()) request.headers.push_back("Authorization: " + token);
  const auto response = co_await http_.send(std::move(request));
  if (!response) co_return Refusal(response.error());
  if (response->status != 200)
    co_return refuse(Kind::auth,
                     fmt::format("credentials from the container's service: HTTP {}", response->status));
  co_return credentialsIn(response->body, "the container's service");
}

Task<Answer<Credentials>> CredentialChain::fromInstance() {
  const std::string path = "iam/security-credentials/";
  auto role = co_await metadata_.get(path);
  if (!role && role.error().kind == Kind::missing)
    co_return refuse(
        Kind::auth,
        "there are no AWS credentials: the instance has no role, and neither the environment nor "
        "~/.aws/credentials has keys; give the instance a role with the policy of docs/aws.md");
  if (!role) co_return Refusal(role.error());
  const std::string name = trimmed(role->substr(0, role->find('\n')));
  const auto answer = co_await metadata_.get(path + name);
  if (!answer) co_return Refusal(answer.error());
  co_return credentialsIn(*answer, "the instance's role " + name);
}

}  // namespace twill::cloud::aws
