// SPDX-License-Identifier: Apache-2.0
#include "cloud/aws/ec2.hpp"

#include <utility>

#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cloud/aws/answers.hpp"

namespace twill::cloud::aws {
namespace {

constexpr const char* kForm = "application/x-www-form-urlencoded; charset=utf-8";
constexpr const char* kVersion = "2016-11-15";
/// A table has a thousand entries at most, and a page holds five tables at least.
constexpr std::size_t kMostPages = 1000;

/// "https://HOST:PORT/..." -> "HOST:PORT"
std::string hostOf(const std::string& endpoint) {
  const auto begin = endpoint.find("//");
  const std::string rest = begin == std::string::npos ? endpoint : endpoint.substr(begin + 2);
  return rest.substr(0, rest.find('/'));
}

/// Regions of China have a domain of their own.
std::string endpointOf(const std::string& service, const std::string& region) {
  return fmt::format("https://{}.{}.amazonaws.com{}", service, region,
                     region.starts_with("cn-") ? ".cn" : "");
}

}  // namespace

Ec2::Ec2(boost::asio::io_context& io, Environment environment)
    : http_(io),
      environment_(std::move(environment)),
      metadata_(http_, environment_),
      credentials_(http_, metadata_, environment_) {}

Task<Outcome> Ec2::findRegion() {
  if (!region_.empty()) co_return Outcome();
  region_ = credentials_.region();
  if (!region_.empty()) co_return Outcome();
  const std::string path = "placement/region";
  auto told = co_await metadata_.get(path);
  if (!told) {
    Outcome outcome = told.error();
    outcome.text += "; is this an EC2 instance? Else set AWS_REGION";
    co_return outcome;
  }
  region_ = *told;
  co_return Outcome();
}

Task<Answer<HttpResponse>> Ec2::post(std::string service, std::string endpoint, Unsigned request) {
  request.host = hostOf(endpoint);
  request.region = region_;
  request.service = std::move(service);
  for (bool again = false;; again = true) {
    const auto credentials = co_await credentials_.get(region_);
    if (!credentials) co_return Refusal(credentials.error());
    HttpRequest http{.method = "POST",
                     .url = endpoint + "/",
                     .headers = sign(request, *credentials, std::chrono::system_clock::now() + clockOffset_),
                     .body = request.body};
    auto response = co_await http_.send(std::move(http));
    if (!response || response->status == 200 || again) co_return response;
    const Refused refused = refusedIn(*response);
    if (!isStale(refused) && !isClockSkew(refused)) co_return response;
    // EC2 says the same of a clock that is wrong and of a session that is over.
    if (!isClockSkew(refused) || !correctClock(response->header("date"))) credentials_.forget();
  }
}

/// True when AWS's clock, as its answer has it, is that far from ours that it refuses signatures.
bool Ec2::correctClock(const std::string& date) {
  constexpr std::chrono::minutes kLargest{4};         // AWS takes five
  constexpr std::chrono::hours kFurthest{24 * 3650};  // what is further off is no clock
  const std::time_t theirs = ::curl_getdate(date.c_str(), nullptr);
  if (theirs <= 0) return false;
  const auto ours = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  const std::chrono::seconds offset(theirs - ours);
  const bool apart =
      std::chrono::abs(offset - clockOffset_) > kLargest && std::chrono::abs(offset) < kFurthest;
  if (apart) clockOffset_ = offset;
  return apart;
}

Task<Answer<Element>> Ec2::call(std::string action, Parameters parameters) {
  Outcome found = co_await findRegion();
  if (!found.done()) co_return Refusal(std::move(found));
  Parameters all{{"Action", action}, {"Version", kVersion}};
  all.insert(all.end(), parameters.begin(), parameters.end());
  Unsigned request{.contentType = kForm, .body = formOf(all)};
  std::string endpoint = endpointOf("ec2", region_);
  for (const char* name : {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2"})
    endpoint = environment_(name).value_or(endpoint);
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const auto response = co_await post("ec2", std::move(endpoint), std::move(request));
  Outcome outcome = response ? outcomeOf(action, *response) : response.error();
  ++calls_[{action, outcome.kind}];
  if (!outcome.done()) co_return Refusal(std::move(outcome));
  auto root = parseXml(response->body);
  if (root) co_return std::move(*root);
  Outcome garbled{Kind::transient, fmt::format("EC2 {}: {}", action, root.error().text)};
  co_return Refusal(std::move(garbled));
}

Task<Answer<std::vector<Element>>> Ec2::pages(std::string action, Parameters parameters) {
  std::vector<Element> out;
  std::string next;
  do {
    Parameters asked = parameters;
    if (!next.empty()) asked.emplace_back("NextToken", next);
    auto page = co_await call(action, std::move(asked));
    if (!page) co_return Refusal(page.error());
    next = page->textOf("nextToken");
    out.push_back(std::move(*page));
  } while (!next.empty() && out.size() < kMostPages);
  co_return out;
}

Task<std::size_t> Ec2::routesPerTable() {
  Unsigned request{.contentType = "application/x-amz-json-1.1",
                   .target = "ServiceQuotasV20190624.GetServiceQuota",
                   .body = R"({"ServiceCode":"vpc","QuotaCode":"L-93826ACB"})"};
  std::string endpoint = endpointOf("servicequotas", region_);
  endpoint = environment_("AWS_ENDPOINT_URL_SERVICE_QUOTAS").value_or(endpoint);
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const auto response = co_await post("servicequotas", std::move(endpoint), std::move(request));
  const bool good = response && response->status == 200;
  ++calls_[{"GetServiceQuota", good ? Kind::done : response ? Kind::auth : Kind::transient}];
  if (!good) co_return 0;
  const auto body = nlohmann::json::parse(response->body, nullptr, false);
  if (!body.is_object() || !body.contains("Quota") || !body["Quota"].is_object()) co_return 0;
  const auto value = body["Quota"].find("Value");
  if (value == body["Quota"].end() || !value->is_number()) co_return 0;
  const double number = value->get<double>();
  co_return number > 0 && number < 1e6 ? static_cast<std::size_t>(number) : 0;
}

}  // namespace twill::cloud::aws
