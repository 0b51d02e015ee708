// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "lab/process.hpp"

namespace twill::lab {

/// One node, router or server: a process with a network, mount and UTS namespace of its own. It is what
/// systemd is on a real one: it starts the machine's service, and starts it again when it ends.
struct Machine {
  std::string name;
  bool isNode = true;
  std::string labDirectory;          ///< the lab's tmpfs; the machine's own files are under machines/NAME
  std::string binDirectory;          ///< where twilld and twill-cni are
  std::string twilldConfig;          ///< text of /etc/twill/twilld.toml
  std::string conflist;              ///< text of /etc/cni/net.d/10-twill.conflist
  std::vector<std::string> service;  ///< of one that is no node: a command; empty: there is none
  std::map<std::string, std::string> files = {};  ///< of one that is no node: path -> text
  std::vector<std::string> environment = {};      ///< of the service, "NAME=value", besides PATH
  bool mapped = false;  ///< the lab runs in a user namespace of somebody who is not root
};

/// The machine's life, in a process made for it; returns its exit status when it cannot go on. Makes the
/// namespaces and mounts, says "ok" or what went wrong on `ready`, waits until `go` is closed at the other
/// end, and works on.
[[nodiscard]] int runMachine(const Machine& machine, Pipe ready, Pipe go);

/// Where a machine's own files are, from the lab's point of view.
[[nodiscard]] std::string machineDirectory(const std::string& labDirectory, const std::string& name);

}  // namespace twill::lab
