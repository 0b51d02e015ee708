// SPDX-License-Identifier: Apache-2.0
#include "cloud/aws/metadata.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace twill::cloud::aws {
namespace {

constexpr auto kPatience = std::chrono::seconds(5);

Outcome unexpected(const std::string& what, const HttpResponse& response) {
  const Kind kind = response.status == 404   ? Kind::missing
                    : response.status == 403 ? Kind::auth
                                             : Kind::transient;
  return {kind, fmt::format("EC2 metadata {}: HTTP {}{}", what, response.status,
                            kind == Kind::auth ? "; the instance's metadata service is switched off" : "")};
}

}  // namespace

Metadata::Metadata(Http& http, const Environment& environment)
    : http_(http),
      endpoint_(environment("AWS_EC2_METADATA_SERVICE_ENDPOINT").value_or("http://169.254.169.254")) {
  while (endpoint_.ends_with('/')) endpoint_.pop_back();
}

Task<Outcome> Metadata::renew() {
  HttpRequest request{.method = "PUT",
                      .url = endpoint_ + "/latest/api/token",
                      .headers = {"X-aws-ec2-metadata-token-ttl-seconds: 21600"},
                      .body = {},
                      .timeout = kPatience,
                      .proxy = false};
  auto response = co_await http_.send(std::move(request));
  if (!response) co_return response.error();
  if (response->status != 200) co_return unexpected("token", *response);
  token_ = std::move(response->body);
  co_return Outcome();
}

Task<Answer<std::string>> Metadata::get(std::string path) {
  for (bool again = false;; again = true) {
    if (token_.empty()) {
      Outcome renewed = co_await renew();
      if (!renewed.done()) co_return Refusal(std::move(renewed));
    }
    HttpRequest request{.method = "GET",
                        .url = endpoint_ + "/latest/meta-data/" + path,
                        .headers = {"X-aws-ec2-metadata-token: " + token_},
                        .body = {},
                        .timeout = kPatience,
                        .proxy = false};
    auto response = co_await http_.send(std::move(request));
    if (!response) co_return Refusal(response.error());
    if (response->status == 200) co_return std::move(response->body);
    if (response->status != 401 || again) co_return Refusal(unexpected(path, *response));
    token_.clear();  // it has run out
  }
}

}  // namespace twill::cloud::aws
