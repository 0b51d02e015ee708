// SPDX-License-Identifier: Apache-2.0
// Host ports and the spoof guard of attachments, seen by real packets.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "attach/attachments.hpp"
#include "attach/desired.hpp"
#include "attach/firewall.hpp"
#include "node.hpp"
#include "skip.hpp"

namespace twill::test {
namespace {

/// Answers each connection and datagram with the address that it seems to come from.
constexpr const char* kServer = R"(
import select, socket as s
def bound(family, kind, address):
    out = s.socket(family, kind)
    if family == s.AF_INET6: out.setsockopt(s.IPPROTO_IPV6, s.IPV6_V6ONLY, 1)
    out.bind((address, 80))
    if kind == s.SOCK_STREAM: out.listen()
    return out
ends = [bound(f, k, a) for f, a in ((s.AF_INET, '0.0.0.0'), (s.AF_INET6, '::')) for k in (s.SOCK_STREAM, s.SOCK_DGRAM)]
print('up', flush=True)
while True:
    for end in select.select(ends, [], [])[0]:
        if end.type == s.SOCK_STREAM:
            with end.accept()[0] as c: c.sendall(c.getpeername()[0].encode())
        else:
            who = end.recvfrom(99)[1]; end.sendto(who[0].encode(), who)
)";

/// client.py tcp|udp ADDRESS PORT [OWN PORT]: what the server says, or "none".
constexpr const char* kClient = R"(
import socket as s, sys
kind, to, port, *own = sys.argv[1:]
family = s.AF_INET6 if ':' in to else s.AF_INET
c = s.socket(family, s.SOCK_STREAM if kind == 'tcp' else s.SOCK_DGRAM)
c.settimeout(1)
if own: c.bind(('', int(own[0])))
try:
    c.connect((to, int(port)))
    if kind == 'udp': c.send(b'who?')
    print(c.recv(99).decode(), end='')
except OSError: print('none', end='')
)";

/// spoof.py NS1 NS2 MAC1 MAC2 IP1 IP2 IP6 GATEWAYMAC: sends frames from one container and says which of them
/// the other one gets, by their names, which each carries behind its content.
constexpr const char* kSpoof = R"(
import ctypes, ipaddress, os, select, socket as s, struct, sys, time
ns1, ns2, mac1, mac2, ip1, ip2, own6, to = sys.argv[1:]
libc = ctypes.CDLL(None)
def listen(ns):
    libc.setns(os.open('/run/netns/' + ns, os.O_RDONLY), 0x40000000)
    out = s.socket(s.AF_PACKET, s.SOCK_RAW, s.htons(3)); out.bind(('eth0', 0)); return out
def mac(text): return bytes.fromhex(text.replace(':', ''))
def ip(text): return ipaddress.ip_address(text).packed
def total(data):
    n = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while n >> 16: n = (n & 0xffff) + (n >> 16)
    return ~n & 0xffff
def v4(src):
    head = lambda check: struct.pack('!BBHHHBBH', 0x45, 0, 64, 1, 0, 64, 17, check) + ip(src) + ip(ip2)
    return 0x0800, head(total(head(0))) + struct.pack('!HHHH', 9, 9, 44, 0)
def v6(src, proto=17, body=struct.pack('!HHHH', 9, 9, 8, 0)):
    return 0x86dd, struct.pack('!IHBB', 6 << 28, len(body) + 20, proto, 255) + ip(src) + ip('fd42::3') + body
def nd(kind, src, target): return v6(src, 58, struct.pack('!BBHI', kind, 0, 0, 0) + ip(target))
def arp(hw, src): return 0x0806, struct.pack('!HHBBH', 1, 0x800, 6, 4, 2) + mac(hw) + ip(src) + mac(mac2) + ip(ip2)
bad, far = '02:00:00:00:00:99', 'fd42::99'
frames = {'ip': (mac1, v4(ip1)), 'ip!': (mac1, v4('172.16.0.99')), 'mac!': (bad, v4(ip1)),
          'ip6': (mac1, v6(own6)), 'ip6!': (mac1, v6(far)), 'local': (mac1, v6('fe80::77')), 'mac6!': (bad, v6('fe80::77')),
          'gateway!': (mac1, v6('fe80::1')),
          'arp': (mac1, arp(mac1, ip1)), 'arp!': (mac1, arp(mac1, '172.16.0.1')), 'arphw!': (mac1, arp(bad, ip1)),
          'probe': (mac1, arp(mac1, '0.0.0.0')),
          'na': (mac1, nd(136, own6, own6)), 'na!': (mac1, nd(136, own6, far)), 'nalocal': (mac1, nd(136, 'fe80::77', 'fe80::77')),
          'nagateway!': (mac1, nd(136, 'fe80::77', 'fe80::1')), 'dad': (mac1, nd(135, '::', own6)), 'dad!': (mac1, nd(135, '::', far)),
          'ra!': (mac1, nd(134, 'fe80::77', 'fe80::77'))}
into, out = listen(ns2), listen(ns1)
for name, (src, (kind, body)) in frames.items():
    out.send(mac(to) + mac(src) + struct.pack('!H', kind) + body + b'<' + name.encode() + b'>' + bytes(36))
seen, end = set(), time.time() + 0.5
while time.time() < end:
    if not select.select([into], [], [], 0.1)[0]: continue
    data = into.recv(2000)
    seen |= {name for name in frames if b'<' + name.encode() + b'>' in data}
print(' '.join(name for name in frames if name in seen), end='')
)";

/// This namespace is a node with 10.0.0.10 and fc00::10 on eth0; "out" is a host behind it, which knows the
/// way to the containers. Containers come by attach().
class World {
 public:
  World() {
    for (const auto& [name, text] : {std::pair{"server", kServer}, {"client", kClient}, {"spoof", kSpoof}})
      std::ofstream(fmt::format("/run/{}.py", name)) << text;
    sh("ip netns add out; ip link add eth0 type veth peer name eth0 netns out; ip link set eth0 up\n"
       "ip -n out link set eth0 up; ip addr add 10.0.0.10/24 dev eth0; ip addr add fc00::10/64 dev eth0 "
       "nodad\n"
       "ip -n out addr add 10.0.0.1/24 dev eth0; ip -n out addr add fc00::1/64 dev eth0 nodad\n"
       "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    kernel_ = openKernel();
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() {
    for (const auto& pid : servers_) sh("kill " + pid);
  }

  Attachment attach(const std::string& id, AttachMode mode, std::vector<PortMapping> ports = {},
                    bool guard = true) {
    sh("ip netns add " + id + "; ip netns exec " + id + " sysctl -qw net.ipv6.conf.default.accept_dad=0");
    AttachRequest request{.network = "net", .containerId = id, .ifname = "eth0", .netns = "/run/netns/" + id};
    request.mode = mode;
    request.addresses = {ip("172.16.0.1").plus(static_cast<std::uint64_t>(id.back() - '0')),
                         ip("fd42::1").plus(static_cast<std::uint64_t>(id.back() - '0'))};
    request.ports = std::move(ports);
    request.spoofGuard = guard;
    auto attachment = attachments_.prepare(request, node_);
    REQUIRE_MESSAGE(attachment, (attachment ? "" : attachment.error().text));
    merge(wanted_, desiredShared(mode, node_));
    merge(wanted_, desiredAttachment(*attachment));
    mustApply(*kernel_, additions(wanted_, mustRead(*kernel_)).operations);
    return *attachment;
  }

  void serve(const std::string& id) {
    auto out = sh(fmt::format(
        "ip netns exec {0} sh -c 'timeout 600 python3 /run/server.py > /run/{0}.up 2>&1 & echo $!'\n"
        "for i in $(seq 100); do grep -q up /run/{0}.up && exit; sleep 0.05; done; exit 1",
        id));
    servers_.push_back(out.substr(0, out.find('\n')));
  }

  const KernelState& wanted() const { return wanted_; }
  LinuxKernel& kernel() { return *kernel_; }

 private:
  NodeNetwork node_{.node = "node1", .subnet = net("172.16.0.0/24"), .subnet6 = net("fd42::/64")};
  Attachments attachments_ = Attachments::open("/run/state").value();
  std::unique_ptr<LinuxKernel> kernel_;
  KernelState wanted_;
  std::vector<std::string> servers_;
};

/// Whom the server sees when `from` ("" is the node itself) asks at this port of the node.
std::string ask(const std::string& from, const std::string& kind, const std::string& to, int port) {
  const auto in = from.empty() ? std::string() : "ip netns exec " + from + " ";
  return sh(fmt::format("{}python3 /run/client.py {} {} {}", in, kind, to, port));
}

PortMapping port(PortProtocol protocol, std::uint16_t hostPort, std::optional<IpAddress> at = {}) {
  return {.protocol = protocol, .hostIp = at, .hostPort = hostPort, .containerPort = 80};
}

bool hasNat() {
  return std::system(
             "nft 'add table inet p; add chain inet p c { type nat hook output priority 0; }; add rule "  // NOLINT
             "inet p c fib daddr type local drop; delete table inet p' 2>/dev/null") == 0;
}

/// `bridgedPass`: bridged packets pass the firewall, as with kube-proxy (br_netfilter).
void checkPorts(AttachMode mode, bool bridgedPass = false) {
  World world;
  const std::string passes = bridgedPass ? "1" : "0";
  sh("cd /proc/sys/net/bridge 2>/dev/null || exit 0; for i in bridge-nf-call-ip*; do echo " + passes +
     " > $i; done");
  const std::vector ports{port(PortProtocol::tcp, 8080), port(PortProtocol::udp, 8080),
                          port(PortProtocol::tcp, 8081, ip("10.0.0.10")),
                          port(PortProtocol::tcp, 8082, ip("fc00::10"))};
  const auto c1 = world.attach("c1", mode, ports);
  world.attach("c2", mode);
  world.serve("c1");
  auto kept = world.wanted();
  kept.sysctls.clear();  // which mustRead() does not look at
  CHECK(leftToDo(kept, mustRead(world.kernel())) == "");
  const bool bridged = mode == AttachMode::bridge;
  for (const std::string kind : {"tcp", "udp"}) {
    CAPTURE(kind);
    // From outside and from the node's own addresses the source stays.
    CHECK(ask("out", kind, "10.0.0.10", 8080) == "10.0.0.1");
    CHECK(ask("out", kind, "fc00::10", 8080) == "fc00::1");
    CHECK(ask("", kind, "10.0.0.10", 8080) == "10.0.0.10");
    CHECK(ask("", kind, "fc00::10", 8080) == "fc00::10");
    CHECK(ask("", kind, "127.0.0.1", 8080) == (bridged ? "172.16.0.1" : "10.0.0.10"));
    // A neighbour's answer would not come back this way on a bridge, nor one's own.
    CHECK(ask("c2", kind, "10.0.0.10", 8080) == (bridged ? "172.16.0.1" : "172.16.0.3"));
    CHECK(ask("c2", kind, "fc00::10", 8080) == (bridged ? "fd42::1" : "fd42::3"));
    CHECK(ask("c1", kind, "10.0.0.10", 8080) == (bridged ? "172.16.0.1" : "10.0.0.10"));
    CHECK(ask("c1", kind, "fc00::10", 8080) == (bridged ? "fd42::1" : "fc00::10"));
  }
  CHECK(ask("out", "tcp", "10.0.0.10", 8081) == "10.0.0.1");
  CHECK(ask("", "tcp", "127.0.0.1", 8081) == "none");
  CHECK(ask("out", "tcp", "fc00::10", 8082) == "fc00::1");
  CHECK(ask("out", "udp", "10.0.0.10", 8081) == "none");
  CHECK(ask("out", "tcp", "10.0.0.10", 8082) == "none");
  // What is for the whole world's port 8080 stays the whole world's.
  CHECK(ask("c2", "tcp", "172.16.0.2", 80) == "172.16.0.3");

  mustApply(world.kernel(), removals(desiredAttachment(c1), mustRead(world.kernel())).operations);
  CHECK(ask("out", "tcp", "10.0.0.10", 8080) == "none");
}

/// The names of the frames that c2 gets of those that c1 sends.
std::string delivered(World& world, AttachMode mode, bool guard) {
  const auto c1 = world.attach("c1", mode, {}, guard);
  const auto c2 = world.attach("c2", mode);
  sh("ip netns exec c1 ping -c1 -W2 172.16.0.3; ip netns exec c1 ping -c1 -W2 fd42::3");
  const auto to = mode == AttachMode::bridge ? c2.mac : c1.hostMac;
  return sh(fmt::format("python3 /run/spoof.py c1 c2 {} {} 172.16.0.2 172.16.0.3 fd42::2 {}", c1.mac.text(),
                        c2.mac.text(), to.text()));
}

}  // namespace

TEST_CASE("host ports lead to a container on the bridge, and keep the source where they can") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  if (!hasNat()) return skip("this kernel has no NAT for nftables' inet family, or no fib expression");
  checkPorts(AttachMode::bridge);
}

TEST_CASE("host ports lead to a container on a bridge whose packets pass the firewall") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  if (!hasNat()) return skip("this kernel has no NAT for nftables' inet family, or no fib expression");
  if (sh("ls /proc/sys/net/bridge 2>/dev/null || true").empty()) return skip("no br_netfilter");
  checkPorts(AttachMode::bridge, true);
}

TEST_CASE("host ports lead to a routed container, and keep the source where they can") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  if (!hasNat()) return skip("this kernel has no NAT for nftables' inet family, or no fib expression");
  checkPorts(AttachMode::routed);
}

TEST_CASE(
    "a client that goes on sending UDP reaches the container once its flow is forgotten, and no other is") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  if (!hasNat()) return skip("this kernel has no NAT for nftables' inet family, or no fib expression");
  World world;
  world.attach("c1", AttachMode::bridge, {port(PortProtocol::tcp, 8080)});
  world.serve("c1");
  const auto ask = [&](const std::string& from, const std::string& to) {
    return sh("ip netns exec out python3 /run/client.py udp " + to + " 8080 " + from);
  };
  const auto both = [&] { return ask("4444", "10.0.0.10") + " " + ask("4444", "fc00::10"); };
  CHECK(both() == "none none");
  mustApply(
      world.kernel(),
      {add(SetElement{.table = kTable, .set = "ports4", .key = "udp . 8080", .data = "172.16.0.2 . 80"}),
       add(SetElement{.table = kTable, .set = "ports6", .key = "udp . 8080", .data = "fd42::2 . 80"})});
  CHECK(both() == "none none");
  REQUIRE(world.kernel().forgetUdp({ip("10.0.0.10"), ip("fc00::10")}, {8081}));
  REQUIRE(world.kernel().forgetUdp({ip("10.0.0.11")}, {8080}));
  CHECK(both() == "none none");
  const auto forgotten = world.kernel().forgetUdp({ip("10.0.0.10"), ip("fc00::10")}, {8080});
  REQUIRE_MESSAGE(forgotten, (forgotten ? "" : forgotten.error().text));
  CHECK(both() == "10.0.0.1 fc00::1");
}

TEST_CASE("host ports open nothing on 127.0.0.1 to a container") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  if (!hasNat()) return skip("this kernel has no NAT for nftables' inet family, or no fib expression");
  World world;
  world.attach("c1", AttachMode::bridge, {port(PortProtocol::tcp, 8080)});
  CHECK(sh("cat /proc/sys/net/ipv4/conf/twill0/route_localnet") == "1\n");
  sh("ip -n c1 addr flush dev lo; ip -n c1 route add 127.0.0.0/8 via 172.16.0.1");
  sh("nft 'table inet seen { chain c { type filter hook prerouting priority -299; iifname twill0 ip daddr "
     "127.0.0.0/8 counter; }; }'");
  sh("ip netns exec c1 ping -c1 -W1 127.0.0.1 >/dev/null || true");
  CHECK(sh("nft list table inet seen").find("packets 0 ") != std::string::npos);
  sh("nft flush chain inet twill ports_raw; ip netns exec c1 ping -c1 -W1 127.0.0.1 >/dev/null || true");
  CHECK(sh("nft list table inet seen").find("packets 1 ") != std::string::npos);
}

TEST_CASE(
    "a container on the bridge sends from its own addresses and MAC alone, unless spoofing is allowed") {
  for (const bool guard : {true, false}) {
    const auto sandbox = Sandbox::make();
    if (!sandbox) return;
    if (!hasBridgeFamily()) return skip("this kernel has no nftables for bridges");
    World world;
    const auto names = delivered(world, AttachMode::bridge, guard);
    CHECK(names == (guard ? "ip ip6 local arp probe na nalocal dad"
                          : "ip ip! mac! ip6 ip6! local mac6! gateway! arp arp! arphw! probe na na! nalocal "
                            "nagateway! dad dad! ra!"));
  }
}

TEST_CASE("a routed container sends from its own addresses and MAC alone, unless spoofing is allowed") {
  for (const bool guard : {true, false}) {
    const auto sandbox = Sandbox::make();
    if (!sandbox) return;
    World world;
    // Link-local packets and ARP are not forwarded anyway, and who gets a forwarded advertisement ignores it.
    CHECK(delivered(world, AttachMode::routed, guard) ==
          (guard ? "ip ip6 na na!" : "ip ip! mac! ip6 ip6! na na!"));
  }
}

TEST_CASE("a container with a host port costs less than twice what one without does") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  World world;
  world.attach("c1", AttachMode::bridge, {port(PortProtocol::tcp, 8080)});
  const auto element = [](const char* table, const char* set, std::string key, const char* data = "") {
    return SetElement{.table = table, .set = set, .key = std::move(key), .data = data};
  };
  std::vector<Operation> many;
  for (int i = 0; i < 1000; ++i) {
    many.push_back(add(element(kTable, "ports4", fmt::format("udp . {}", i + 1), "172.16.0.2 . 80")));
    many.push_back(add(element(kBridgeTable, "guard_macs", fmt::format("x{} . 02:00:00:00:00:02", i))));
  }
  const auto milliseconds = [&](const std::vector<Operation>& operations) {
    const auto start = std::chrono::steady_clock::now();
    mustApply(world.kernel(), operations);
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  };
  const auto all = milliseconds(many);
  auto state = mustRead(world.kernel());
  std::vector<double> guard;
  std::vector<double> both;
  std::vector<double> followed;
  for (int i = 0; i < 51; ++i) {
    const auto name = fmt::format("y{}", i);
    std::vector operations{
        add(element(kBridgeTable, "guarded", name)),
        add(element(kBridgeTable, "guard_macs", name + " . 02:00:00:00:00:03")),
        add(element(kBridgeTable, "guard_ips4", name + " . 02:00:00:00:00:03 . 172.16.0.3"))};
    if (i % 2 == 0) {
      operations.push_back(add(element(kTable, "ports4", fmt::format("tcp . {}", i + 1), "172.16.0.3 . 80")));
    }
    (i % 2 == 0 ? both : guard).push_back(milliseconds(operations));
    const auto start = std::chrono::steady_clock::now();
    follow(world.kernel(), state);
    followed.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  for (auto* times : {&guard, &both, &followed}) std::sort(times->begin(), times->end());
  for (auto& operation : many) operation.verb = Verb::remove;
  const auto gone = milliseconds(many);
  MESSAGE(fmt::format(
      "beside 2000 elements, medians: guard {:.3f} ms, guard and port {:.3f} ms, followed {:.3f} ms; "
      "2000 elements added in {:.1f} ms, removed in {:.1f} ms",
      guard[guard.size() / 2], both[both.size() / 2], followed[followed.size() / 2], all, gone));
  CHECK(both[both.size() / 2] < 2 * guard[guard.size() / 2]);
  CHECK(differences(state, [&] {
          auto now = mustRead(world.kernel());
          for (const auto& operation : many) now.put(std::get<SetElement>(operation.object));
          return now;
        }()) == "");
}

}  // namespace twill::test
