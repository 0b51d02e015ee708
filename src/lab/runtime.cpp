// SPDX-License-Identifier: Apache-2.0
#include "lab/runtime.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/file.hpp"
#include "kernel/netns.hpp"

namespace twill::lab {
namespace {

using Json = nlohmann::json;

constexpr const char* kConflist = "/etc/cni/net.d/10-twill.conflist";

/// In the node: an empty network namespace that lives as long as its name, as `ip netns add` makes it.
Result<void> makeNamespace(const std::string& path) {
  Fd place(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
  if (!place && errno != EEXIST) return failErrno("make " + path);
  if (::unshare(CLONE_NEWNET) != 0) return failErrno("make a network namespace");
  if (::mount("/proc/self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) == 0) return {};
  return failErrno("mount a network namespace on " + path);
}

/// What the plugin gets on stdin: its part of the conflist, with name and version of the whole.
Result<std::string> pluginConfig(const std::string& conflist) {
  const Json list = Json::parse(conflist, nullptr, false);
  const bool good = list.is_object() && list.contains("plugins") && list["plugins"].is_array() &&
                    !list["plugins"].empty() && list["plugins"][0].is_object();
  if (!good) return fail(fmt::format("{} is no conflist with a plugin", kConflist), Error::Kind::invalid);
  Json config = list["plugins"][0];
  config["name"] = list.value("name", "twill");
  config["cniVersion"] = list.value("cniVersion", "1.0.0");
  return config.dump();
}

/// In the node.
int runPlugin(const PlaceName& container, const std::string& netns) {
  return become({"/opt/cni/bin/twill-cni"},
                {"CNI_COMMAND=ADD", "CNI_CONTAINERID=" + container.container, "CNI_NETNS=" + netns,
                 "CNI_IFNAME=eth0", "CNI_PATH=/opt/cni/bin", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"});
}

Result<void> insideNode(const Lab& lab, const std::string& node, const std::function<Result<void>()>& body) {
  TWILL_TRY(const Output done, capture([&] {
              auto result = lab.enter({node, ""});
              if (result) result = body();
              if (!result) fmt::print("{}", result.error().text);
              return result ? 0 : 1;
            }));
  if (done.status == 0) return {};
  return fail(done.text);
}

}  // namespace

Result<void> addContainer(const Lab& lab, const PlaceName& container) {
  const std::string netns = "/run/netns/" + container.container;
  if (!lab.namespaceOf(container)) {
    TWILL_CHECK(insideNode(lab, container.machine, [&] { return makeNamespace(netns); }));
  }
  TWILL_TRY(const pid_t node, lab.processOf(container.machine));
  TWILL_TRY(const std::string conflist, readFile(fmt::format("/proc/{}/root{}", node, kConflist), 65536));
  TWILL_TRY(const std::string config, pluginConfig(conflist));
  TWILL_TRY(const Output said, capture(
                                   [&] {
                                     if (!lab.enter({container.machine, ""})) return 126;
                                     return runPlugin(container, netns);
                                   },
                                   config));
  if (said.status == 0) return {};
  const Json error = Json::parse(said.text, nullptr, false);
  const std::string why = error.is_object() ? error.value("msg", said.text)
                                            : fmt::format("exit status {} {}", said.status, said.text);
  return fail(fmt::format("twill-cni ADD for {}: {}", container.text(), why));
}

}  // namespace twill::lab
