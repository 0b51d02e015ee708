// SPDX-License-Identifier: Apache-2.0
#include "backend/ipip_engine.hpp"

#include <fmt/format.h>

namespace twill {

IpipEngine chooseIpipEngine(std::string_view wanted, std::string_view missing) {
  if (wanted == "ebpf")
    return {.driver = false, .wanted = "ebpf", .reason = "the network config says so", .problem = ""};
  const bool asked = wanted == "driver";
  IpipEngine out{.driver = missing.empty(), .wanted = asked ? "driver" : "auto", .reason = "", .problem = ""};
  out.reason =
      out.driver ? (asked ? "the network config says so" : "the kernel has it") : std::string(missing);
  if (asked && !out.driver) {
    out.problem = fmt::format(
        "Backend.Engine is \"driver\", but packets go by eBPF programs: {}; load it (modprobe) and restart "
        "twilld, or set Backend.Engine to \"auto\"",
        missing);
  }
  return out;
}

}  // namespace twill
