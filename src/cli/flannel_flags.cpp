// SPDX-License-Identifier: Apache-2.0
#include "cli/flannel_flags.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <string_view>

namespace twill::cli {
namespace {

enum class Meaning {
  same,         ///< twilld's flag of that name
  hasNoEffect,  ///< Twill has no need of it; `word` says why
  special,      ///< fromFlannel() looks at it
};

struct Flag {
  std::string_view name;
  Meaning meaning = Meaning::same;
  bool isSwitch = false;
  std::string_view word = {};
};

constexpr std::string_view kByEvent = "whatever is changed or missing is repaired at once, by event";
constexpr std::string_view kNotKubernetes = "only datastores of Kubernetes need it";

constexpr std::array kFlags = {
    Flag{"etcd-endpoints"},
    Flag{"etcd-prefix"},
    Flag{"etcd-keyfile"},
    Flag{"etcd-certfile"},
    Flag{"etcd-cafile"},
    Flag{"etcd-username"},
    Flag{"etcd-password"},
    Flag{"iface"},
    Flag{"iface-regex"},
    Flag{"iface-can-reach"},
    Flag{"public-ip"},
    Flag{"public-ipv6"},
    Flag{"subnet-file"},
    Flag{"networks"},  // of flannel up to 0.10
    Flag{"ip-masq", Meaning::same, true},
    Flag{"healthz-ip", Meaning::special},
    Flag{"healthz-port", Meaning::special},
    Flag{"kube-subnet-mgr", Meaning::special, true},
    Flag{"version", Meaning::special, true},
    Flag{"help", Meaning::special, true},
    Flag{"h", Meaning::special, true},
    Flag{"v", Meaning::special},
    Flag{"subnet-lease-renew-margin", Meaning::hasNoEffect, false, "the lease is kept alive all the time"},
    Flag{"iptables-resync", Meaning::hasNoEffect, false, kByEvent},
    Flag{"iptables-forward-rules", Meaning::hasNoEffect, true, "containers' traffic is always let through"},
    Flag{"ip-masq-fully-random-disable", Meaning::hasNoEffect, true,
         "nftables chooses ports by itself unless it is told otherwise"},
    Flag{"ip-blackhole-route", Meaning::hasNoEffect, true,
         "what is for no container ends at the bridge, which has the whole subnet"},
    Flag{"kube-api-url", Meaning::hasNoEffect, false, kNotKubernetes},
    Flag{"kubeconfig-file", Meaning::hasNoEffect, false, kNotKubernetes},
    Flag{"kube-annotation-prefix", Meaning::hasNoEffect, false, kNotKubernetes},
    Flag{"net-config-path", Meaning::hasNoEffect, false, kNotKubernetes},
    Flag{"set-node-network-unavailable", Meaning::hasNoEffect, true, kNotKubernetes},
    Flag{"vmodule", Meaning::hasNoEffect, false, "there is one log level for all: --log-level"},
    Flag{"log_backtrace_at", Meaning::hasNoEffect, false, "nothing of Twill's has a backtrace there"},
};

const Flag* find(std::string_view name) {
  const auto found =
      std::find_if(kFlags.begin(), kFlags.end(), [&](const Flag& flag) { return flag.name == name; });
  return found == kFlags.end() ? nullptr : &*found;
}

std::string variableOf(std::string_view flag) {
  std::string out = "FLANNELD_";
  for (const char c : flag)
    out += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

/// Go's strconv.ParseBool.
std::optional<bool> boolOf(std::string_view text) {
  for (const auto* word : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == word) return true;
  }
  for (const auto* word : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == word) return false;
  }
  return std::nullopt;
}

struct Given {
  const Flag* flag;
  std::string value;
};

/// Each in its order; a flag may come several times.
std::string read(const std::vector<std::string>& arguments, std::vector<Given>& given) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string_view word = arguments[i];
    const std::string_view whole = word;
    if (!word.starts_with('-') || word.size() < 2) return "'" + arguments[i] + "' is no flag";
    word.remove_prefix(word.starts_with("--") ? 2 : 1);
    const auto equals = word.find('=');
    const Flag* flag = find(word.substr(0, equals));
    if (flag == nullptr) return "flanneld has no flag " + std::string(whole.substr(0, whole.find('=')));
    if (equals != std::string_view::npos) {
      given.push_back({flag, std::string(word.substr(equals + 1))});
    } else if (flag->isSwitch) {
      given.push_back({flag, "true"});
    } else if (i + 1 < arguments.size()) {
      given.push_back({flag, arguments[++i]});
    } else {
      return "-" + std::string(flag->name) + " needs a value";
    }
    if (flag->isSwitch && !boolOf(given.back().value))
      return "-" + std::string(flag->name) + "=" + given.back().value + ": expected true or false";
  }
  return {};
}

void readEnvironment(const Environment& environment, std::vector<Given>& given) {
  for (const Flag& flag : kFlags) {
    const bool there =
        std::any_of(given.begin(), given.end(), [&](const Given& one) { return one.flag == &flag; });
    if (there) continue;
    if (const auto value = environment(variableOf(flag.name))) given.push_back({&flag, *value});
  }
}

void translate(const Given& one, FlannelTranslation& out) {
  const std::string name(one.flag->name);
  const bool off = one.flag->isSwitch && boolOf(one.value) == false;
  if (one.flag->meaning == Meaning::hasNoEffect) {
    out.notes.push_back("-" + name + " has no effect: " + std::string(one.flag->word));
  } else if (one.flag->meaning == Meaning::same && one.flag->isSwitch) {
    if (!off) out.arguments.push_back("--" + name);
  } else if (one.flag->meaning == Meaning::same && !one.value.empty()) {
    out.arguments.push_back("--" + name + "=" + one.value);
  } else if (name == "kube-subnet-mgr" && !off) {
    out.error =
        "-kube-subnet-mgr: Twill has no datastore kubernetes yet; with etcd it can take flanneld's place";
  } else if (name == "version" && !off) {
    out.arguments.emplace_back("--version");
  } else if ((name == "help" || name == "h") && !off) {
    out.arguments.emplace_back("--help");
  } else if (name == "v" && one.value != "0") {
    out.arguments.emplace_back("--log-level=debug");
  }
}

}  // namespace

FlannelTranslation fromFlannel(const std::vector<std::string>& arguments, const Environment& environment) {
  FlannelTranslation out{.arguments = {"--datastore=etcd"}, .notes = {}, .error = {}};
  std::vector<Given> given;
  out.error = read(arguments, given);
  if (!out.error.empty()) return out;
  readEnvironment(environment, given);
  std::map<std::string_view, std::string> last{{"healthz-ip", "0.0.0.0"}, {"healthz-port", "0"}};
  bool subnetFile = false;
  for (const Given& one : given) {
    translate(one, out);
    last[one.flag->name] = one.value;
    subnetFile = subnetFile || (one.flag->name == "subnet-file" && !one.value.empty());
  }
  if (!subnetFile) out.arguments.emplace_back("--subnet-file=/run/flannel/subnet.env");
  if (last["healthz-port"] != "0") {
    const bool v6 = last["healthz-ip"].find(':') != std::string::npos;
    out.arguments.push_back("--listen=" + (v6 ? "[" + last["healthz-ip"] + "]" : last["healthz-ip"]) + ":" +
                            last["healthz-port"]);
  }
  return out;
}

}  // namespace twill::cli
