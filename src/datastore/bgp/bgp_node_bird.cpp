// SPDX-License-Identifier: Apache-2.0
// BgpNode's part about BIRD: what it is told, and what it says of its sessions.
#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <glob.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include "base/file.hpp"
#include "datastore/bgp/bgp_node.hpp"
#include "datastore/lease_data.hpp"

namespace twill::bgp {
namespace {

using namespace std::chrono_literals;

constexpr auto kPoll = 2s;
constexpr auto kComingUp = 2s;
constexpr auto kPollAtFirst = 100ms;
/// A BIRD that is silent so often, five seconds each time, hangs.
constexpr int kSilences = 3;
constexpr std::size_t kLongestPassword = 80;  // TCP_MD5SIG_MAXKEYLEN in linux/tcp.h

Result<std::string> readPassword(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return failErrno("read the BGP password in " + path);
  if ((status.st_mode & 077U) != 0)
    return fail(fmt::format("{0} can be read by others than its owner: chmod 600 {0}", path),
                Error::Kind::invalid);
  TWILL_TRY(std::string text, readFile(path, 4096));
  text = text.substr(0, text.find('\n'));
  if (text.empty() || text.size() > kLongestPassword)
    return fail(fmt::format("{}: a BGP password has 1 to {} characters, in one line", path, kLongestPassword),
                Error::Kind::invalid);
  return text;
}

/// Those that match; BIRD itself refuses a pattern that none does. One that cannot be read is BIRD's to
/// complain of.
std::map<std::string, std::string> customFiles(const std::string& pattern) {
  std::map<std::string, std::string> out;
  glob_t found{};
  if (!pattern.empty() && ::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i)
      out[found.gl_pathv[i]] = readFile(found.gl_pathv[i], 1U << 20U).value_or(std::string());
  }
  ::globfree(&found);
  return out;
}

/// BIRD's "FILE:LINE:COLUMN what is wrong", with that line's text; but not one with a password.
std::string withLine(std::string said, const std::string& file, const std::string& text) {
  const auto at = said.find(file + ":");
  if (at == std::string::npos) return said;
  const long number = std::strtol(said.c_str() + at + file.size() + 1, nullptr, 10);
  std::size_t from = 0;
  for (long line = 1; line < number && from != std::string::npos; ++line) {
    from = text.find('\n', from);
    if (from != std::string::npos) ++from;
  }
  if (number <= 0 || from == std::string::npos) return said;
  const std::string line = text.substr(from, std::min<std::size_t>(text.find('\n', from) - from, 200));
  return line.find("password") == std::string::npos ? fmt::format("{}, in '{}'", said, line) : said;
}

}  // namespace

Result<std::string> BgpNode::config() const {
  return readFile(configFile(), 1U << 20U);
}

Result<void> BgpNode::configure(const std::string& text) {
  TWILL_CHECK(parseBgpConfig(text));
  return writeFile(configFile(), text, Durability::power);
}

void BgpNode::readConfig() {
  const auto read = [this]() -> Result<void> {
    auto text = config();
    if (!text && text.error().kind == Error::Kind::missing)
      return fail(
          fmt::format("{} is not there: with the datastore bgp each node has a copy of the network config",
                      configFile()));
    if (!text) return Failure(text.error());
    if (*text == configText_ && network_) return {};
    auto network = parseNetworkConfig(*text);
    if (!network) return Failure(std::move(network.error()).in(configFile()));
    auto bgp = parseBgpConfig(*text);
    if (!bgp) return Failure(std::move(bgp.error()).in(configFile()));
    network_ = std::move(*network);
    bgp_ = std::move(*bgp);
    configText_ = std::move(*text);
    return {};
  }();
  trouble("config", read ? std::string() : read.error().text);
  takeAddresses();
  applyConfig();
  tell();
}

/// The session's address is the one that the config has for this node, if it has one; else that of IPv4.
void BgpNode::takeAddresses() {
  auto addresses = options_.addresses();
  trouble("address", addresses ? std::string() : addresses.error().text);
  if (!addresses) return;
  const auto* self = bgp_.node(options_.node, std::nullopt);
  if (self != nullptr && addresses->other == self->address) std::swap(addresses->address, *addresses->other);
  addresses_ = *addresses;
  const bool other = self != nullptr && self->address != addresses->address;
  trouble("own address",
          other ? fmt::format("BGP.Nodes has {} at {}, and its address on the underlay is {}; correct the "
                              "one, or choose the other by --iface or --public-ip",
                              options_.node, self->address.text(), addresses->address.text())
                : std::string());
}

/// Those that are missing are complained of where they are needed.
Result<std::map<std::string, std::string>> BgpNode::passwords() const {
  std::map<std::string, std::string> out;
  std::set<std::string> files;
  if (!bgp_.passwordFile.empty()) files.insert(bgp_.passwordFile);
  for (const auto& peer : bgp_.peers) {
    if (!peer.passwordFile.empty()) files.insert(peer.passwordFile);
  }
  for (const auto& file : files) {
    auto password = readPassword(file);
    if (password)
      out[file] = std::move(*password);
    else if (password.error().kind != Error::Kind::missing)
      return Failure(password.error());
  }
  return out;
}

void BgpNode::applyConfig() {
  if (!network_ || !addresses_) return;
  const auto listens = echo_.open(addresses_->address, bgp_.echoPort);
  trouble("echo", listens ? std::string() : listens.error().text);
  if (options_.external) return;
  const auto applied = [this]() -> Result<void> {
    BirdSettings settings{.config = bgp_,
                          .network = *network_,
                          .node = options_.node,
                          .address = addresses_->address,
                          .other = addresses_->other,
                          .record = own_ ? toData(*own_) : std::string("{}"),
                          .passwords = {},
                          .customFiles = customFiles(options_.customFiles)};
    TWILL_TRY(settings.passwords, passwords());
    TWILL_TRY(const std::string text, birdConfig(settings));
    return applyText(text);
  }();
  trouble("bird.conf", applied ? std::string() : applied.error().text);
}

/// A config that BIRD does not take never gets in the place of one that it took.
Result<void> BgpNode::applyText(const std::string& text) {
  if (text == applied_) {
    refused_.clear();
    if (!client_) startBird();
    return {};
  }
  const std::string fresh = options_.bird.config + ".new";
  if (text == refused_) return fail(troubles_["bird.conf"]);
  TWILL_CHECK(process_.version());
  TWILL_CHECK(writeFile(fresh, text, Durability::process, 0600));
  if (const auto taken = process_.check(fresh); !taken) {
    refused_ = text;
    return fail(fmt::format("BIRD does not take its new configuration, {}: {}",
                            applied_.empty() ? "and there is no older one" : "and keeps the old one",
                            withLine(taken.error().text, fresh, text)),
                Error::Kind::invalid);
  }
  std::error_code error;
  std::filesystem::rename(fresh, options_.bird.config, error);
  if (error) return failErrno(fmt::format("rename {}", fresh), error.value());
  refused_.clear();
  const bool restart = endsSessions(applied_, text);
  applied_ = text;
  inForce_ = false;
  startBird();
  if (restart)
    process_.kill();
  else if (client_->isUp())
    reconfigure();
  return {};
}

void BgpNode::reconfigure() {
  client_->ask("configure", [weak = weak_from_this(), text = applied_](Result<BirdReply> reply) {
    const auto self = weak.lock();
    if (!self || !self->onCluster_) return;
    if (!reply && reply.error().kind == Error::Kind::busy)
      return;  // the next one that comes up reads the file
    self->trouble("configure", reply ? std::string() : reply.error().text);
    if (!reply || text != self->applied_ || std::exchange(self->inForce_, true)) return;
    self->refresh();
  });
}

/// Unless it was started.
void BgpNode::startBird() {
  process_.keep();
  trouble("process", process_.problem());
  if (client_) return;
  client_ = std::make_unique<BirdClient>(loop_, options_.bird.socket,
                                         BirdClient::Hooks{.up = [this] { later(&BgpNode::birdUp); },
                                                           .trouble =
                                                               [this](const Error& why) {
                                                                 lost_ = why;
                                                                 later(&BgpNode::birdInTrouble);
                                                               }});
}

/// One that was taken over may have missed the last change of its file.
void BgpNode::birdUp() {
  if (!onCluster_ || !client_ || !client_->isUp()) return;
  lost_.reset();
  lostAt_.reset();
  silences_ = 0;
  trouble("bird", {});
  trouble("process", {});
  reconfigure();
  poll();
  refresh();
}

/// The map stays as it is.
void BgpNode::birdInTrouble() {
  asking_ = false;
  if (!lost_ || !onCluster_) return;
  version_.clear();
  sessions_.clear();
  const Error why = *lost_;
  const auto now = std::chrono::steady_clock::now();
  if (!lostAt_) lostAt_ = now;
  const bool comesUp = why.kind == Error::Kind::missing && now - *lostAt_ < kComingUp;
  trouble("bird", comesUp ? std::string() : why.text);
  if (why.kind != Error::Kind::failed || ++silences_ < kSilences) return;
  spdlog::warn("bgp: BIRD hangs; it is ended, and the next one recovers its routes");
  silences_ = 0;
  process_.kill();
}

void BgpNode::processChanged() {
  if (onCluster_) trouble("process", process_.problem());
}

void BgpNode::pollLater() {
  pollTimer_.expires_after(settled_ ? std::chrono::milliseconds(kPoll)
                                    : std::chrono::milliseconds(kPollAtFirst));
  pollTimer_.async_wait([weak = weak_from_this()](boost::system::error_code cancelled) {
    const auto self = weak.lock();
    if (!self || cancelled || !self->onCluster_) return;
    self->poll();
    self->pollLater();
  });
}

void BgpNode::poll() {
  if (!client_ || !client_->isUp()) return;
  client_->ask("show protocols all \"tw_*\"", [weak = weak_from_this()](const Result<BirdReply>& reply) {
    const auto self = weak.lock();
    if (!self || !self->onCluster_ || !reply) return;
    self->sessions_ = sessionsIn(*reply);
    self->settle();
    self->tell();
  });
  client_->ask("show status", [weak = weak_from_this()](const Result<BirdReply>& reply) {
    const auto self = weak.lock();
    if (!self || !self->onCluster_ || !reply || reply->lines.empty()) return;
    const auto& text = reply->lines.front().text;
    self->version_ = text.substr(text.find(' ') + 1);
    self->settle();
    self->tell();
  });
  countRoutes();
}

/// That nothing was missed, and no second owner of a prefix, of which the kernel's table says nothing.
void BgpNode::countRoutes() {
  for (const int family : {4, 6}) {
    if (!network_ || (family == 4 ? !network_->v4 : !network_->v6)) continue;
    const bool last = family == 6 || !network_->v6;
    client_->ask(fmt::format("show route count table tw_bgp{}", family),
                 [weak = weak_from_this(), last](const Result<BirdReply>& reply) {
                   const auto self = weak.lock();
                   if (!self || !self->onCluster_ || !reply) return;
                   const auto counted = countIn(*reply);
                   self->counted_ += counted.value_or(0);
                   if (!last) return;
                   const auto total = std::exchange(self->counted_, 0);
                   const bool same = total == self->learned_.size() + self->ownPrefixes().size();
                   if (!same && !self->asking_ && self->client_->isUp()) self->askAll();
                 });
  }
}

BgpView::Status BgpNode::status() const {
  BgpView::Status out{
      .external = options_.external, .version = version_, .problem = {}, .address = {}, .as = bgp_.as};
  for (const auto& [about, text] : troubles_) out.problem += (out.problem.empty() ? "" : "; ") + text;
  if (addresses_) {
    out.address = addresses_->address.text();
    const auto* self = bgp_.node(options_.node, addresses_->address);
    if (self != nullptr && self->as != 0) out.as = self->as;
  }
  for (const Prefix& prefix : ownPrefixes()) out.announced.push_back(prefix.text());
  std::set<Prefix> learned;
  for (const auto& one : learned_.announcements()) learned.insert(one.prefix);
  out.learned = learned.size();
  for (const auto& address : echo_.dead()) out.dead.push_back(address.text());
  for (const auto& session : sessions_) {
    if (!session.neighbor) continue;  // a reflector's door for clients
    const auto* node = bgp_.node({}, session.neighbor);
    out.sessions.push_back({.address = session.neighbor->text(),
                            .node = node != nullptr ? node->name : std::string(),
                            .as = session.as,
                            .outside = session.protocol.starts_with("tw_p_"),
                            .state = session.state,
                            .since = session.since,
                            .routesIn = session.imported,
                            .routesOut = session.exported,
                            .refused = session.filtered,
                            .error = session.error});
  }
  return out;
}

}  // namespace twill::bgp
