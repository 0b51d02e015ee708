// SPDX-License-Identifier: Apache-2.0
// The load of test/bench/cloud: many nodes' reconcilers in one process, each as it is in an agent, at one
// fake of AWS. usage: cloud_crowd NODES URL SECONDS-AT-REST
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include "cloud/aws/vpc_routes.hpp"
#include "cloud/reconciler.hpp"

namespace twill::cloud {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

CloudWish wishOf(unsigned node, const std::vector<std::string>& names) {
  const IpAddress network = IpAddress::fromV4(0x0af00000U);  // 10.240.0.0
  CloudWish out{.type = "aws-vpc",
                .node = names[node],
                .local4 = IpAddress::fromV4(0x0a010000U + node + 2)};  // 10.1.0.0
  out.networks.push_back({.network = Prefix(network, 12), .subnetLength = 24});
  for (unsigned i = 0; i < names.size(); ++i) out.leased.emplace_back(network.plus(i * 256ULL), 24);
  out.own.push_back(out.leased[node]);
  out.colleagues = names;
  return out;
}

void addCalls(const std::vector<std::unique_ptr<RouteReconciler>>& crowd, CallCounts& out) {
  out.clear();
  for (const auto& one : crowd) {
    if (const auto status = one->status())
      for (const auto& [call, count] : status->calls) out[call] += count;
  }
}

nlohmann::json toJson(const CallCounts& calls, const CallCounts& before) {
  nlohmann::json out = nlohmann::json::array();
  for (const auto& [call, count] : calls) {
    const auto found = before.find(call);
    const auto fresh = count - (found == before.end() ? 0 : found->second);
    if (fresh > 0) out.push_back({{"call", call.first}, {"outcome", textOf(call.second)}, {"count", fresh}});
  }
  return out;
}

int run(unsigned nodes, const std::string& url, std::chrono::seconds atRest) {
  std::string directory = (std::filesystem::temp_directory_path() / "twill-crowd.XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) return 1;
  const rlimit many{65536, 65536};
  (void)::setrlimit(RLIMIT_NOFILE, &many);
  spdlog::set_level(spdlog::level::warn);
  std::vector<std::string> names;
  for (unsigned i = 0; i < nodes; ++i) names.push_back(fmt::format("node{:05}", i));
  boost::asio::io_context io(1);
  std::vector<std::unique_ptr<RouteReconciler>> crowd;
  for (unsigned i = 0; i < nodes; ++i) {
    auto environment = [url, i](const char* name) -> std::optional<std::string> {
      const std::string_view asked = name;
      if (asked == "AWS_EC2_METADATA_SERVICE_ENDPOINT") return fmt::format("{}/i-{}", url, i);
      if (asked == "AWS_ENDPOINT_URL") return url;
      if (asked == "AWS_ENDPOINT_URL_SERVICE_QUOTAS") return url;
      return asked == "HOME" ? std::optional<std::string>("/nonexistent") : std::nullopt;
    };
    auto make = [environment](boost::asio::io_context& on, const CloudWish& wish) {
      return aws::vpcRoutes(on, wish, environment);
    };
    crowd.push_back(std::make_unique<RouteReconciler>(
        io, directory + "/" + names[i], [] {}, make));
    crowd.back()->follow(wishOf(i, names));
  }
  const auto upOf = [&] {
    return std::count_if(crowd.begin(), crowd.end(), [](const auto& one) { return one->isUp(); });
  };
  const auto begin = Clock::now();
  std::vector<double> quarter;  // seconds until a quarter, a half, ... were up
  while (quarter.size() < 4 && Clock::now() - begin < 30min) {
    io.run_for(50ms);
    while (quarter.size() < 4 && static_cast<std::size_t>(upOf()) * 4 >= (quarter.size() + 1) * nodes)
      quarter.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }
  CallCounts start, rest;
  addCalls(crowd, start);
  if (atRest > 0s) io.run_for(atRest);
  addCalls(crowd, rest);
  fmt::print("{}\n", nlohmann::json{{"nodes", nodes},
                                    {"up", upOf()},
                                    {"quarters_s", quarter},
                                    {"start", toJson(start, {})},
                                    {"rest_s", atRest.count()},
                                    {"rest", toJson(rest, start)}}
                         .dump());
  crowd.clear();
  std::filesystem::remove_all(directory);
  return quarter.size() == 4 ? 0 : 1;
}

}  // namespace
}  // namespace twill::cloud

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: cloud_crowd NODES URL SECONDS-AT-REST\n");
    return 2;
  }
  return twill::cloud::run(static_cast<unsigned>(std::strtoul(argv[1], nullptr, 10)), argv[2],
                           std::chrono::seconds(std::strtoul(argv[3], nullptr, 10)));
}
