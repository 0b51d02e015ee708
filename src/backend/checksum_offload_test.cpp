// SPDX-License-Identifier: Apache-2.0
#include "backend/checksum_offload.hpp"

#include <doctest/doctest.h>

using namespace twill;

TEST_CASE("checksum offload is on, but for a driver that is known to get it wrong, which is named") {
  CHECK(chooseChecksumOffload("auto", "eth0", "virtio_net").on);
  CHECK(chooseChecksumOffload("auto", "eth0", "").on);
  const auto choice = chooseChecksumOffload("auto", "ens192", "vmxnet3");
  CHECK_FALSE(choice.on);
  CHECK(choice.reason.starts_with("ens192 has the driver vmxnet3, with which the hypervisor drops"));
}

TEST_CASE("who says on or off has it so whatever the driver") {
  CHECK(chooseChecksumOffload("on", "eth0", "vmxnet3").on);
  const auto choice = chooseChecksumOffload("off", "eth0", "virtio_net");
  CHECK_FALSE(choice.on);
  CHECK(choice.reason == "--vxlan-checksum-offload is off");
}
