// SPDX-License-Identifier: Apache-2.0
#include "lab/lab_files.hpp"

#include <cstdlib>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "lab/machine.hpp"

namespace twill::lab {

std::string labDirectory(const std::string& name) {
  if (::geteuid() == 0) return "/run/twill-lab/" + name;
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && *runtime == '/') return fmt::format("{}/twill-lab/{}", runtime, name);
  return fmt::format("/tmp/twill-lab-{}/{}", ::geteuid(), name);
}

std::string specFile(const std::string& directory) {
  return directory + "/lab.json";
}

std::string pidFile(const std::string& directory, const std::string& machine) {
  return machineDirectory(directory, machine) + "/pid";
}

std::string logFile(const std::string& directory, const std::string& machine) {
  return fmt::format("{}/logs/{}.log", directory, machine);
}

std::string socketFile(const std::string& directory, const std::string& node) {
  return machineDirectory(directory, node) + "/run/twill/twill.sock";
}

std::string conflistOf(const Spec& spec) {
  nlohmann::ordered_json plugin = {{"type", "twill-cni"}};
  if (spec.attach == AttachMode::routed) plugin["attach"] = "routed";
  // Not 1.1.0: Debian 12's runtimes know 1.0.0 at most.
  return nlohmann::ordered_json{
             {"cniVersion", "1.0.0"}, {"name", "twill"}, {"plugins", nlohmann::ordered_json::array({plugin})}}
             .dump(2) +
         "\n";
}

}  // namespace twill::lab
