// SPDX-License-Identifier: Apache-2.0
#include "cloud/gce/network_routes.hpp"

#include <utility>

#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "cloud/form.hpp"
#include "cloud/gce/answers.hpp"
#include "cloud/gce/compute.hpp"

namespace twill::cloud::gce {
namespace {

using Json = nlohmann::json;

constexpr int kPriority = 1000;  ///< the API's default, and flannel's
constexpr std::size_t kMostPages = 1000;

/// "projects/P/zones/Z" -> "Z"
std::string lastPart(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

/// "projects/P/global/networks/N" -> "P": where a network's routes are, which with a shared VPC is not the
/// instance's project.
std::string projectOf(const std::string& path) {
  const std::string rest = path.substr(path.find('/') + 1);
  return rest.substr(0, rest.find('/'));
}

class NetworkRoutes final : public CloudRoutes {
 public:
  NetworkRoutes(boost::asio::io_context& io, const CloudWish& wish, const Environment& environment)
      : compute_(io, environment),
        address_(wish.local4 ? *wish.local4 : *wish.local6),
        description_(fmt::format("subnet of the node {}, by Twill", wish.node)) {}

  Task<Answer<Self>> discover() override {
    Self self;
    auto project = co_await compute_.metadata("project/project-id");
    if (!project) co_return Refusal(project.error());
    auto zone = co_await compute_.metadata("instance/zone");
    if (!zone) co_return Refusal(zone.error());
    auto name = co_await compute_.metadata("instance/name");
    if (!name) co_return Refusal(name.error());
    self.instance = std::move(*name);
    self.place = lastPart(*zone);
    self.target = fmt::format("projects/{}/zones/{}/instances/{}", *project, self.place, self.instance);
    const auto answer = co_await compute_.get("instances.get", self.target);
    if (!answer) co_return Refusal(answer.error());
    instance_ = instanceIn(*answer, address_);
    if (instance_.network.empty()) {
      Outcome none{
          Kind::permanent,
          fmt::format("no interface of instance {} has the address {}; name the one that VPC traffic "
                      "goes by with --iface",
                      self.instance, address_.text())};
      co_return Refusal(std::move(none));
    }
    self.network = instance_.network;
    self.tables.push_back(self.network);
    co_return self;
  }

  Task<Outcome> prepare(const Self& self) override {
    if (instance_.canIpForward) co_return Outcome();
    co_return Outcome{Kind::permanent,
                      fmt::format("instance {} may not forward packets, so Google drops what its containers "
                                  "send and receive; make it anew with --can-ip-forward",
                                  self.instance)};
  }

  Task<Answer<std::vector<Route>>> list(const Self& self, const std::vector<Prefix>& networks) override {
    const Parameters filter{
        {"filter", fmt::format("network=\"https://www.googleapis.com/compute/v1/{}\"", self.network)}};
    std::vector<Route> out;
    std::string next;
    std::size_t pages = 0;
    do {
      Parameters query = filter;
      if (!next.empty()) query.emplace_back("pageToken", next);
      std::string path = fmt::format("projects/{}/global/routes?{}", projectOf(self.network), formOf(query));
      const auto page = co_await compute_.get("routes.list", std::move(path));
      if (!page) co_return Refusal(page.error());
      for (Route& route : routesIn(*page, networks)) {
        if (route.table == self.network) out.push_back(std::move(route));
      }
      next = textIn(*page, "nextPageToken");
    } while (!next.empty() && ++pages < kMostPages);
    co_return out;
  }

  /// A route cannot be changed: the new one is there before the old one goes.
  Task<Outcome> put(const Self& self, const Put& put) override {
    const std::string name = put.replaces ? otherNameOf(put.dst, put.replaces->id) : nameOf(put.dst);
    const std::string project = projectOf(self.network);
    Json body = {{"name", name},          {"network", self.network},        {"destRange", put.dst.text()},
                 {"priority", kPriority}, {"nextHopInstance", self.target}, {"description", description_}};
    Compute::Call insert{.what = "routes.insert",
                         .method = "POST",
                         .path = fmt::format("projects/{}/global/routes", project),
                         .body = body.dump()};
    Outcome inserted = co_await compute_.operate(project, std::move(insert));
    if (inserted.kind == Kind::exists) co_return co_await whose(self, name, std::move(inserted));
    if (!inserted.done() || !put.replaces) co_return inserted;
    co_return co_await erase(self, *put.replaces);
  }

  Task<Outcome> erase(const Self& self, const Route& route) override {
    const std::string project = projectOf(self.network);
    Compute::Call remove{.what = "routes.delete",
                         .method = "DELETE",
                         .path = fmt::format("projects/{}/global/routes/{}", project, route.id),
                         .body = {}};
    Outcome erased = co_await compute_.operate(project, std::move(remove));
    co_return erased.kind == Kind::missing ? Outcome() : erased;
  }

  Task<Answer<std::vector<Usage>>> usage(const Self& self) override {
    std::vector<Usage> out;
    const std::string project = projectOf(self.network);
    const auto answer = co_await compute_.get("projects.get", "projects/" + project);
    if (!answer) co_return Refusal(answer.error());
    const auto quotas = answer->find("quotas");
    if (quotas == answer->end() || !quotas->is_array()) co_return out;
    for (const Json& quota : *quotas) {
      if (textIn(quota, "metric") != "ROUTES") continue;
      const auto number = [&](const char* key) {
        const auto found = quota.find(key);
        const bool sound = found != quota.end() && found->is_number() && found->get<double>() >= 0 &&
                           found->get<double>() < 1e9;
        return sound ? static_cast<std::size_t>(found->get<double>()) : std::size_t{0};
      };
      out.push_back({"project " + project, number("usage"), number("limit")});
    }
    co_return out;
  }

  void cancel() override { compute_.cancel(); }
  [[nodiscard]] const CallCounts& calls() const override { return compute_.calls(); }

 private:
  /// Names are the project's, and a route of this one may be in another network.
  Task<Outcome> whose(Self self, std::string name, Outcome exists) {
    std::string path = fmt::format("projects/{}/global/routes/{}", projectOf(self.network), name);
    const auto there = co_await compute_.get("routes.get", std::move(path));
    const std::string network = there ? pathOf(textIn(*there, "network")) : self.network;
    if (network == self.network) co_return exists;
    co_return Outcome{
        Kind::conflict,
        fmt::format("Compute Engine has a route {} in {}: another cluster of this project has the "
                    "same subnets; give one of them another Network",
                    name, network)};
  }

  Compute compute_;
  IpAddress address_;
  std::string description_;
  Instance instance_;
};

}  // namespace

std::unique_ptr<CloudRoutes> networkRoutes(boost::asio::io_context& io, const CloudWish& wish,
                                           const Environment& environment) {
  return std::make_unique<NetworkRoutes>(io, wish, environment);
}

}  // namespace twill::cloud::gce
