// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "cli/describe.hpp"
#include "cli/flannel_flags.hpp"
#include "datastore/gossip/seeds.hpp"
#include "plan/network_names.hpp"

namespace twill {
namespace {

constexpr const char* kFooter =
    R"(Every option is also read from the environment (--ip-masq is TWILLD_IP_MASQ) and from the
configuration file (ip-masq = true). A flag beats the environment, which beats the file.

Examples:
  twilld                                   a node whose underlay is the default route's interface
  twilld --iface eth1 --ip-masq            name the underlay; masquerade what leaves the cluster
  twilld --file-dir /srv/twill             where net-conf.json and leases.json are
  twilld --datastore etcd --etcd-endpoints https://10.0.0.2:2379
                                           the map in etcd, together with flannel's nodes
  twilld --datastore gossip --join node1   no server: the map lives on the nodes, and node1 is one of them
  twilld --datastore bgp                   the map by BGP: net-conf.json says who talks with whom
  twilld --datastore etcd --networks blue,red
                                           two networks, at PREFIX/blue and PREFIX/red
  twilld --flannel -iface=eth1 -ip-masq    with flanneld's flags and its variables (FLANNELD_*)
  twilld --cleanup                         remove everything that Twill put into this node's kernel

Files:
  /etc/twill/twilld.toml                   these options
  /etc/twill/network/net-conf.json         the cluster's network, in flannel's format
  /etc/twill/network/leases.json           which node has which subnet
  /run/twill/twill.sock                    what twill and twill-cni talk to
  /run/twill/subnet.env                    this node's subnet, in flannel's format)";

std::string hostName() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

/// --ip-masq -> TWILLD_IP_MASQ
std::string environmentName(std::string flag) {
  flag = flag.substr(flag.find_first_not_of('-'));
  std::transform(flag.begin(), flag.end(), flag.begin(),
                 [](unsigned char c) { return c == '-' ? '_' : static_cast<char>(std::toupper(c)); });
  return "TWILLD_" + flag;
}

template <class T>
CLI::Option* declare(CLI::App& app, const std::string& flag, T& value, const std::string& help) {
  CLI::Option* option = nullptr;
  if constexpr (std::is_same_v<T, bool>) {
    option = app.add_flag(flag, value, help);
  } else {
    option = app.add_option(flag, value, help);
    if constexpr (std::is_same_v<T, std::string>) option->capture_default_str();
  }
  return option->envname(environmentName(flag));
}

/// An address option; `text` must outlive the parse.
void declareAddress(CLI::App& app, const std::string& flag, std::optional<IpAddress>& value,
                    const std::string& help) {
  app.add_option_function<std::string>(
         flag,
         [&value, flag](const std::string& text) {
           auto address = IpAddress::parse(text);
           if (!address) throw CLI::ValidationError(flag, address.error().text);  // CLI11's own way to refuse
           value = *address;
         },
         help)
      ->envname(environmentName(flag))
      ->type_name("ADDRESS");
}

/// CLI11's own way to refuse.
void checkEndpoints(const std::vector<std::string>& endpoints) {
  const auto isOne = [](const std::string& text) {
    const auto scheme = text.find("://");
    return (text.starts_with("http://") || text.starts_with("https://")) && text.size() > scheme + 3;
  };
  for (const auto& endpoint : endpoints) {
    if (!isOne(endpoint))
      throw CLI::ValidationError("--etcd-endpoints",
                                 "'" + endpoint + "' is not http://HOST:PORT or https://HOST:PORT");
  }
  if (endpoints.empty()) throw CLI::ValidationError("--etcd-endpoints", "at least one is needed");
}

/// flanneld's words become twilld's, if they are that. What is wrong with them.
std::string translateFlannel(std::vector<std::string>& words, std::vector<std::string>& notes) {
  const bool asked = words.size() > 1 && words[1] == "--flannel";
  if (!asked && std::filesystem::path(words.front()).filename() != "flanneld") return {};
  auto translation =
      cli::fromFlannel({words.begin() + (asked ? 2 : 1), words.end()},
                       [](const std::string& name) -> std::optional<std::string> {
                         const char* value = std::getenv(name.c_str());
                         return value == nullptr ? std::nullopt : std::optional<std::string>(value);
                       });
  words.resize(1);
  words.insert(words.end(), translation.arguments.begin(), translation.arguments.end());
  notes = std::move(translation.notes);
  return std::move(translation.error);
}

void declareMap(CLI::App& app, Options& options) {
  declare(app, "--datastore", options.datastore, "where the map of nodes lives")
      ->default_str("gossip, or file where --file-dir holds leases.json")
      ->check(CLI::IsMember({"bgp", "file", "etcd", "gossip"}));
  declare(app, "--networks", options.networks,
          "several networks, by name: NAME's map is below the prefix or directory, in NAME")
      ->delimiter(',');
  declare(app, "--file-dir", options.fileDir, "datastore file: directory of net-conf.json and leases.json");
  declare(app, "--etcd-endpoints", options.etcd.endpoints,
          "datastore etcd: http:// or https:// URLs, tried in turn")
      ->delimiter(',');
  declare(app, "--etcd-prefix", options.etcd.prefix, "datastore etcd: where flannel's keys are");
  declare(app, "--etcd-cafile", options.etcd.caFile, "who has to have signed the endpoints' certificates");
  declare(app, "--etcd-certfile", options.etcd.certFile, "this node's certificate");
  declare(app, "--etcd-keyfile", options.etcd.keyFile, "and its key");
  declare(app, "--etcd-username", options.etcd.username, "datastore etcd: who this node is there");
  declare(app, "--etcd-password", options.etcd.password,
          "and its password; better in the environment or the configuration file than on the command line");
  declare(app, "--etcd-lease-ttl", options.etcd.leaseSeconds,
          "datastore etcd: seconds that the lease of a node outlives it")
      ->capture_default_str()
      ->check(CLI::Range(5, 1'000'000'000));
}

void declareGossip(CLI::App& app, Options& options) {
  declare(app, "--join", options.gossip.join,
          "datastore gossip: nodes to ask to be let in, HOST or HOST:PORT; any one that is up will do")
      ->delimiter(',');
  declare(app, "--peers-file", options.gossip.peersFile,
          "the same from a file, one a line, read again and again");
  declare(app, "--expect", options.gossip.expect,
          "datastore gossip: found the cluster together with so many nodes, which all say so and join each "
          "other");
  declare(app, "--gossip-alloc", options.gossip.alloc,
          "how a node gets its subnet: granted by another, or the one whose number its underlay address is "
          "within "
          "the underlay's prefix, where the network has that many; the same on all nodes")
      ->check(CLI::IsMember({"grant", "address"}));
  declare(app, "--gossip-bind", options.gossip.bind,
          "where to talk to other nodes, ADDRESS or ADDRESS:PORT; else the underlay's address, port 7946");
  declare(app, "--gossip-key-file", options.gossip.keyFile,
          "the cluster's keys, the same on all nodes; a node that founds a cluster makes it");
}

void declareBgp(CLI::App& app, Options& options) {
  declare(app, "--bird", options.bgp.bird, "datastore bgp: the program, BIRD 2.0.12 or a later version 2");
  declare(app, "--bgp-include", options.bgp.include,
          "datastore bgp: files that BIRD reads, too; a pattern, or empty");
  declare(app, "--bgp-external", options.bgp.external,
          "datastore bgp: a daemon of your own reads routing table 178 and fills 177; no BIRD is started");
}

/// CLI11's own way to refuse.
void checkGossip(const Options& options) {
  const auto check = [](const std::string& option, const std::string& text) {
    if (const auto seed = gossip::parseSeed(text); !seed)
      throw CLI::ValidationError(option, seed.error().text);
  };
  for (const auto& peer : options.gossip.join) check("--join", peer);
  if (options.gossip.bind.empty()) return;
  check("--gossip-bind", options.gossip.bind);
  if (!IpAddress::parse(gossip::parseSeed(options.gossip.bind)->host))
    throw CLI::ValidationError("--gossip-bind", "'" + options.gossip.bind + "' has to begin with an address");
}

/// On a node that was told nothing: a map that somebody wrote by hand is meant to be used, and without one
/// the nodes hold it themselves.
std::string usualDatastore(const Options& options) {
  const bool written =
      !options.networks.empty() || ::access((options.fileDir + "/leases.json").c_str(), F_OK) == 0;
  return written ? "file" : "gossip";
}

/// CLI11's own way to refuse.
void checkNetworks(const std::vector<std::string>& networks) {
  const auto refuse = [](const std::string& why) { throw CLI::ValidationError("--networks", why); };
  for (auto network = networks.begin(); network != networks.end(); ++network) {
    if (const auto checked = checkNetworkName(*network); !checked) refuse(checked.error().text);
    for (auto other = networks.begin(); other != network; ++other) {
      if (*other == *network) refuse(*network + " is named twice");
      if (routingTableOf(*other) == routingTableOf(*network) || bridgeOf(*other) == bridgeOf(*network))
        refuse(fmt::format("{} and {} have the same hash; rename one", *other, *network));
    }
  }
}

void declareUnderlay(CLI::App& app, Options& options) {
  declare(app, "--iface", options.underlay.ifaces,
          "underlay interface, by name or address; the first that fits")
      ->expected(1)
      ->take_all();
  declare(app, "--iface-regex", options.underlay.ifaceRegexes,
          "the same by pattern: addresses first, then names")
      ->expected(1)
      ->take_all();
  declareAddress(app, "--iface-can-reach", options.underlay.canReach,
                 "the interface that a route to ADDRESS leaves by");
  declareAddress(app, "--public-ip", options.underlay.publicIp, "IPv4 address that peers send to");
  declareAddress(app, "--public-ipv6", options.underlay.publicIp6, "IPv6 address that peers send to");
}

void declareNode(CLI::App& app, Options& options) {
  declare(app, "--ip-masq", options.ipMasq, "masquerade what leaves the cluster, never what stays inside");
  declare(app, "--fast-path", options.fastPath,
          "carry containers' TCP and UDP past bridge, routing and the node's own firewall");
  declare(
      app, "--vxlan-checksum-offload", options.vxlanChecksumOffload,
      "whether VXLAN devices leave checksums to the network card; auto: unless its driver is known to fail")
      ->check(CLI::IsMember({"auto", "on", "off"}));
  declare(app, "--run-dir", options.runDir, "socket and lock");
  declare(app, "--state-dir", options.stateDir, "attachments, kept over a reboot");
  declare(app, "--subnet-file", options.subnetFile, "where to write subnet.env");
  declare(app, "--listen", options.listen, "serve /healthz, /readyz and /metrics on ADDRESS:PORT too");
  declare(app, "--log-level", options.logLevel, "how much to say")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
}

}  // namespace

CommandLine parseCommandLine(std::vector<std::string> words) {
  CommandLine line;
  if (const auto error = translateFlannel(words, line.notes); !error.empty()) {
    fmt::print(stderr, "twilld: {}\n", error);
    line.exitStatus = 2;
    return line;
  }
  std::vector<const char*> argv;
  argv.reserve(words.size());
  for (const auto& word : words) argv.push_back(word.c_str());
  const int argc = static_cast<int>(argv.size());
  Options& options = line.options;
  options.node = hostName();

  CLI::App app("twilld: the node agent of the Twill container network", "twilld");
  app.footer(kFooter);
  app.set_version_flag("--version", "twilld " TWILL_VERSION);
  app.set_config("--config", "/etc/twill/twilld.toml", "configuration file");
  app.allow_config_extras(CLI::config_extras_mode::error);  // a misspelt option is not one that works
  // The man page is written where the package is built: not that machine's name.
  declare(app, "--node-name", options.node, "this node's name in leases")->default_str("host name");
  declareMap(app, options);
  declareGossip(app, options);
  declareBgp(app, options);
  declareUnderlay(app, options);
  declareNode(app, options);
  bool flannel = false;  // translateFlannel() has seen to it
  app.add_flag("--flannel", flannel,
               "first of all: read flanneld's flags, as when called by the name flanneld");
  app.add_flag("--cleanup", line.cleanup,
               "remove what Twill owns in this node's kernel and run directory, then exit");
  if (cli::describeSelf(app, argc, argv.data())) {
    line.exitStatus = 0;
    return line;
  }
  try {
    app.parse(argc, argv.data());
    if (flannel) throw CLI::ValidationError("--flannel", "has to be the first of all");
    if (app.count("--datastore") == 0) options.datastore = usualDatastore(options);
    checkEndpoints(options.etcd.endpoints);
    checkGossip(options);
    checkNetworks(options.networks);
    if ((options.datastore == "gossip" || options.datastore == "bgp") && !options.networks.empty())
      throw CLI::ValidationError("--networks",
                                 "not with --datastore " + options.datastore + ", which has one network");
    if (options.fastPath && options.networks.size() > 1)
      throw CLI::ValidationError("--fast-path",
                                 "not with several --networks: it does not see where one ends");
  } catch (const CLI::ParseError& error) {
    line.exitStatus = app.exit(error) == 0 ? 0 : 2;
  }
  return line;
}

}  // namespace twill
