// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/underlay.hpp"

namespace twill {

/// The node's own settings. apps/twilld/options.cpp declares each once: flag, environment and twilld.toml.
struct Options {
  std::string node;  ///< name of this node in leases; the host name unless given
  /// Those that the node is in; empty: one, without a name. A name is a part of paths and keys, see
  /// plan/network_names.hpp.
  std::vector<std::string> networks;
  std::string datastore = "file";
  std::string fileDir = "/etc/twill/network";  ///< datastore file: net-conf.json and leases.json
  /// Datastore etcd, under flannel's names. Of TLS there is what the endpoints need.
  struct Etcd {
    std::vector<std::string> endpoints = {"http://127.0.0.1:4001", "http://127.0.0.1:2379"};
    std::string prefix = "/coreos.com/network";
    std::string caFile, certFile, keyFile;
    std::string username, password;
    std::int64_t leaseSeconds = 86400;
  } etcd;
  /// Datastore gossip.
  struct Gossip {
    std::string bind;               ///< ADDRESS or ADDRESS:PORT; empty: the underlay's address
    std::vector<std::string> join;  ///< HOST or HOST:PORT
    std::string peersFile;          ///< the same, one a line
    unsigned expect = 0;
    std::string alloc = "grant";  ///< or "address": each node's subnet follows from its address
    std::string keyFile = "/etc/twill/gossip.key";
  } gossip;
  /// Datastore bgp.
  struct Bgp {
    std::string bird = "/usr/sbin/bird";
    std::string include = "/etc/twill/bird.d/*.conf";
    bool external = false;  ///< another's daemon fills and reads the two routing tables
  } bgp;
  UnderlayRules underlay;  ///< families are filled in from the network config
  bool ipMasq = false;
  bool fastPath = false;  ///< containers' packets go past bridge and routing where they can
  std::string vxlanChecksumOffload = "auto";  ///< or "on", "off"
  std::string runDir = "/run/twill";          ///< socket and lock
  std::string stateDir = "/var/lib/twill";    ///< attachments; survives a reboot
  std::string subnetFile = "/run/twill/subnet.env";
  std::string listen;  ///< ADDRESS:PORT for health and metrics; empty: unix socket only
  std::string logLevel = "info";
};

}  // namespace twill
