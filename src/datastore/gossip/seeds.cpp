// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/seeds.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/file.hpp"
#include "datastore/gossip/stream.hpp"
#include "datastore/while_alive.hpp"

namespace twill::gossip {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;

constexpr auto kFirstPause = 500ms;
constexpr auto kLongestPause = 15s;
constexpr std::size_t kLargestFile = 1U << 20U;
/// So many peers of before are tried; the cluster tells of the others.
constexpr std::size_t kMostKnown = 64;

/// Lines that can be read; the others are named in the log.
std::vector<SeedName> namesIn(const std::string& path) {
  std::vector<SeedName> names;
  const auto text = path.empty() ? fail("") : readFile(path, kLargestFile);
  if (!text) return names;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    line.erase(0, line.find_first_not_of(" \t"));
    line.erase(line.find_last_not_of(" \t\r") + 1);
    if (line.empty() || line.front() == '#') continue;
    const auto name = parseSeed(line);
    if (name)
      names.push_back(*name);
    else
      spdlog::warn("{}: {}", path, name.error().text);
  }
  return names;
}

}  // namespace

Result<SeedName> parseSeed(const std::string& text) {
  const auto invalid = [&] {
    return fail(fmt::format("'{}' is not a peer: expected HOST, HOST:PORT or [ADDRESS]:PORT", text),
                Error::Kind::invalid);
  };
  SeedName name;
  std::string port;
  const auto colon = text.rfind(':');
  const bool bracketed = text.starts_with('[');
  if (bracketed) {
    const auto end = text.find(']');
    if (end == std::string::npos) return invalid();
    name.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
  } else if (colon != std::string::npos && text.find(':') == colon) {
    name.host = text.substr(0, colon);
    port = text.substr(colon);
  } else {
    name.host = text;
  }
  if (name.host.empty() || name.host.find_first_of(" \t/[]") != std::string::npos) return invalid();
  // No name has a colon in it, and only addresses stand in brackets.
  const bool mustBeAddress = bracketed || name.host.find(':') != std::string::npos;
  if (mustBeAddress && !IpAddress::parse(name.host)) return invalid();
  if (port.empty()) return name;
  const char* const end = port.data() + port.size();
  const auto read = std::from_chars(port.data() + 1, end, name.port);
  if (port.front() != ':' || read.ec != std::errc() || read.ptr != end || name.port == 0) return invalid();
  return name;
}

class Seeds::State : public std::enable_shared_from_this<State> {
 public:
  State(boost::asio::io_context& loop, SeedOptions options, Hooks hooks)
      : options_(std::move(options)), hooks_(std::move(hooks)), resolver_(loop), timer_(loop) {}

  /// One round: all names are looked up one after the other, then all addresses are asked at once.
  void round() {
    endpoints_.clear();
    reasons_.clear();
    names_ = options_.names;
    for (const auto& path : {options_.peersFile, options_.knownFile}) {
      auto more = namesIn(path);
      names_.insert(names_.end(), more.begin(), more.end());
    }
    resolveNext();
  }

  void remember(std::vector<Endpoint> peers) {
    std::sort(peers.begin(), peers.end());  // so that the same ones are the same text
    std::string text;
    for (std::size_t i = 0; i < std::min(peers.size(), kMostKnown); ++i) text += peers[i].text() + '\n';
    if (options_.knownFile.empty() || text == remembered_) return;
    // Only a hint: the state that must not get lost is elsewhere.
    if (const auto written = writeFile(options_.knownFile, text, Durability::process); written)
      remembered_ = text;
    else
      spdlog::warn("{}", written.error().text);
  }

 private:
  void resolveNext() {
    while (!names_.empty()) {
      const SeedName name = names_.back();
      names_.pop_back();
      if (const auto address = IpAddress::parse(name.host)) {
        add({*address, name.port});
        continue;
      }
      resolver_.async_resolve(name.host, std::to_string(name.port),
                              [weak = weak_from_this(), name](boost::system::error_code error,
                                                              const tcp::resolver::results_type& all) {
                                const auto self = weak.lock();
                                if (!self) return;
                                if (error)
                                  self->reasons_.insert(fmt::format("{}: {}", name.host, error.message()));
                                for (const auto& one : all)
                                  self->add({fromAsio(one.endpoint().address()), name.port});
                                self->resolveNext();
                              });
      return;
    }
    askAll();
  }

  void add(const Endpoint& endpoint) {
    if (!hooks_.isKnown(endpoint)) endpoints_.insert(endpoint);
  }

  void askAll() {
    pending_ = endpoints_.size();
    for (const auto& endpoint : endpoints_) {
      hooks_.join(endpoint, [weak = weak_from_this()](const Result<void>& joined) {
        const auto self = weak.lock();
        if (!self) return;
        if (!joined) self->reasons_.insert(joined.error().text);
        if (--self->pending_ == 0) self->roundEnds();
      });
    }
    if (pending_ == 0) roundEnds();
  }

  void roundEnds() {
    const bool alone = hooks_.isAlone();
    std::string why;
    for (const auto& reason : reasons_) why += (why.empty() ? "" : "; ") + reason;
    hooks_.report(alone ? why : "");
    pause_ = alone ? pause_ : kLongestPause;
    timer_.expires_after(pause_);
    pause_ = std::min<std::chrono::milliseconds>(pause_ * 3 / 2, kLongestPause);
    timer_.async_wait(whileAlive(weak_from_this(), &State::round));
  }

  SeedOptions options_;
  Hooks hooks_;
  tcp::resolver resolver_;
  boost::asio::steady_timer timer_;
  std::vector<SeedName> names_;
  std::set<Endpoint> endpoints_;
  std::set<std::string> reasons_;
  std::size_t pending_ = 0;
  std::chrono::milliseconds pause_ = kFirstPause;
  std::string remembered_;
};

Seeds::Seeds(boost::asio::io_context& loop, SeedOptions options, Hooks hooks)
    : state_(std::make_shared<State>(loop, std::move(options), std::move(hooks))) {}
Seeds::~Seeds() = default;
void Seeds::start() {
  state_->round();
}
void Seeds::remember(std::vector<Endpoint> peers) {
  state_->remember(std::move(peers));
}

}  // namespace twill::gossip
