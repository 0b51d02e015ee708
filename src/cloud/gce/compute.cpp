// SPDX-License-Identifier: Apache-2.0
#include "cloud/gce/compute.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "cloud/gce/answers.hpp"

namespace twill::cloud::gce {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

constexpr std::chrono::seconds kLongestToken = 24h;
constexpr auto kEarly = 60s;      ///< a new token is asked for so long before the old one ends
constexpr auto kLongest = 120s;   ///< of an operation
constexpr auto kWaitCall = 130s;  ///< the API ends a wait after two minutes
constexpr auto kBetween = 500ms;  ///< two waits for one operation, should they end at once

}  // namespace

Compute::Compute(boost::asio::io_context& io, const Environment& environment)
    : http_(io),
      timer_(io),
      metadataUrl_(fmt::format("http://{}/computeMetadata/v1/",
                               environment("GCE_METADATA_HOST").value_or("169.254.169.254"))),
      apiUrl_(environment("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE")
                  .value_or("https://compute.googleapis.com/compute/v1/")) {
  if (!apiUrl_.ends_with('/')) apiUrl_ += '/';
}

void Compute::cancel() {
  cancelled_ = true;
  http_.cancel();
  timer_.cancel();
}

Task<Answer<std::string>> Compute::metadata(std::string path) {
  HttpRequest request{.method = "GET",
                      .url = metadataUrl_ + path,
                      .headers = {"Metadata-Flavor: Google"},
                      .body = {},
                      .timeout = 5s,
                      .proxy = false};
  auto response = co_await http_.send(std::move(request));
  if (!response) {
    Outcome outcome = response.error();
    outcome.text = "Google's metadata server: " + outcome.text + "; is this a Compute Engine instance?";
    co_return Refusal(std::move(outcome));
  }
  // Some other server would not say so.
  if (response->status == 200 && response->header("metadata-flavor") == "Google")
    co_return std::move(response->body);
  Outcome outcome{response->status == 404 ? Kind::missing : Kind::transient,
                  fmt::format("Google's metadata server: {}: HTTP {}", path, response->status)};
  co_return Refusal(std::move(outcome));
}

Task<Outcome> Compute::renewToken() {
  if (!token_.empty() && std::chrono::steady_clock::now() < tokenEnds_) co_return Outcome();
  const std::string path = "instance/service-accounts/default/token";
  const auto answer = co_await metadata(path);
  if (!answer && answer.error().kind == Kind::missing) {
    co_return Outcome{
        Kind::auth, "the instance has no service account; give it one that may change routes (docs/gce.md)"};
  }
  if (!answer) co_return answer.error();
  const Json body = Json::parse(*answer, nullptr, false);
  std::string token = textIn(body, "access_token");
  if (token.empty())
    co_return Outcome{Kind::transient, "Google's metadata server: the answer holds no token"};
  const auto seconds = body.contains("expires_in") && body["expires_in"].is_number_integer()
                           ? std::chrono::seconds(std::clamp<std::int64_t>(
                                 body["expires_in"].get<std::int64_t>(), 0, kLongestToken.count()))
                           : 0s;
  token_ = std::move(token);
  tokenEnds_ = std::chrono::steady_clock::now() + seconds - kEarly;
  co_return Outcome();
}

Task<Answer<HttpResponse>> Compute::send(std::string method, std::string url, std::string body) {
  for (bool again = false;; again = true) {
    Outcome renewed = co_await renewToken();
    if (!renewed.done()) co_return Refusal(std::move(renewed));
    HttpRequest request{.method = method,
                        .url = url,
                        .headers = {"Authorization: Bearer " + token_},
                        .body = body,
                        .timeout = url.ends_with("/wait") ? std::chrono::milliseconds(kWaitCall) : 15s};
    if (!body.empty()) request.headers.emplace_back("Content-Type: application/json");
    auto response = co_await http_.send(std::move(request));
    if (!response || response->status != 401 || again) co_return response;
    token_.clear();
  }
}

Task<Answer<Json>> Compute::call(Call call) {
  const auto response = co_await send(call.method, apiUrl_ + call.path, call.body);
  Outcome outcome = response ? outcomeOf(call.what, *response) : response.error();
  ++calls_[std::pair(call.what, outcome.kind)];
  if (!outcome.done()) co_return Refusal(std::move(outcome));
  Json answer = Json::parse(response->body, nullptr, false);
  if (answer.is_object()) co_return std::move(answer);
  Outcome garbled{Kind::transient,
                  fmt::format("Compute Engine {}: the answer is not JSON as expected", call.what)};
  co_return Refusal(std::move(garbled));
}

Task<Answer<Json>> Compute::get(std::string what, std::string path) {
  Call asked{.what = std::move(what), .method = "GET", .path = std::move(path), .body = {}};
  co_return co_await call(std::move(asked));
}

Task<Outcome> Compute::operate(std::string project, Call asked) {
  const std::string what = asked.what;
  auto operation = co_await call(std::move(asked));
  const auto end = std::chrono::steady_clock::now() + kLongest;
  while (operation && textIn(*operation, "status") != "DONE") {
    const std::string name = textIn(*operation, "name");
    if (cancelled_ || name.empty() || std::chrono::steady_clock::now() > end)
      co_return Outcome{Kind::transient, fmt::format("Compute Engine {}: its operation does not end", what)};
    Call wait{.what = "operations.wait",
              .method = "POST",
              .path = fmt::format("projects/{}/global/operations/{}/wait", project, name),
              .body = {}};
    operation = co_await call(std::move(wait));
    if (!operation || textIn(*operation, "status") == "DONE" || cancelled_) continue;
    timer_.expires_after(kBetween);
    boost::system::error_code early;
    auto token = boost::asio::redirect_error(boost::asio::use_awaitable, early);
    co_await timer_.async_wait(token);
  }
  co_return operation ? outcomeOfOperation(what, *operation) : operation.error();
}

}  // namespace twill::cloud::gce
