// SPDX-License-Identifier: Apache-2.0
#include "datastore/bgp/bird_config.hpp"

#include <algorithm>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "base/fnv.hpp"
#include "datastore/bgp/record.hpp"

namespace twill::bgp {
namespace {

/// fd74:7769:6c6c::/96, "twill" in a private range (RFC 4193).
constexpr std::array<std::uint8_t, 12> kNextHop6{0xfd, 0x74, 0x77, 0x69, 0x6c, 0x6c};

std::string symbol(std::string_view kind, const IpAddress& address) {
  std::string text = address.text();
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '.' || c == ':'; }, '_');
  return fmt::format("tw_{}_{}", kind, text);
}

/// BIRD has no escapes in its strings.
Result<std::string> quoted(std::string_view what, const std::string& text) {
  const bool good =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~' && c != '"'; });
  if (good && !text.empty()) return '"' + text + '"';
  return fail(fmt::format("{} has characters that BIRD does not take: only printable ASCII without \"", what),
              Error::Kind::invalid);
}

std::string prefixSet(const std::vector<Prefix>& prefixes, Family family) {
  std::string out;
  for (const Prefix& prefix : prefixes) {
    if (prefix.family() == family) out += fmt::format("{}{}+", out.empty() ? "" : ", ", prefix.text());
  }
  return "[ " + out + " ]";
}

/// "if net !~ [...] then reject;" unless every prefix is fine.
std::string onlyWithin(const std::vector<Prefix>& prefixes, Family family) {
  if (prefixes.empty()) return {};
  const bool any = std::any_of(prefixes.begin(), prefixes.end(),
                               [family](const Prefix& prefix) { return prefix.family() == family; });
  return any ? fmt::format("if net !~ {} then reject; ", prefixSet(prefixes, family)) : "reject; ";
}

std::string addCommunities(const std::vector<std::string>& communities) {
  std::string out;
  for (const auto& one : communities) {
    const auto text = communityText(one);
    if (!text) continue;  // the config was checked
    const bool large = std::count(text->begin(), text->end(), ',') == 2;
    out += fmt::format("{}.add({}); ", large ? "bgp_large_community" : "bgp_community", *text);
  }
  return out;
}

/// What nodes tell of themselves goes to no router outside, and is not believed when it comes from one.
std::string deleteRecord() {
  return fmt::format("bgp_large_community.delete([({}, *, *)]); ", kAdministrator);
}

/// By the line that begins it, what is written of each session and of their template, but for what is sent
/// and taken.
std::map<std::string, std::string> sessionsOf(const std::string& config) {
  std::map<std::string, std::string> out;
  std::istringstream lines(config);
  std::string* session = nullptr;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("router id ")) out[line.substr(0, 9)] = line;
    if (line.starts_with("protocol bgp ") || line.starts_with("template bgp ")) session = &out[line];
    if (line.starts_with('}')) session = nullptr;
    if (session != nullptr && !line.starts_with("  ipv")) *session += line + '\n';
  }
  return out;
}

class Writer {
 public:
  explicit Writer(const BirdSettings& settings)
      : settings_(settings), config_(settings.config), routerId_(routerIdOf(settings.address)) {
    const auto* self = config_.node(settings.node, settings.address);
    as_ = self != nullptr && self->as != 0 ? self->as : config_.as;
    reflector_ = self != nullptr && self->reflector;
  }

  Result<std::string> write() {
    line(
        "# Written by twilld from net-conf.json, whose object \"BGP\" is documented in twill's docs/bgp.md. "
        "What is");
    line("# changed here is lost.");
    line("log stderr {{ warning, error, fatal, bug, auth }};");
    line("timeformat protocol iso long;");
    line("router id {};", routerId_.text());
    line("graceful restart wait {};", std::min(30, config_.restartSeconds / 2));
    line("protocol device tw_device {{ scan time 10; }}");
    for (const Family family : {Family::v4, Family::v6}) {
      if (const auto* network = settings_.network.family(family)) TWILL_CHECK(writeFamily(family, *network));
    }
    TWILL_CHECK(writeTemplate());
    for (const auto& node : config_.nodes) writeNode(node);
    if (reflector_) writeRanges();
    for (const auto& peer : config_.peers) {
      if (isOurs(peer)) TWILL_CHECK(writePeer(peer));
    }
    // With their content's digest, so that a change of it is a change of this file.
    for (const auto& [path, content] : settings_.customFiles) {
      TWILL_TRY(const std::string file, quoted("a name of a file that BIRD is to read, too,", path));
      line("include {};  # {:08x}", file, digestOf(content));
    }
    return std::move(out_);
  }

 private:
  template <class... Arguments>
  void line(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Arguments>(arguments)...);
    out_ += '\n';
  }

  static int digit(Family family) { return family == Family::v4 ? 4 : 6; }

  /// Tables, the way in and the way out of one family, and the filters between nodes.
  Result<void> writeFamily(Family family, const FamilyConfig& network) {
    const int f = digit(family);
    line("\nipv{0} table tw_own{0};", f);
    line("ipv{0} table tw_bgp{0};", f);
    // Above BGP's 100: a stale copy that comes back from a neighbour must not stop the own announcement.
    line(
        "protocol kernel tw_announced{0} {{ kernel table {1}; learn; scan time 10; ipv{0} {{ table "
        "tw_own{0}; "
        "export none; import filter {{ if dest != RTD_BLACKHOLE then reject; preference = 200; accept; }}; "
        "}}; }}",
        f, kAnnouncedTable);
    line("protocol pipe tw_pipe{0} {{ table tw_own{0}; peer table tw_bgp{0}; import none; export all; }}", f);
    line(
        "protocol kernel tw_learned{0} {{ kernel table {1}; persist; graceful restart; scan time 10; "
        "ipv{0} {{ table tw_bgp{0}; import none; export where source = RTS_BGP; }}; }}",
        f, kLearnedTable);
    line("function tw_is_block{}() {{ return net ~ [ {}{{{},{}}} ]; }}", f, network.network.text(),
         network.subnetLength, network.subnetLength);
    // In this order: device, onlink, gateway.
    line(
        "function tw_learn{}() {{ ifname = \"{}\"; onlink = true; gw = bgp_next_hop; "
        "if defined(bgp_med) then krt_window = bgp_med; accept; }}",
        f, kPlaceholder);
    TWILL_TRY(const auto communities, toCommunities(settings_.record));
    std::string add = fmt::format("bgp_med = {}; ", digestOf(settings_.record));
    for (const auto& one : communities)
      add += fmt::format("bgp_large_community.add(({}, {}, {})); ", one.administrator, one.first, one.second);
    line(
        "filter tw_to_node{0} {{ if !tw_is_block{0}() then reject; {1}if source = RTS_INHERIT then {{ "
        "{2}{3}accept; }} "
        "{4}reject; }}",
        f, onlyWithin(config_.exports, family), add, addCommunities(config_.communities),
        reflector_ ? "if source = RTS_BGP then accept; " : "");
    return {};
  }

  /// `node`: whose routes have its own next hop alone, unless it is a reflector; null: any client's.
  std::string nodeChannels(const BgpConfig::Node* node) {
    std::string out;
    for (const Family family : {Family::v4, Family::v6}) {
      const auto* network = settings_.network.family(family);
      if (network == nullptr) continue;
      const int f = digit(family);
      std::string guard = onlyWithin(config_.imports, family);
      if (node != nullptr && !node->reflector) {
        const auto id = routerIdOf(node->address);
        const auto hop = family == Family::v4 ? id : nextHop6Of(id);
        guard = fmt::format("if bgp_next_hop != {} then reject; {}", hop.text(), guard);
      }
      // A node has few subnets, a reflector hands on all of them; and some more, to see that it is so.
      const std::uint64_t all = network->network.size() / network->subnetMin.size();
      const std::uint64_t limit =
          node != nullptr && !node->reflector ? 64 : std::min<std::uint64_t>(all, 1U << 20U);
      out += fmt::format(
          "  ipv{0} {{ table tw_bgp{0}; import keep filtered; receive limit {1} action block; import limit "
          "{2} action "
          "block; {3}import filter {{ if !tw_is_block{0}() then reject; {4}tw_learn{0}(); }}; "
          "export filter tw_to_node{0}; }};\n",
          f, 4 * limit + 1000, limit, ownNextHop(family), guard);
    }
    return out;
  }

  /// Where the session's own address cannot be the one.
  [[nodiscard]] std::string ownNextHop(Family family) const {
    if (family == Family::v6) return fmt::format("next hop address {}; ", nextHop6Of(routerId_).text());
    if (settings_.address.isV4()) return {};
    return fmt::format("next hop address {}; ", routerId_.text());
  }

  Result<void> writeTemplate() {
    TWILL_TRY(const std::string password, passwordIn(config_.passwordFile));
    line("\ntemplate bgp tw_node {{");
    line("  local {} port {} as {};", settings_.address.text(), config_.port, as_);
    line("  strict bind on;");
    if (config_.hops > 0)
      line("  multihop {}; ttl security on;", config_.hops);
    else
      line("  multihop;");
    out_ += password;
    line("  connect delay time 1; connect retry time 5; error wait time 2, 10;");
    line("  hold time {}; keepalive time {};", config_.holdSeconds, std::max(1, config_.holdSeconds / 3));
    line("  graceful restart on; graceful restart time {}; long lived graceful restart aware;",
         config_.restartSeconds);
    line("}}");
    return {};
  }

  /// A "password" line, or nothing.
  Result<std::string> passwordIn(const std::string& file) {
    if (file.empty()) return std::string();
    const auto known = settings_.passwords.find(file);
    if (known == settings_.passwords.end()) return fail("no password was read from " + file);
    TWILL_TRY(const std::string text, quoted("the password in " + file, known->second));
    return fmt::format("  password {};\n", text);
  }

  /// Without reflectors all nodes talk with all. Else they talk with the reflectors, and these with all.
  void writeNode(const BgpConfig::Node& node) {
    if (node.address == settings_.address || &node == config_.node(settings_.node, settings_.address)) return;
    if (config_.hasReflectors() && !reflector_ && !node.reflector) return;
    if (node.address.family() != settings_.address.family()) return;
    const bool client = reflector_ && !node.reflector;
    // One side waits, or two connections at once would end a graceful restart; of two the one with the lower
    // address, and a reflector, which does not know all its clients.
    const bool passive = client || (reflector_ == node.reflector && settings_.address < node.address);
    line("\nprotocol bgp {} from tw_node {{", symbol("n", node.address));
    line("  neighbor {} port {} as {};", node.address.text(), config_.port,
         node.as != 0 ? node.as : config_.as);
    if (passive) line("  passive on;");
    if (client) line("  rr client; rr cluster id {};", routerId_.text());
    out_ += nodeChannels(&node);
    line("}}");
  }

  /// Clients that nobody has listed.
  void writeRanges() {
    std::size_t number = 0;
    for (const Prefix& range : config_.nodePrefixes) {
      if (range.family() != settings_.address.family()) continue;
      line("\nprotocol bgp tw_range{} from tw_node {{", ++number);
      line("  neighbor range {} as {}; dynamic name \"tw_n_r{}_\";", range.text(), config_.as, number);
      line("  passive on; rr client; rr cluster id {};", routerId_.text());
      out_ += nodeChannels(nullptr);
      line("}}");
    }
  }

  [[nodiscard]] bool isOurs(const BgpConfig::Peer& peer) const {
    if (peer.address.family() != settings_.address.family()) return false;
    return peer.nodes.empty() ||
           std::any_of(peer.nodes.begin(), peer.nodes.end(), [this](const std::string& name) {
             return name == settings_.node || name == settings_.address.text();
           });
  }

  /// A router outside gets blocks, and nothing of what nodes tell each other.
  Result<void> writePeer(const BgpConfig::Peer& peer) {
    TWILL_TRY(const std::string password, passwordIn(peer.passwordFile));
    line("\nprotocol bgp {} {{", symbol("p", peer.address));
    line("  local {} port {} as {};", settings_.address.text(), config_.port, as_);
    line("  neighbor {} port {} as {};", peer.address.text(), peer.port, peer.as);
    line("  strict bind on;");
    if (peer.hops > 1) line("  multihop {};", peer.hops);
    if (peer.ttlSecurity) line("  ttl security on;");
    out_ += password;
    line("  connect delay time 1; connect retry time 5; error wait time 2, 10;");
    line("  hold time {}; graceful restart on; graceful restart time {};", config_.holdSeconds,
         config_.restartSeconds);
    bool any = false;
    for (const Family family : {Family::v4, Family::v6}) any |= writePeerChannel(peer, family);
    line("}}");
    if (any) return {};
    return fail(
        fmt::format(
            "Peers: {} cannot be told of IPv6 subnets: this node has no IPv6 address that they could be "
            "reached by",
            peer.address.text()),
        Error::Kind::invalid);
  }

  bool writePeerChannel(const BgpConfig::Peer& peer, Family family) {
    if (settings_.network.family(family) == nullptr) return false;
    std::string nextHop;
    if (settings_.address.family() != family) {
      if (!settings_.other) return false;
      nextHop = fmt::format("next hop address {}; ", settings_.other->text());
    }
    const int f = digit(family);
    const std::string source = peer.wholeCluster
                                   ? "source = RTS_INHERIT || (source = RTS_BGP && proto ~ \"tw_n*\")"
                                   : "source = RTS_INHERIT";
    const std::string import = peer.imports.empty()
                                   ? "import filter { reject; }"
                                   : fmt::format(
                                         "import filter {{ if !tw_is_block{0}() then reject; "
                                         "{1}unset(bgp_med); {2}tw_learn{0}(); }}",
                                         f, onlyWithin(peer.imports, family), deleteRecord());
    line(
        "  ipv{0} {{ table tw_bgp{0}; import keep filtered; receive limit 1000 action block; {1}{2}; export "
        "filter {{ if !tw_is_block{0}() then reject; {3}if !({4}) then reject; {5}unset(bgp_med); {6}accept; "
        "}}; }};",
        f, nextHop, import, onlyWithin(peer.exports, family), source, deleteRecord(),
        addCommunities(peer.communities));
    return true;
  }

  const BirdSettings& settings_;
  const BgpConfig& config_;
  IpAddress routerId_;
  std::uint32_t as_ = 0;
  bool reflector_ = false;
  std::string out_;
};

}  // namespace

bool endsSessions(const std::string& before, const std::string& after) {
  const auto now = sessionsOf(after);
  for (const auto& [name, lines] : sessionsOf(before)) {
    const auto found = now.find(name);
    if (found != now.end() && found->second != lines) return true;
  }
  return false;
}

Result<std::string> birdConfig(const BirdSettings& settings) {
  return Writer(settings).write();
}

IpAddress routerIdOf(const IpAddress& address) {
  if (address.isV4()) return address;
  // In 240.0.0.0/4, which no underlay has.
  return IpAddress::fromV4(0xf0000000U | static_cast<std::uint32_t>(fnv1a(address.text()) & 0x07ffffffU));
}

IpAddress nextHop6Of(const IpAddress& routerId) {
  std::array<std::uint8_t, 16> bytes{};
  std::copy(kNextHop6.begin(), kNextHop6.end(), bytes.begin());
  const auto id = routerId.bytes();
  std::copy(id.begin(), id.end(), bytes.begin() + kNextHop6.size());
  return IpAddress::fromBytes(bytes);
}

IpAddress announcerOf(const IpAddress& nextHop) {
  const auto bytes = nextHop.bytes();
  if (nextHop.isV4() || !std::equal(kNextHop6.begin(), kNextHop6.end(), bytes.begin())) return nextHop;
  return IpAddress::fromBytes(bytes.last(4));
}

}  // namespace twill::bgp
