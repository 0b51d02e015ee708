// SPDX-License-Identifier: Apache-2.0
#include "tunnel/receiver.hpp"

#include <doctest/doctest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

using namespace twill;
using namespace twill::tunnel;

TEST_CASE("a receiver ends when it is asked to, and not when there is nothing more to take") {
  int ends[2] = {-1, -1};
  REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0);
  const Fd here(ends[0]);
  const Fd there(ends[1]);
  const Fd wake(::eventfd(1, EFD_CLOEXEC));
  const Tun nowhere;
  Dropped dropped;
  Receiver receiver(nowhere, here.get(), Admission(), dropped);
  for (int i = 0; i < 9; ++i) REQUIRE(::send(there.get(), "x", 1, 0) == 1);
  std::stop_source stop;
  stop.request_stop();
  CHECK(receiver.run(stop.get_token(), wake.get()));
  CHECK(dropped.malformed.load() == 0);
}
