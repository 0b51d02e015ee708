// SPDX-License-Identifier: Apache-2.0
#include "agent/network.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "agent/make_before_break.hpp"
#include "base/file.hpp"
#include "cloud/clouds.hpp"
#include "plan/network_names.hpp"

namespace twill {
namespace asio = boost::asio;
namespace {

constexpr std::string_view kIpip = "ipip";
constexpr std::size_t kLongestSubnetEnv = 65536;

TimePoint now() {
  return std::chrono::steady_clock::now();
}

std::string cloudFile(const std::string& stateDir, const std::string& network) {
  return stateDir + (network.empty() ? "" : "/networks/" + network) + "/cloud.json";
}

}  // namespace

Network::Network(asio::io_context& io, std::string name, Options options, Datastore& datastore,
                 Problems& problems, std::function<void(Cause)> wake)
    : name_(std::move(name)),
      options_(std::move(options)),
      datastore_(datastore),
      problems_(problems),
      wake_(std::move(wake)),
      tunnel_(io, options_.runDir, [this] { wake_(Cause::retry); }),
      cloud_(
          io, cloudFile(options_.stateDir, name_), [this] { wake_(Cause::retry); }, cloud::cloudOf),
      publishTimer_(io),
      recentTimer_(io),
      pathTimer_(io) {}

Network::~Network() {
  *alive_ = false;
}

void Network::start() {
  if (auto text = readFile(options_.subnetFile, kLongestSubnetEnv)) {
    writtenSubnetEnv_ = *text;
    previous_ = parseSubnetEnv(*text);
  }
  datastore_.watch([this](Result<Cluster> cluster) { onCluster(std::move(cluster)); });
}

/// Where a problem was noticed: "lease", "network blue: lease".
std::string Network::sourceOf(const char* source) const {
  return name_.empty() ? source : fmt::format("network {}: {}", name_, source);
}

void Network::tell(const char* source, std::vector<std::string> texts) {
  problems_.set(sourceOf(source), std::move(texts));
}

void Network::onCluster(Result<Cluster> cluster) {
  const bool news = !std::exchange(heard_, true);
  if (!cluster) {
    tell("datastore", {cluster.error().text});
    if (news) wake_(Cause::cluster);  // others may have waited for it
    return;
  }
  tell("datastore", {});
  const bool first = !cluster_;
  cluster_ = makeSound(std::move(*cluster));
  changed_ = true;
  wake_(first ? Cause::start : Cause::cluster);
}

NodeNetwork Network::nodeNetwork() const {
  NodeNetwork out{.node = options_.node,
                  .network = name_,
                  .bridge = bridgeOf(name_),
                  .subnet = decision_.self.lease.subnet,
                  .subnet6 = decision_.self.lease.subnet6,
                  .mtu = decision_.mtu};
  if (inForce_) out.networks = inForce_->networks();
  out.networks.insert(out.networks.end(), others_.begin(), others_.end());
  if (!underlay_) return out;
  for (const auto& address : {underlay_->underlay.v4, underlay_->underlay.v6}) {
    if (address) out.segments.push_back(address->prefix());
  }
  return out;
}

std::optional<std::string> Network::look(const KernelState& actual, const RouteQuestion& routeTo) {
  if (!cluster_) return std::nullopt;
  const NetworkConfig& network = cluster_->cluster.network;
  options_.underlay.needV4 = network.v4.has_value();
  options_.underlay.needV6 = network.v6.has_value();
  if (changed_) rememberHeld();
  auto choice = chooseUnderlay(actual, options_.underlay, routeTo);
  tell("underlay", choice ? choice->notices : std::vector{choice.error().text});
  if (!choice) return std::nullopt;
  if (underlay_ != *choice) {
    const auto line = describe(*choice);
    if (!underlay_ || line != describe(*underlay_)) {
      if (auto said = said_.line(sourceOf("underlay") + ": " + line, now())) spdlog::info("{}", *said);
    }
    underlay_ = std::move(*choice);
    changed_ = true;
  }
  checkCloudRoad(routeTo);
  // With IPv4 alone no setting counts.
  return network.v6 ? std::optional(acceptRaOf(underlay_->underlay.link)) : std::nullopt;
}

void Network::setOthers(std::vector<Prefix> prefixes) {
  if (prefixes == others_) return;
  others_ = std::move(prefixes);
  changed_ = true;
}

std::vector<Holding> Network::lingering() const {
  std::vector<Holding> out;
  if (!inForce_) return out;
  for (const auto type : decision_.inUse) {
    if (type == inForce_->backend.type) continue;
    const auto found = setUps_.find(type);
    const BackendConfig& config = found == setUps_.end() ? inForce_->backend : found->second;
    if (auto one = holdingOf(type, config)) out.push_back(*one);
  }
  return out;
}

/// Why the kernel's drivers cannot carry ipip; empty when they can. Being asked for loads them, each with a
/// device of its own, so that they are asked for only where they are of use.
std::string Network::reasonAgainstDriver(Kernel& kernel) const {
  const auto& [network, leases, warnings] = cluster_->cluster;
  const auto isIpip = [](std::string_view type) { return type == kIpip; };
  const auto recent = recent_.at(now());
  const auto before = setUps_.find(kIpip);
  const bool used = isIpip(network.backend.type) || std::any_of(recent.begin(), recent.end(), isIpip) ||
                    std::any_of(leases.begin(), leases.end(),
                                [&](const Lease& lease) { return isIpip(lease.backendType); });
  const bool past = !isIpip(network.backend.type) && before != setUps_.end();
  if (!used || (past ? before->second : network.backend).engine == "ebpf") return Self().noIpipDriver;
  for (const LinkKind kind : {LinkKind::ipip, LinkKind::sit}) {
    if (kind == LinkKind::sit && !network.v6) continue;
    if (const auto there = kernel.hasDriver(kind); !there) return there.error().text;
  }
  return {};
}

bool Network::decide(Kernel& kernel) {
  if (!cluster_ || !underlay_ || !changed_) return false;
  if (obstacle_) {
    if (!obstacle_->empty()) tell("config", {*obstacle_});
    return false;
  }
  changed_ = false;
  const NetworkConfig& network = cluster_->cluster.network;
  recent_.note(decision_.inUse, now());
  auto decided = twill::decide({.cluster = *cluster_,
                                .underlay = *underlay_,
                                .options = options_,
                                .previous = previous_,
                                .last = lastLease_,
                                .recent = recent_.at(now()),
                                .driver = kernel.driverOf(underlay_->underlay.link),
                                .noIpipDriver = reasonAgainstDriver(kernel),
                                .pathMtus = pathMtus_.at(now()),
                                .network = name_,
                                .otherNetworks = others_,
                                .setUps = &setUps_});
  tell("config", decided ? std::vector<std::string>{} : std::vector{decided.error().text});
  if (!decided) return false;
  decision_ = std::move(*decided);
  inForce_ = network;
  setUps_.insert_or_assign(network.backend.type, network.backend);
  if (!name_.empty()) ownedBy(name_ + "/", decision_.desired.state);
  if (decision_.leased) lastLease_ = decision_.self.lease;
  tell("lease", decision_.problems);
  tell("backend", decision_.desired.notices);
  scheduleFarewell();
  if (!decision_.publish) tell("publish", {});
  publishDue_ = decision_.publish && decision_.publish != publishing_;
  return true;
}

bool Network::hear(const TooBig& said) {
  if (!cluster_ || !underlay_ || !decision_.desired.ipipEngine) return false;
  const Underlay& underlay = underlay_->underlay;
  const auto& leases = cluster_->cluster.leases;
  const bool ours = underlay.v4 && underlay.v4->address == said.source;
  if (!ours || std::none_of(leases.begin(), leases.end(),
                            [&](const Lease& lease) { return lease.publicIp == said.destination; }))
    return false;
  if (!pathMtus_.note(said, underlay.mtu, now())) return false;
  if (auto line = said_.line(fmt::format("{} is reached by packets of up to {} bytes, as a router says",
                                         said.destination.text(), said.mtu),
                             now()))
    spdlog::info("{}", *line);
  changed_ = true;
  return true;
}

void Network::giveWanted(KernelState& wanted, bool alone) {
  if (alone) {
    wanted = std::exchange(decision_.desired.state, {});
  } else {
    merge(wanted, decision_.desired.state);
  }
}

bool Network::isCarried(const KernelState& actual) const {
  const auto& tunnel = decision_.desired.tunnel;
  if (!tunnel) return true;
  const auto device = actual.links.find(tunnel->device);
  return tunnel_.isUp() && device != actual.links.end() && device->second.running;
}

void Network::holdUntilCarried(std::vector<Operation>& operations) const {
  // Alone it has all roads; beside others those that are in its prefixes, its table, or over its own devices.
  const auto isOurs = [&](const Operation& operation) {
    if (name_.empty()) return true;
    const auto isIn = [&](const Prefix& dst) {
      const auto networks = inForce_->networks();
      return std::any_of(networks.begin(), networks.end(),
                         [&](const Prefix& network) { return network.contains(dst); });
    };
    if (const auto* route = std::get_if<Route>(&operation.object))
      return route->table == routingTableOf(name_) || isIn(route->dst);
    return operation.owner().empty() || operation.owner().starts_with(name_ + "/");
  };
  twill::holdUntilCarried(decision_.desired.tunnel->device, isOurs, operations);
}

std::string Network::problem() const {
  for (const char* source : {"datastore", "config", "underlay", "lease", "publish"}) {
    const auto problems = problems_.of(sourceOf(source));
    if (!problems.empty()) return fmt::format("{}: {}", sourceOf(source), *problems.begin());
  }
  return {};
}

void Network::settle(const KernelState& actual) {
  if (!inForce_) return;
  // After the kernel: the process attaches to a device.
  tunnel_.follow(decision_.desired.tunnel);
  tell("tunnel", tunnel_.problem().empty() ? std::vector<std::string>{} : std::vector{tunnel_.problem()});
  // Peers are told when all is there that they are told of: a tunnel is there before anything comes.
  followCloud();
  if (isCarried(actual) && isKnownToCloud() && std::exchange(publishDue_, false)) publish(*decision_.publish);
  confirm();
  writeSubnetEnv();
}

void Network::writeSubnetEnv() {
  if (!decision_.leased) return;
  std::string text = toText(makeSubnetEnv(*inForce_, decision_.self.lease, decision_.mtu, options_.ipMasq));
  std::filesystem::path file(options_.subnetFile);
  std::error_code unseen;  // it counts as gone, and the attempt to write says why
  if (text == writtenSubnetEnv_ && std::filesystem::exists(file, unseen)) return;
  auto written = file.has_parent_path() ? makeDirectories(file.parent_path()) : Result<void>();
  if (written) written = writeFile(options_.subnetFile, text, Durability::process);
  tell("subnet.env", written ? std::vector<std::string>{} : std::vector{written.error().text});
  if (written) writtenSubnetEnv_ = std::move(text);
}

/// A backend that is used no more goes when what peers still sent by it has arrived, and what routers have
/// said of a path does not hold for ever.
void Network::scheduleFarewell() {
  if (const auto end = recent_.nextEnd(decision_.inUse, now()))
    changeLater(recentTimer_, *end, Cause::cluster);
  if (const auto end = pathMtus_.nextEnd(now())) changeLater(pathTimer_, *end, Cause::cluster);
}

/// One timer for each reason: a map that changes often must not start a chain of attempts with each change.
void Network::changeLater(asio::steady_timer& timer, TimePoint when, Cause cause) {
  timer.expires_at(when);
  timer.async_wait([this, cause, alive = alive_](boost::system::error_code cancelled) {
    if (cancelled || !*alive) return;
    changed_ = true;
    wake_(cause);
  });
}

}  // namespace twill
