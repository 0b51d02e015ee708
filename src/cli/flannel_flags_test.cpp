// SPDX-License-Identifier: Apache-2.0
#include "cli/flannel_flags.hpp"

#include <map>

#include <doctest/doctest.h>

using namespace twill::cli;

namespace {

using Words = std::vector<std::string>;

FlannelTranslation from(const Words& arguments, const std::map<std::string, std::string>& variables = {}) {
  return fromFlannel(arguments, [&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
}

const std::string kEtcd = "--datastore=etcd";
const std::string kFile = "--subnet-file=/run/flannel/subnet.env";

}  // namespace

TEST_CASE("without flags there are flanneld's defaults") {
  const auto out = from({});
  CHECK(out.arguments == Words{kEtcd, kFile});
  CHECK(out.notes.empty());
  CHECK(out.error.empty());
}

TEST_CASE("flags are read as Go reads them") {
  CHECK(from({"-iface", "eth1", "--iface=eth2", "-ip-masq", "-etcd-prefix=/x"}).arguments ==
        Words{kEtcd, "--iface=eth1", "--iface=eth2", "--ip-masq", "--etcd-prefix=/x", kFile});
  CHECK(from({"-ip-masq=false"}).arguments == Words{kEtcd, kFile});
  CHECK(from({"-ip-masq=T", "-subnet-file", "/a"}).arguments ==
        Words{kEtcd, "--ip-masq", "--subnet-file=/a"});
  CHECK(from({"-public-ip="}).arguments == Words{kEtcd, kFile});
  CHECK(from({"-version"}).arguments == Words{kEtcd, "--version", kFile});
}

TEST_CASE("the environment counts where no flag is given") {
  const std::map<std::string, std::string> variables{{"FLANNELD_ETCD_ENDPOINTS", "http://a:1,http://b:2"},
                                                     {"FLANNELD_IP_MASQ", "true"},
                                                     {"FLANNELD_IFACE", "eth7"}};
  CHECK(from({"-iface=eth1"}, variables).arguments ==
        Words{kEtcd, "--iface=eth1", "--etcd-endpoints=http://a:1,http://b:2", "--ip-masq", kFile});
}

TEST_CASE("health is served where flanneld would") {
  CHECK(from({"-healthz-port=8080"}).arguments.back() == "--listen=0.0.0.0:8080");
  CHECK(from({"-healthz-ip=::1", "-healthz-port", "8080"}).arguments.back() == "--listen=[::1]:8080");
  CHECK(from({"-healthz-ip=::1"}).arguments == Words{kEtcd, kFile});
}

TEST_CASE("what has no effect is said, with the reason") {
  const auto out = from({"-iptables-resync=5", "-subnet-lease-renew-margin", "60"});
  CHECK(out.arguments == Words{kEtcd, kFile});
  REQUIRE(out.notes.size() == 2);
  CHECK(out.notes[0].find("-iptables-resync has no effect: whatever is changed") == 0);
}

TEST_CASE("what cannot be is refused") {
  CHECK(from({"-kube-subnet-mgr"}).error.find("no datastore kubernetes") != std::string::npos);
  CHECK(from({"-kube-subnet-mgr=false"}).error.empty());
  CHECK(from({}, {{"FLANNELD_KUBE_SUBNET_MGR", "true"}}).error.find("kubernetes") != std::string::npos);
  CHECK(from({"-iface"}).error == "-iface needs a value");
  CHECK(from({"-nonsense=1"}).error == "flanneld has no flag -nonsense");
  CHECK(from({"-ip-masq=perhaps"}).error.find("expected true or false") != std::string::npos);
  CHECK(from({"eth0"}).error == "'eth0' is no flag");
}
