// SPDX-License-Identifier: Apache-2.0
#include "lab/cloud.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace twill::lab {
namespace {

using Json = nlohmann::ordered_json;

/// Of either cloud, for all instances.
constexpr const char* kMetadata = "169.254.169.254";
constexpr int kApiPort = 8000;

bool isAws(const Spec& spec) {
  return spec.backend == "aws-vpc";
}

Json awsCloud(const Topology& topology) {
  Json instances;
  for (const NodePlan& node : topology.nodes) {
    instances["i-" + node.name] = {{"eni", "eni-" + node.name}, {"address", node.v4.address.text()}};
    if (node.v6) instances["i-" + node.name]["address6"] = node.v6->address.text();
  }
  return {{"region", "eu-lab-1"},   {"vpc", "vpc-lab"},
          {"subnet", "subnet-lab"}, {"tables", {{"rtb-lab", {{"main", true}}}}},
          {"keys", Json::object()}, {"instances", instances}};
}

Json gceCloud(const Topology& topology) {
  Json instances;
  for (const NodePlan& node : topology.nodes) {
    instances[node.name] = {{"address", node.v4.address.text()}};
    if (node.v6) instances[node.name]["address6"] = node.v6->address.text();
  }
  return {{"project", "twill-lab"},
          {"number", 1},
          {"zone", "lab-a"},
          {"network", "lab"},
          {"instances", instances}};
}

}  // namespace

Result<RouterService> cloudService(const Spec& spec, const Topology& topology,
                                   const std::string& binDirectory) {
  const std::string program = binDirectory + (isAws(spec) ? "/twill-fake-ec2" : "/twill-fake-gce");
  if (::access(program.c_str(), X_OK) != 0)
    return failErrno(
        fmt::format("--backend {} needs a stand-in for the cloud, {}; it is part of a build of "
                    "Twill's sources (./dev lab) and not of the package",
                    spec.backend, program));
  const Json cloud = isAws(spec) ? awsCloud(topology) : gceCloud(topology);
  return RouterService{{{"/run/cloud.json", cloud.dump(2) + "\n"}},
                       {program, "--cloud", "/run/cloud.json", "--program-routes",
                        fmt::format("{}:80", kMetadata), fmt::format("0.0.0.0:{}", kApiPort)}};
}

std::vector<std::string> cloudEnvironment(const Spec& spec, const Topology& topology) {
  if (!isCloud(spec)) return {};
  const std::string api =
      fmt::format("http://{}:{}", topology.segments.front().router4.address.text(), kApiPort);
  if (isAws(spec)) return {"AWS_ENDPOINT_URL_EC2=" + api, "AWS_ENDPOINT_URL_SERVICE_QUOTAS=" + api};
  return {"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE=" + api + "/compute/v1/"};
}

void addCloud(const Spec& spec, KernelState& router) {
  if (!isCloud(spec)) return;
  router.put(Address{.link = "eth1", .address = {*IpAddress::parse(kMetadata), 32}, .owner = "router"});
  // A cloud's router tells nobody of a shorter way.
  for (const char* scope : {"all", "default"}) {
    router.put(Sysctl{
        .path = fmt::format("net/ipv4/conf/{}/send_redirects", scope), .value = "0", .owner = "router"});
  }
}

}  // namespace twill::lab
