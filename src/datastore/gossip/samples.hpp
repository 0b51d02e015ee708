// SPDX-License-Identifier: Apache-2.0
// For tests: bytes that stock Serf agents sent to each other (Serf 0.9.4 of Debian 12, three nodes n1..n3 on
// 10.77.0.1..3), and what they mean.
#pragma once

#include <string>
#include <string_view>

#include "datastore/gossip/message.hpp"

namespace twill::gossip::samples {

/// "00 85a4": blanks are passed over.
inline std::string fromHex(std::string_view text) {
  const auto digit = [](char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); };
  std::string bytes;
  bool second = false;
  for (const char c : text) {
    if (c == ' ') continue;
    if (second) {
      bytes.back() = static_cast<char>(static_cast<unsigned char>(bytes.back()) << 4U | digit(c));
    } else {
      bytes += static_cast<char>(digit(c));
    }
    second = !second;
  }
  return bytes;
}

inline Endpoint endpointOf(int node) {
  return {IpAddress::fromV4(0x0a4d0000U + unsigned(node)), 7946};
}

inline const std::string kPing = fromHex(
    "00 85 a44e6f6465 a26e33 a55365714e6f 01 aa536f7572636541646472 a40a4d0002 aa536f757263654e6f6465 a26e32"
    "aa536f75726365506f7274 cd1f0a");
inline const Ping kPingValue{.sequence = 1, .node = "n3", .source = endpointOf(2), .sourceNode = "n2"};

inline const std::string kIndirectPing = fromHex(
    "01 88 a44e61636b c3 a44e6f6465 a26e33 a4506f7274 cd1f0a a55365714e6f 09 aa536f7572636541646472 "
    "a40a4d0002"
    "aa536f757263654e6f6465 a26e32 aa536f75726365506f7274 cd1f0a a6546172676574 a40a4d0003");
inline const IndirectPing kIndirectPingValue{.sequence = 9,
                                             .node = "n3",
                                             .target = endpointOf(3),
                                             .nack = true,
                                             .source = endpointOf(2),
                                             .sourceNode = "n2"};

/// Version 1, and {Adjustment 0.0, Error 1.5, Height 1e-5, Vec 8 x 0.0}
inline const std::string kCoordinates = fromHex(
    "01 84 aa41646a7573746d656e74 cb0000000000000000 a54572726f72 cb3ff8000000000000"
    "a6486569676874 cb3ee4f8b588e368f1 a3566563 98 cb0000000000000000 cb0000000000000000 cb0000000000000000"
    "cb0000000000000000 cb0000000000000000 cb0000000000000000 cb0000000000000000 cb0000000000000000");
inline const std::string kAck =
    fromHex("02 82 a75061796c6f6164 da0082") + kCoordinates + fromHex("a55365714e6f 01");
inline const std::string kCompressedAck = fromHex(
    "0982a4416c676f00a3427566da0062"
    "0005083a05254c1e366fc290d10640500042aa82905153670e9d3665dcd05906a0a3c78ea58ac891f346ceb21ff83e763485a4"
    "4c9a336836fa2087af16a27168e28db252660c268e2a3b020d3a5465d18f473d26151a9469d35253cac471f2264040");

inline const std::string kNack = fromHex("0b 81 a55365714e6f 09");
inline const std::string kSuspect =
    fromHex("03 83 a446726f6d a26e32 ab496e6361726e6174696f6e 01 a44e6f6465 a26e33");
inline const std::string kDead =
    fromHex("05 83 a446726f6d a26e32 ab496e6361726e6174696f6e 01 a44e6f6465 a26e32");

/// {role "tw", subnet, vtep, mac}
inline const std::string kMeta1 = fromHex(
    "ff 84 a4726f6c65 a27477 a67375626e6574 ac31302e33322e312e302f3234 a476746570 a931302e37372e302e31"
    "a36d6163 b130323a30303a30303a30303a30303a3031");
inline const std::string kMeta2 = fromHex(
    "ff 84 a4726f6c65 a27477 a67375626e6574 ac31302e33322e322e302f3234 a476746570 a931302e37372e302e32"
    "a36d6163 b130323a30303a30303a30303a30303a3032");

inline const std::string kAlive1 = fromHex(
                                       "04 86 a441646472 a40a4d0001 ab496e6361726e6174696f6e 01"
                                       "a44d657461 da0043") +
                                   kMeta1 +
                                   fromHex("a44e6f6465 a26e31 a4506f7274 cd1f0a a356736e a6010502020505");
inline const std::string kAlive2 = fromHex(
                                       "04 86 a441646472 a40a4d0002 ab496e6361726e6174696f6e 01"
                                       "a44d657461 da0043") +
                                   kMeta2 +
                                   fromHex("a44e6f6465 a26e32 a4506f7274 cd1f0a a356736e a6010502020505");
inline const Alive kAlive1Value{
    .incarnation = 1, .node = "n1", .endpoint = endpointOf(1), .meta = kMeta1, .versions = kOurVersions};

inline const std::string kJoin = fromHex("08 01 82 a54c54696d65 01 a44e6f6465 a26e32");
inline const std::string kJoin3 = fromHex("08 01 82 a54c54696d65 01 a44e6f6465 a26e33");
inline const std::string kGossip = fromHex("0c d3575899 07 03 007f 007f 0012") + kAlive1 + kAlive2 + kJoin;
inline const std::string kKey = fromHex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
inline const std::string kJoin3Sealed = fromHex(
    "01c669507064f1ba85686a2a0c7173c4146403558c5f6f93658831616f4a26b7c921a338b9aceb87bfe0cbe17afff1b3834a420"
    "4");

/// Serf's push/pull
inline const std::string kUserState = fromHex("02 86 aa4576656e744c54696d65 01 a64576656e7473 dc0200") +
                                      std::string(512, '\xc0') +
                                      fromHex(
                                          "a54c54696d65 01 ab4c6566744d656d62657273 90"
                                          "aa51756572794c54696d65 01 ac5374617475734c54696d6573 82"
                                          "a26e32 01 a26e31 01");
inline const std::string kRecord1 =
    fromHex("87 a441646472 a40a4d0001 ab496e6361726e6174696f6e 01 a44d657461 da0043") + kMeta1 +
    fromHex("a44e616d65 a26e31 a4506f7274 cd1f0a a55374617465 00 a356736e a6010502020505");
inline const std::string kRecord2 =
    fromHex("87 a441646472 a40a4d0002 ab496e6361726e6174696f6e 01 a44d657461 da0043") + kMeta2 +
    fromHex("a44e616d65 a26e32 a4506f7274 cd1f0a a55374617465 00 a356736e a6010502020505");
inline const std::string kPushPull =
    fromHex("06 83 a44a6f696e c3 a54e6f646573 02 ac5573657253746174654c656e cd024e") + kRecord2 + kRecord1 +
    kUserState;
inline NodeRecord recordOf(int node) {
  return {.name = node == 1 ? "n1" : "n2",
          .endpoint = endpointOf(node),
          .meta = node == 1 ? kMeta1 : kMeta2,
          .incarnation = 1,
          .state = NodeState::alive,
          .versions = kOurVersions};
}
inline const PushPull kPushPullValue{
    .join = true, .nodes = {recordOf(2), recordOf(1)}, .userState = kUserState};

}  // namespace twill::gossip::samples
