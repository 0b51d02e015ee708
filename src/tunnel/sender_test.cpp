// SPDX-License-Identifier: Apache-2.0
#include "tunnel/sender.hpp"

#include <thread>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/eventfd.h>

using namespace twill;
using namespace twill::tunnel;

TEST_CASE("a sender that always finds something to read ends when it is asked to, and takes a new table") {
  const Tun endless{.fd = Fd(::open("/dev/zero", O_RDONLY | O_CLOEXEC)), .udp = false};
  const Fd wake(::eventfd(1, EFD_CLOEXEC));
  REQUIRE((endless.fd && wake));
  Dropped dropped;
  Sender sender(endless, -1, -1, 8285, dropped);
  const auto table = std::make_shared<const PeerTable>();
  sender.mailbox().put(table);
  std::stop_source stop;
  Result<void> result = fail("it did not end");
  std::thread thread([&] { result = sender.run(stop.get_token(), wake.get()); });
  while (dropped.malformed.load() < 5000) std::this_thread::yield();
  CHECK(table.use_count() == 2);
  stop.request_stop();
  thread.join();
  CHECK(result);
}

TEST_CASE("a sender whose device cannot be read says so") {
  const Tun broken{.fd = Fd(::open("/dev/null", O_WRONLY | O_CLOEXEC)), .udp = false};
  const Fd wake(::eventfd(1, EFD_CLOEXEC));
  Dropped dropped;
  Sender sender(broken, -1, -1, 8285, dropped);
  const auto result = sender.run(std::stop_source().get_token(), wake.get());
  REQUIRE_FALSE(result);
  CHECK(result.error().text.find("read from the device") != std::string::npos);
}
