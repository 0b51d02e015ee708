// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "datastore/gossip/broadcasts.hpp"
#include "datastore/gossip/message.hpp"
#include "datastore/gossip/suspicion.hpp"
#include "datastore/gossip/timers.hpp"

namespace twill::gossip {

/// From which highest version of memberlist's protocol on a node understands what.
constexpr std::uint8_t kUnderstandsStreamPing = 3, kUnderstandsNack = 4, kUnderstandsChecksum = 5;
/// What each message takes up in a datagram besides itself (packet.hpp).
constexpr std::size_t kCompoundPart = 2;

/// A node as this one knows it.
struct SwimMember {
  std::string name;
  Endpoint endpoint;
  std::string meta;
  Versions versions{};
  std::uint32_t incarnation = 0;
  NodeState state = NodeState::dead;
  Time since{};          ///< when the state became this
  std::string accuser;   ///< who said that it is suspect or dead; itself: it left
  unsigned detours = 0;  ///< of the last probes, so many in a row found it by others alone
};

/// What carries messages. Nothing here calls back from inside.
class Carrier {
 public:
  virtual ~Carrier() = default;
  /// Encoded messages for one datagram.
  virtual void send(const Endpoint& to, std::vector<std::string> messages, bool checksum) = 0;
  /// Exchanges states over TCP: hands Membership::state() over, the answer to Membership::merge().
  virtual void pushPull(const Endpoint& to, bool join) = 0;
  /// The same question over TCP; the answer goes to Membership::answeredByStream().
  virtual void pingByStream(const Endpoint& to, const Ping& ping) = 0;
};

/// The layer above: what it is told, and what it has to say. Nothing here calls back into Membership, except
/// for what is said of it.
class UpperLayer {
 public:
  virtual ~UpperLayer() = default;
  virtual void memberJoined(const SwimMember& member) = 0;
  virtual void memberUpdated(const SwimMember& member) = 0;
  /// Dead or left.
  virtual void memberGone(const SwimMember& member) = 0;
  /// Somebody else says that he is `member`, at `other`.
  virtual void nameConflict(const SwimMember& member, const Alive& other) = 0;
  virtual void user(const std::string& bytes) = 0;
  /// Why a node with these tags must not be a member here.
  [[nodiscard]] virtual Result<void> admit(const std::string& name, const std::string& meta) = 0;
  /// What is to be told to all, encoded messages: as with Broadcasts::take().
  [[nodiscard]] virtual std::vector<std::string> broadcasts(std::size_t room, std::size_t overhead) = 0;
  /// For one side of a push/pull.
  [[nodiscard]] virtual std::string state() = 0;
  virtual void mergeState(const std::string& state) = 0;
  /// What this layer's state comes down to: equal where an exchange would bring nothing new. Nothing:
  /// `member` is one that does not compare.
  [[nodiscard]] virtual std::optional<std::uint64_t> digestFor(const SwimMember& member) = 0;
};

/// Who is in the cluster, and who of them is alive: SWIM with Lifeguard, as memberlist does it. One node's
/// part, over a clock that is passed in: no I/O. Cost: constant for each message, and a walk over all members
/// only for push/pulls.
class Membership {
 public:
  struct Options {
    std::string name;
    Endpoint endpoint;  ///< where others reach this node
    std::string meta;
    Timers timers;
    std::uint64_t seed = 1;   ///< of the choices at random
    std::size_t room = 1400;  ///< bytes of messages in one datagram
  };

  Membership(Options options, Carrier& carrier, UpperLayer& upper);

  /// From now on it is a member, alone.
  void start(Time now);
  /// A message in a datagram from `from`.
  void receive(Time now, const Message& message, const Endpoint& from);
  /// What the other side of a push/pull knows. Kind::conflict: refused, nothing was taken over; the text goes
  /// to the other side too.
  [[nodiscard]] Result<void> merge(Time now, const PushPull& theirs);
  [[nodiscard]] PushPull state(bool join);
  void answeredByStream(Time now, std::uint32_t sequence);
  void setMeta(Time now, std::string meta);
  /// This node's address is another now: says so to each living node, as a leave and a return in one, since
  /// nobody takes a new address for a node that is alive.
  void move(Time now, const Endpoint& endpoint);
  /// The upper layer has something to tell that does not wait for the next turn.
  void hasten(Time now);
  /// Says that this node goes; it should go on for a second, so that all hear it.
  void leave(Time now);
  /// Takes a failed member for one that left, which all forget sooner.
  void forget(Time now, const std::string& name);

  /// Does what is due, and when something is due next.
  void advance(Time now);
  [[nodiscard]] Time next() const;

  [[nodiscard]] const SwimMember* find(const std::string& name) const;
  [[nodiscard]] const std::string& name() const { return options_.name; }
  [[nodiscard]] const Endpoint& endpoint() const { return options_.endpoint; }
  [[nodiscard]] const Timers& timers() const { return options_.timers; }
  /// All that are known, itself and those that are gone too.
  [[nodiscard]] std::size_t size() const { return members_.size(); }
  /// Itself and those that are alive or suspect.
  [[nodiscard]] std::size_t living() const { return living_; }
  /// Up to `count` other living members.
  [[nodiscard]] std::vector<const SwimMember*> some(std::size_t count);

 private:
  struct Probe {
    std::uint32_t sequence = 0;
    std::string node;
    Time timeout{};  ///< for the direct way
    bool indirect = false;
    int expectedNacks = 0;
    int nacks = 0;
  };
  /// A ping that this node sent for another.
  struct Favour {
    std::uint32_t theirSequence = 0;
    Endpoint asker;
    bool nack = false;
    Time timeout{};
  };

  void on(const Ping& ping, const Endpoint& from);
  void on(const IndirectPing& ping, const Endpoint& from);
  void on(const Ack& ack);
  void on(const Nack& nack);
  void on(const Suspect& suspect);
  void on(const Alive& alive);
  void on(const Dead& dead);

  void aliveAboutMe(const Alive& alive);
  SwimMember& add(const std::string& name, const Endpoint& endpoint);
  bool mayTakeOver(SwimMember& member, const Alive& alive);
  void refute(std::uint32_t accused);
  void announceMyself();
  void setState(SwimMember& member, NodeState state, const std::string& accuser);
  void setIncarnation(SwimMember& member, std::uint32_t incarnation);
  [[nodiscard]] Result<void> agreeable(const PushPull& theirs) const;

  void send(const Endpoint& to, std::string message, bool checksum);
  void broadcast(const std::string& about, const Message& message);
  [[nodiscard]] std::vector<std::string> news(std::size_t room);
  void gossip();
  template <class Fits>
  [[nodiscard]] std::vector<const SwimMember*> choose(std::size_t count, Fits fits);

  void probeNext();
  void startProbe(const SwimMember& target);
  void probeOthersWay();
  void endProbe(bool answered);
  void adjustAwareness(int by);
  void reap();

  [[nodiscard]] std::string ackPayload(const Ping& ping);
  void compare(const SwimMember& other, const std::string& payload);
  void exchangeInTurn();
  [[nodiscard]] Duration pushPullPause() const;
  [[nodiscard]] std::uint32_t nextSequence() { return ++sequence_; }
  [[nodiscard]] std::size_t below(std::size_t count);
  [[nodiscard]] SwimMember& me() { return *members_.at(options_.name); }

  Options options_;
  Carrier& carrier_;
  UpperLayer& upper_;
  std::mt19937_64 random_;
  Time now_{};
  bool leaving_ = false;
  std::unordered_map<std::string, std::unique_ptr<SwimMember>> members_;
  std::vector<SwimMember*> ring_;  ///< all members, in the order of probing
  std::size_t turn_ = 0;           ///< whose turn in ring_ is next
  std::size_t living_ = 0;
  std::map<std::string, Suspicion> suspicions_;
  Broadcasts broadcasts_;
  std::optional<Probe> probe_;
  std::map<std::uint32_t, Favour> favours_;
  std::uint32_t sequence_ = 0;
  std::uint32_t incarnation_ = 0;
  int awareness_ = 0;
  Time probeAt_{}, gossipAt_{}, pushPullAt_{};
  Time gossiped_{};  ///< when that was last done

  std::uint64_t digest_ = 0;      ///< of the living members
  std::uint64_t compared_ = 0;    ///< this node's whole digest, when it was last compared
  std::optional<Time> agreedAt_;  ///< when the last comparison found no difference
  bool differed_ = false;         ///< as that one found, and this node has not changed since
  Time exchangedAt_{};            ///< when this node last turned to another for a push/pull
  Time healAt_{};                 ///< when it may do so again out of turn
  Duration healPause_{};
};

}  // namespace twill::gossip
