// SPDX-License-Identifier: Apache-2.0
#include "cloud/aws/vpc_routes.hpp"

#include <utility>

#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "cloud/aws/answers.hpp"
#include "cloud/aws/ec2.hpp"

namespace twill::cloud::aws {
namespace {

const char* keyOf(const Prefix& dst) {
  return dst.isV4() ? "DestinationCidrBlock" : "DestinationIpv6CidrBlock";
}

Parameters filter(const char* name, std::string value) {
  return {{"Filter.1.Name", name}, {"Filter.1.Value.1", std::move(value)}};
}

class VpcRoutes final : public CloudRoutes {
 public:
  VpcRoutes(boost::asio::io_context& io, const CloudWish& wish, Environment environment)
      : ec2_(io, std::move(environment)),
        address_(wish.local4 ? *wish.local4 : *wish.local6),
        wanted_(wish.tables) {}

  Task<Answer<Self>> discover() override {
    if (!found_) {
      Outcome looked = co_await findInterface();
      if (!looked.done()) co_return Refusal(std::move(looked));
    }
    interface_ = *found_;
    Self self{.place = ec2_.region(),
              .network = interface_.vpc,
              .instance = interface_.instance,
              .target = interface_.id,
              .tables = wanted_};
    if (self.tables.empty()) {
      Outcome looked = co_await findTable(self);
      if (!looked.done()) co_return Refusal(std::move(looked));
    }
    found_.reset();
    co_return self;
  }

  /// Nothing is asked for where somebody has switched the check off, and perhaps forbidden us to.
  Task<Outcome> prepare(const Self& self) override {
    if (!interface_.sourceDestCheck) co_return Outcome();
    Parameters asked{{"NetworkInterfaceId", self.target}, {"SourceDestCheck.Value", "false"}};
    const auto answer = co_await ec2_.call("ModifyNetworkInterfaceAttribute", std::move(asked));
    if (answer) co_return Outcome();
    Outcome outcome = answer.error();
    outcome.text += fmt::format(
        "; until the source/destination check of {} is off, AWS drops what containers "
        "send and receive there",
        self.target);
    co_return outcome;
  }

  Task<Answer<std::vector<Route>>> list(const Self& self, const std::vector<Prefix>& networks) override {
    const auto pages = co_await describe(self);
    if (!pages) co_return Refusal(pages.error());
    std::vector<Route> out;
    usage_.clear();
    for (const Element& page : *pages) {
      for (Route& route : routesIn(page, networks)) out.push_back(std::move(route));
      for (Usage& usage : usageIn(page)) usage_.push_back(std::move(usage));
    }
    co_return out;
  }

  /// Another target is put in place of the old one in one step. Where there turns out to be none, or one
  /// after all, the caller looks again.
  Task<Outcome> put(const Self& self, const Put& put) override {
    Parameters asked{
        {"RouteTableId", put.table}, {keyOf(put.dst), put.dst.text()}, {"NetworkInterfaceId", self.target}};
    if (put.replaces) {
      const auto replaced = co_await ec2_.call("ReplaceRoute", asked);
      if (replaced) co_return Outcome();
      // EC2 says so of a route that is not there; then it is made.
      if (replaced.error().kind != Kind::permanent && replaced.error().kind != Kind::missing)
        co_return replaced.error();
    }
    const auto created = co_await ec2_.call("CreateRoute", std::move(asked));
    co_return created ? Outcome() : created.error();
  }

  Task<Outcome> erase(const Self&, const Route& route) override {
    Parameters asked{{"RouteTableId", route.table}, {keyOf(route.dst), route.dst.text()}};
    const auto erased = co_await ec2_.call("DeleteRoute", std::move(asked));
    const bool gone = erased || erased.error().kind == Kind::missing;
    co_return gone ? Outcome() : erased.error();
  }

  Task<Answer<std::vector<Usage>>> usage(const Self&) override {
    const std::size_t allowed = co_await ec2_.routesPerTable();
    for (Usage& one : usage_) one.allowed = allowed;
    co_return usage_;
  }

  void cancel() override { ec2_.cancel(); }
  [[nodiscard]] const CallCounts& calls() const override { return ec2_.calls(); }

 private:
  Task<Outcome> findInterface() {
    const std::string path = "instance-id";
    const auto instance = co_await ec2_.metadata().get(path);
    Answer<Interface> found;
    if (instance) {
      found = co_await ofInstance(*instance);
    } else {
      found = co_await byAddress(instance.error());
    }
    if (!found) co_return found.error();
    found_ = std::move(*found);
    co_return Outcome();
  }

  Task<Answer<Interface>> ofInstance(std::string instance) {
    Parameters asked{{"InstanceId.1", instance}};
    const auto answer = co_await ec2_.call("DescribeInstances", std::move(asked));
    if (!answer) co_return Refusal(answer.error());
    for (Interface& one : interfacesOfInstances(*answer)) {
      if (one.has(address_)) co_return std::move(one);
    }
    Outcome none{Kind::permanent,
                 fmt::format("no network interface of instance {} has the address {}; name the one that VPC "
                             "traffic goes by with --iface",
                             instance, address_.text())};
    co_return Refusal(std::move(none));
  }

  /// Without the metadata service. An address may be there in several VPCs, and then it tells nothing.
  Task<Answer<Interface>> byAddress(Outcome why) {
    const char* key = address_.isV4() ? "addresses.private-ip-address" : "ipv6-addresses.ipv6-address";
    const auto pages = co_await ec2_.pages("DescribeNetworkInterfaces", filter(key, address_.text()));
    if (!pages) co_return Refusal(why.kind == Kind::transient ? pages.error() : why);
    std::vector<Interface> found;
    for (const Element& page : *pages) {
      for (Interface& one : interfacesIn(page)) found.push_back(std::move(one));
    }
    if (found.size() == 1) co_return std::move(found.front());
    Outcome unclear{Kind::permanent,
                    fmt::format("{}; and {} network interfaces of the region have the address {}, so that "
                                "this node's is not known",
                                why.text, found.size(), address_.text())};
    co_return Refusal(std::move(unclear));
  }

  Task<Outcome> findTable(Self& self) {
    Parameters asked = filter("association.subnet-id", interface_.subnet);
    auto answer = co_await ec2_.call("DescribeRouteTables", std::move(asked));
    if (!answer) co_return answer.error();
    self.tables = tablesIn(*answer);
    if (!self.tables.empty()) co_return Outcome();
    Parameters main = filter("association.main", "true");
    main.emplace_back("Filter.2.Name", "vpc-id");
    main.emplace_back("Filter.2.Value.1", interface_.vpc);
    answer = co_await ec2_.call("DescribeRouteTables", std::move(main));
    if (!answer) co_return answer.error();
    self.tables = tablesIn(*answer);
    if (!self.tables.empty()) co_return Outcome();
    co_return Outcome{Kind::permanent,
                      fmt::format("subnet {} and VPC {} have no route table that this node may see; name one "
                                  "as Backend.RouteTableID",
                                  interface_.subnet, interface_.vpc)};
  }

  Task<Answer<std::vector<Element>>> describe(const Self& self) {
    Parameters asked;
    for (std::size_t i = 0; i < self.tables.size(); ++i)
      asked.emplace_back(fmt::format("RouteTableId.{}", i + 1), self.tables[i]);
    co_return co_await ec2_.pages("DescribeRouteTables", std::move(asked));
  }

  Ec2 ec2_;
  IpAddress address_;
  std::vector<std::string> wanted_;
  std::optional<Interface> found_;  ///< ours, while its table is not known yet: not to be asked for twice
  Interface interface_;
  std::vector<Usage> usage_;
};

}  // namespace

std::unique_ptr<CloudRoutes> vpcRoutes(boost::asio::io_context& io, const CloudWish& wish,
                                       Environment environment) {
  return std::make_unique<VpcRoutes>(io, wish, std::move(environment));
}

}  // namespace twill::cloud::aws
