// SPDX-License-Identifier: Apache-2.0
// The least that an ADD or DEL in bridge mode can cost: a static program that does the kernel's part of it by
// raw netlink, with nothing decided, stored or checked. Called as a CNI plugin is; the bridge "floor0" must
// be there. The address follows from the number in the container's name: c0001 has 10.44.0.2.
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr int kPeerIndex = 2;  // beside lo, in a namespace that has nothing else
constexpr int kLoopback = 1;
constexpr std::uint32_t kSubnet = 0x0a2c0000;  // 10.44.0.0/20
constexpr std::uint32_t kGateway = kSubnet + 1;

[[noreturn]] void giveUp(const char* what, int code) {
  std::printf("cni_floor: %s: %s\n", what, std::strerror(code));
  std::exit(1);
}

/// Requests one behind the other, as one datagram.
struct Batch {
  alignas(nlmsghdr) char bytes[2048] = {};
  std::size_t size = 0;
  nlmsghdr* message = nullptr;
  int messages = 0;

  template <class Header>
  void begin(std::uint16_t type, std::uint16_t flags, const Header& header) {
    message = reinterpret_cast<nlmsghdr*>(bytes + size);
    message->nlmsg_type = type;
    message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    message->nlmsg_len = NLMSG_HDRLEN;
    size += NLMSG_HDRLEN;
    ++messages;
    raw(&header, sizeof header);
  }
  void raw(const void* data, std::size_t length) {
    std::memcpy(bytes + size, data, length);
    size += NLMSG_ALIGN(length);
    message->nlmsg_len += NLMSG_ALIGN(length);
  }
  void put(std::uint16_t type, const void* data, std::size_t length) {
    const rtattr head{.rta_len = static_cast<std::uint16_t>(RTA_LENGTH(length)), .rta_type = type};
    raw(&head, sizeof head);
    raw(data, length);
  }
  void put(std::uint16_t type, std::uint32_t value) { put(type, &value, sizeof value); }
  void put(std::uint16_t type, const char* text) { put(type, text, std::strlen(text) + 1); }
  rtattr* open(std::uint16_t type) {
    auto* head = reinterpret_cast<rtattr*>(bytes + size);
    put(type, nullptr, 0);
    return head;
  }
  void close(rtattr* head) {
    head->rta_len = static_cast<std::uint16_t>(bytes + size - reinterpret_cast<char*>(head));
  }

  void run(const char* what) {
    const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0 || ::send(fd, bytes, size, 0) < 0) giveUp(what, errno);
    alignas(nlmsghdr) char answers[8192];
    while (messages > 0) {
      auto left = static_cast<int>(::recv(fd, answers, sizeof answers, 0));
      if (left < 0) giveUp(what, errno);
      for (auto* answer = reinterpret_cast<nlmsghdr*>(answers); NLMSG_OK(answer, static_cast<unsigned>(left));
           answer = NLMSG_NEXT(answer, left)) {
        --messages;
        const auto* verdict = static_cast<const nlmsgerr*>(NLMSG_DATA(answer));
        if (answer->nlmsg_type == NLMSG_ERROR && verdict->error != 0) giveUp(what, -verdict->error);
      }
    }
    ::close(fd);
  }
};

ifinfomsg up(int index) {
  ifinfomsg header{};
  header.ifi_index = index;
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  return header;
}

void makeVeth(const char* name, int netns) {
  Batch batch;
  batch.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, up(0));
  batch.put(IFLA_IFNAME, name);
  batch.put(IFLA_MASTER, if_nametoindex("floor0"));
  auto* info = batch.open(IFLA_LINKINFO);
  batch.put(IFLA_INFO_KIND, "veth");
  auto* data = batch.open(IFLA_INFO_DATA);
  auto* peer = batch.open(VETH_INFO_PEER);
  ifinfomsg inside{};
  inside.ifi_index = kPeerIndex;
  batch.raw(&inside, sizeof inside);
  batch.put(IFLA_IFNAME, "eth0");
  batch.put(IFLA_NET_NS_FD, static_cast<std::uint32_t>(netns));
  batch.close(peer);
  batch.close(data);
  batch.close(info);
  batch.run("make the veth");
}

void configurePeer(int number) {
  const std::uint32_t address = htonl(kGateway + static_cast<std::uint32_t>(number));
  const std::uint32_t gateway = htonl(kGateway);
  Batch batch;
  batch.begin(RTM_NEWLINK, 0, up(kLoopback));
  batch.begin(RTM_NEWLINK, 0, up(kPeerIndex));
  ifaddrmsg own{};
  own.ifa_family = AF_INET;
  own.ifa_prefixlen = 20;
  own.ifa_index = kPeerIndex;
  batch.begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, own);
  batch.put(IFA_LOCAL, address);
  batch.put(IFA_ADDRESS, address);
  rtmsg route{};
  route.rtm_family = AF_INET;
  route.rtm_table = RT_TABLE_MAIN;
  route.rtm_protocol = RTPROT_STATIC;
  route.rtm_type = RTN_UNICAST;
  batch.begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route);
  batch.put(RTA_GATEWAY, gateway);
  batch.put(RTA_OIF, static_cast<std::uint32_t>(kPeerIndex));
  batch.run("set up the container's end");
}

}  // namespace

int main() {
  const char* container = std::getenv("CNI_CONTAINERID");
  const char* path = std::getenv("CNI_NETNS");
  const char* command = std::getenv("CNI_COMMAND");
  if (container == nullptr || path == nullptr || command == nullptr) giveUp("no CNI call", EINVAL);
  char name[IFNAMSIZ];
  std::snprintf(name, sizeof name, "floor%s", container);
  if (std::strcmp(command, "DEL") == 0) {
    Batch batch;
    batch.begin(RTM_DELLINK, 0, ifinfomsg{});
    batch.put(IFLA_IFNAME, name);
    batch.run("delete the veth");
    return 0;
  }
  const int netns = ::open(path, O_RDONLY | O_CLOEXEC);
  if (netns < 0) giveUp(path, errno);
  makeVeth(name, netns);
  if (::setns(netns, CLONE_NEWNET) != 0) giveUp("enter the namespace", errno);
  configurePeer(std::atoi(container + 1));
  return 0;
}
