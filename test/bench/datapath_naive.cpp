// SPDX-License-Identifier: Apache-2.0
// A tunnel as simple as it can be, and as flannel's udp is: one packet, one system call in, one out.
//   datapath_naive DEVICE PEER     makes the TUN, and forwards to PEER:8285 and back until it is ended
#include <array>
#include <cstdio>
#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int tun = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  ifreq request{};
  std::strncpy(request.ifr_name, argv[1], sizeof request.ifr_name - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  sockaddr_in here{}, peer{};
  here.sin_family = peer.sin_family = AF_INET;
  here.sin_port = peer.sin_port = htons(8285);
  const int udp = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (tun < 0 || ::ioctl(tun, TUNSETIFF, &request) != 0 ||
      ::inet_pton(AF_INET, argv[2], &peer.sin_addr) != 1 ||
      ::bind(udp, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0) {
    std::perror("datapath_naive");
    return 1;
  }
  std::array<char, 65536> packet;
  std::array<pollfd, 2> events{{{tun, POLLIN, 0}, {udp, POLLIN, 0}}};
  while (::poll(events.data(), events.size(), -1) >= 0) {
    for (bool active = true; active;) {
      ssize_t n = ::read(tun, packet.data(), packet.size());
      active = n > 0;
      if (n > 0) {
        ::sendto(udp, packet.data(), static_cast<std::size_t>(n), 0, reinterpret_cast<const sockaddr*>(&peer),
                 sizeof peer);
      }
      n = ::recv(udp, packet.data(), packet.size(), 0);
      active = active || n > 0;
      if (n > 0 && ::write(tun, packet.data(), static_cast<std::size_t>(n)) < 0) std::perror("write");
    }
  }
  return 1;
}
