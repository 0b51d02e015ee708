// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "datastore/gossip/membership.hpp"
#include "datastore/gossip/serf_message.hpp"

namespace twill::gossip {

enum class MemberStatus : std::uint8_t { alive, leaving, left, failed };
[[nodiscard]] const char* nameOf(MemberStatus status);

/// A node as Serf shows it.
struct SerfMember {
  std::string name;
  Endpoint endpoint;
  std::string meta;  ///< the tags, see parseTags()
  MemberStatus status = MemberStatus::alive;
  Time since{};
  std::uint64_t statusTime = 0;  ///< Lamport
  std::string accuser = {};      ///< of one that failed: who said so
};

/// Who uses this layer: what it is told and asked. Nothing here calls back into Serf, except for what is said
/// of it.
class SerfUser {
 public:
  virtual ~SerfUser() = default;
  virtual void memberChanged(const SerfMember& member) = 0;
  virtual void nameConflict(const SwimMember& member, const Alive& other) = 0;
  /// An event seen for the first time; also this node's own. Whether those that join later should hear of it.
  virtual bool event(const UserEvent& event) = 0;
  [[nodiscard]] virtual Result<void> admit(const std::string& name, const std::string& meta) = 0;
  /// What goes with each push/pull, under Twill's own key.
  [[nodiscard]] virtual std::string extraState() = 0;
  virtual void mergeExtraState(const std::string& state) = 0;
  /// Equal where extraState() would bring nothing new. Nothing: a node with these tags does not compare.
  [[nodiscard]] virtual std::optional<std::uint64_t> digestFor(const std::string& meta) = 0;
  /// "install-key", "use-key", "remove-key", "list-keys".
  [[nodiscard]] virtual KeyAnswer changeKeys(std::string_view command, const std::string& key) = 0;
};

/// Serf's layer above Membership: who left and who failed, events and queries to all. One node's part over a
/// clock that is passed in: no I/O.
class Serf final : public UpperLayer {
 public:
  /// To one query: how many nodes there were, and what came.
  struct Answers {
    std::size_t asked = 0;
    std::vector<std::string> acks = {};
    std::map<std::string, std::string> payloads = {};  ///< by node
  };
  using OnAnswers = std::function<void(Answers)>;

  Serf(Membership::Options options, const Tags& tags, Carrier& carrier, SerfUser& user);

  [[nodiscard]] Membership& membership() { return membership_; }
  [[nodiscard]] const Membership& membership() const { return membership_; }

  void start(Time now);
  void receive(Time now, const Message& message, const Endpoint& from);
  [[nodiscard]] Result<void> merge(Time now, const PushPull& theirs);
  /// Once a first exchange went well: this node is meant to be here, whatever was said of it before.
  void announceJoin(Time now);
  /// This node is found there from now on.
  void move(Time now, const Endpoint& endpoint);
  /// Says that this node goes. It should go on for a second.
  void leave(Time now);
  /// Makes a failed member one that left. Kind::missing, Kind::conflict: it is not one that failed.
  [[nodiscard]] Result<void> removeFailed(Time now, const std::string& name);
  /// Kind::invalid: they are too long.
  [[nodiscard]] Result<void> setTags(Time now, const Tags& tags);
  /// To all nodes, this one too. Kind::invalid: longer than kEventLimit.
  [[nodiscard]] Result<void> sendEvent(Time now, const std::string& name, const std::string& payload);
  /// Asks all nodes, this one too. Those that answer in time are in the answer.
  void ask(Time now, const std::string& name, const std::string& payload, OnAnswers onAnswers);

  void advance(Time now);
  [[nodiscard]] Time next() const;

  [[nodiscard]] const std::unordered_map<std::string, SerfMember>& members() const { return members_; }

  /// Name and payload of an event together (Serf's UserEventSizeLimit).
  static constexpr std::size_t kEventLimit = 512;

  void memberJoined(const SwimMember& member) override;
  void memberUpdated(const SwimMember& member) override;
  void memberGone(const SwimMember& member) override;
  void nameConflict(const SwimMember& member, const Alive& other) override;
  void user(const std::string& bytes) override;
  [[nodiscard]] Result<void> admit(const std::string& name, const std::string& meta) override;
  [[nodiscard]] std::vector<std::string> broadcasts(std::size_t room, std::size_t overhead) override;
  [[nodiscard]] std::string state() override;
  void mergeState(const std::string& state) override;
  [[nodiscard]] std::optional<std::uint64_t> digestFor(const SwimMember& member) override;

 private:
  /// A Lamport clock.
  class LamportClock {
   public:
    [[nodiscard]] std::uint64_t time() const { return time_; }
    std::uint64_t tick() { return time_++; }
    void witness(std::uint64_t other);

   private:
    std::uint64_t time_ = 1;
  };
  /// Tells what was seen from what is new, of the latest times (Serf's EventBuffer, QueryBuffer).
  class Seen {
   public:
    /// False: seen, or too old to tell.
    bool add(std::uint64_t clock, std::uint64_t time, const std::string& what);

   private:
    std::map<std::uint64_t, std::vector<std::string>> byTime_;
  };
  struct Intent {
    bool leaves = false;
    std::uint64_t time = 0;
    Time seen{};
  };
  struct Question {
    Time deadline{};
    Answers answers;
    OnAnswers onAnswers;
  };

  void on(const LeaveIntent& leave, const std::string& bytes);
  void on(const JoinIntent& join, const std::string& bytes);
  void on(const UserEvent& event, const std::string& bytes);
  void on(const Query& query, const std::string& bytes);
  void on(const QueryResponse& response, const std::string& bytes);
  void on(const Relay& relay, const std::string& bytes);
  void on(const SerfState&, const std::string&) {}  // part of a push/pull only

  void take(const UserEvent& event, const std::string& bytes, bool own);
  [[nodiscard]] bool takeLeave(const LeaveIntent& leave);
  [[nodiscard]] bool takeJoin(const JoinIntent& join);
  [[nodiscard]] bool remember(const std::string& node, bool leaves, std::uint64_t time);
  void setStatus(SerfMember& member, MemberStatus status);
  void answer(const Query& query);
  void respond(const Query& query, bool isAck, const std::string& payload);
  void reconnect();
  void reap();

  /// In the order in which they go out.
  enum Queue : std::size_t { intents, queries, events, kQueues };
  void broadcast(Queue queue, const std::string& serfMessage, bool own = false);

  Carrier& carrier_;
  SerfUser& user_;
  Tags tags_;
  Membership membership_;
  std::mt19937_64 random_;
  Time now_{};
  LamportClock clock_, eventClock_, queryClock_;
  std::unordered_map<std::string, SerfMember> members_;
  std::map<std::string, Intent> recentIntents_;
  Seen seenEvents_, seenQueries_;
  std::vector<UserEvent> recentEvents_;  ///< for those that join later, oldest first
  std::array<Broadcasts, kQueues> queues_;
  std::map<std::uint32_t, Question> questions_;
  bool leaving_ = false;
  Time reconnectAt_{}, reapAt_{};
};

}  // namespace twill::gossip
