// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "lab/connectivity.hpp"
#include "lab/process.hpp"
#include "lab/spec.hpp"
#include "lab/supervisor.hpp"
#include "lab/topology.hpp"

namespace twill::lab {

/// A lab that is up, seen from inside. open() goes on in a child process, which is in the lab's user, mount,
/// network ("wire") and PID namespace, so that all of the lab's paths and process ids mean something; the
/// process that called it waits and ends as the child does. There is no way back: working directory and the
/// files of the system's own /run are gone after it.
class Lab {
 public:
  /// Kind::missing: no lab of this name is up; the error says how to start one.
  [[nodiscard]] static Result<Lab> open(const std::string& name);

  [[nodiscard]] const Spec& spec() const { return spec_; }
  [[nodiscard]] const Topology& topology() const { return topology_; }
  [[nodiscard]] const std::string& directory() const { return directory_; }

  /// All nodes, the router if there is one, and the containers that are there; nodes first.
  [[nodiscard]] std::vector<PlaceName> places() const;

  /// The process that holds a machine's namespaces. Kind::missing: there is no such machine, or it died.
  [[nodiscard]] Result<pid_t> processOf(const std::string& machine) const;
  /// Path of a place's network namespace, valid as long as the lab is up; "wire" is a place too.
  /// Kind::missing names the places that there are.
  [[nodiscard]] Result<std::string> namespaceOf(const PlaceName& place) const;

  /// The calling process, a child, moves into the place for good.
  [[nodiscard]] Result<void> enter(const PlaceName& place) const;

  /// Runs a command in a place, with this process's terminal; returns its exit status. 128 and the signal's
  /// number when one ended it.
  [[nodiscard]] Result<int> execute(const PlaceName& place, const std::vector<std::string>& command) const;

 private:
  explicit Lab(std::string directory) : directory_(std::move(directory)) {}
  std::string directory_;
  std::string programs_;  ///< programDirectory(), as it is called inside the lab, too
  Spec spec_;
  Topology topology_;
};

/// One run of all checks between all nodes and containers of a lab: rows as `lab test` shows them.
[[nodiscard]] Result<std::vector<Row>> testConnectivity(const Lab& lab, std::chrono::milliseconds patience);

/// True when a lab of this name is running, whole or half.
[[nodiscard]] bool isRunning(const std::string& name);

/// Ends a lab and all that is in it; one that is not there is fine. Result: whether there was one.
[[nodiscard]] Result<bool> takeDown(const std::string& name);

/// The folder that this program lies in, with the other programs of this build.
[[nodiscard]] std::string programDirectory();

}  // namespace twill::lab
