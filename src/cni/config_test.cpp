// SPDX-License-Identifier: Apache-2.0
#include "cni/config.hpp"

#include <doctest/doctest.h>

#include "cni/call.hpp"

using namespace twill;

namespace {

cni::CniResult<cni::Call> add(const std::string& members) {
  return cni::parseCall({{"CNI_COMMAND", "ADD"},
                         {"CNI_CONTAINERID", "c1"},
                         {"CNI_NETNS", "/run/netns/c1"},
                         {"CNI_IFNAME", "eth0"},
                         {"CNI_PATH", "/opt/cni/bin"}},
                        R"({"cniVersion":"1.0.0","name":"net","type":"twill-cni")" + members + "}");
}

cni::CniResult<cni::Call> ports(const std::string& list) {
  return add(R"(,"runtimeConfig":{"portMappings":)" + list + "}");
}

}  // namespace

TEST_CASE("the node's network is named, or its file is, as for flannel") {
  CHECK(add("")->request.home.empty());
  CHECK(add(R"(,"network":"blue")")->request.home == "blue");
  CHECK(add(R"(,"subnetFile":"/run/flannel/networks/blue.env")")->request.subnetFile ==
        "/run/flannel/networks/blue.env");
  CHECK(add(R"(,"network":7)").error().msg == "network: 7 is not text");
  CHECK(add(R"(,"subnetFile":{})").error().msg == "subnetFile: {} is not text");
}

TEST_CASE("port mappings are read in either spelling, with tcp and every address as defaults") {
  const auto podman = ports(R"([{"hostPort":8080,"containerPort":80},
      {"hostPort":53,"containerPort":5353,"protocol":"UDP","hostIP":"10.0.0.10"},
      {"containerPort":9},{"hostPort":0,"containerPort":7,"protocol":"nonsense"}])");
  REQUIRE(podman);
  const auto& read = podman->request.ports;
  REQUIRE(read.size() == 2);
  CHECK(read[0] == PortMapping{.hostIp = std::nullopt, .hostPort = 8080, .containerPort = 80});
  CHECK(read[1] == PortMapping{.protocol = PortProtocol::udp,
                               .hostIp = *IpAddress::parse("10.0.0.10"),
                               .hostPort = 53,
                               .containerPort = 5353});
  const auto containerd = add(R"(,"RuntimeConfig":{"PortMappings":[
      {"HostPort":1,"ContainerPort":2,"Protocol":"sctp","HostIP":""},
      {"HostPort":1,"ContainerPort":2,"Protocol":"","HostIP":"::"}]})");
  REQUIRE(containerd);
  REQUIRE(containerd->request.ports.size() == 2);
  CHECK(containerd->request.ports[0].protocol == PortProtocol::sctp);
  CHECK_FALSE(containerd->request.ports[0].hostIp);
  CHECK(containerd->request.ports[1].hostIp == *IpAddress::parse("::"));
  CHECK(ports("null")->request.ports.empty());
}

TEST_CASE("a wrong port mapping is named by key and value, with what was expected") {
  const auto message = [](const std::string& list) {
    const auto call = ports(list);
    REQUIRE_FALSE(call);
    CHECK(call.error().code == cni::kBadConfig);
    return call.error().msg;
  };
  const std::string key = "runtimeConfig.portMappings";
  CHECK(message("7") == key + ": 7 is not a list of port mappings");
  CHECK(message("[7]") == key + "[0]: 7 is not an object");
  CHECK(message(R"([{"hostPort":"80","containerPort":80}])") ==
        key + R"([0].hostPort: "80" is not a number from 0 to 65535)");
  CHECK(message(R"([{"hostPort":-1}])") == key + "[0].hostPort: -1 is not a number from 0 to 65535");
  CHECK(message(R"([{},{"hostPort":65536}])") == key + "[1].hostPort: 65536 is not a number from 0 to 65535");
  CHECK(message(R"([{"hostPort":80,"containerPort":1.5}])") ==
        key + "[0].containerPort: 1.5 is not a number from 0 to 65535");
  CHECK(message(R"([{"hostPort":80}])") == key + "[0].containerPort: 0 is not a number from 1 to 65535");
  CHECK(message(R"([{"hostPort":80,"containerPort":80,"protocol":"icmp"}])") ==
        key + R"([0].protocol: "icmp" is not tcp, udp or sctp)");
  CHECK(message(R"([{"hostPort":80,"containerPort":80,"hostIP":"here"}])") ==
        key + R"([0].hostIP: "here" is not an IP address)");
  const auto loopback = message(R"([{"hostPort":80,"containerPort":80,"hostIP":"::1"}])");
  CHECK(loopback.starts_with(key + R"([0].hostIP: "::1" is not an address that leads to a container)"));
  CHECK(loopback.find("127.0.0.1") != std::string::npos);
  CHECK(ports(R"([{"hostPort":80,"containerPort":80,"hostIP":"127.0.0.1"}])"));
}

TEST_CASE("the spoof guard is on unless the network allows spoofing") {
  CHECK(add("")->request.spoofGuard);
  CHECK(add(R"(,"allowSpoofing":false)")->request.spoofGuard);
  CHECK_FALSE(add(R"(,"allowSpoofing":true)")->request.spoofGuard);
  const auto wrong = add(R"(,"allowSpoofing":"yes")");
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().msg == R"(allowSpoofing: "yes" is not true or false)");
}
