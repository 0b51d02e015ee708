// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "datastore/gossip/slots/founding.hpp"
#include "datastore/gossip/slots/grant_message.hpp"
#include "datastore/gossip/slots/slot_codec.hpp"
#include "datastore/gossip/slots/slot_state.hpp"
#include "model/network_config.hpp"

namespace twill::gossip {

using TimePoint = std::chrono::steady_clock::time_point;

/// A node as the gossip layer sees it, from its tags.
struct SlotPeer {
  enum class Sign : std::uint8_t { alive, failed, left };
  NodeId id;
  std::string name;
  std::uint32_t generation = 1;
  std::uint64_t boot = 0;  ///< random at each start of its agent
  Sign sign = Sign::alive;
  TimePoint since{};  ///< since when it is so

  bool operator==(const SlotPeer&) const = default;
};

struct KeeperOptions {
  std::string name;        ///< this node's, for messages
  std::uint64_t boot = 0;  ///< random at each start
  ClusterId newCluster;    ///< random: the cluster's id if this node founds it
  bool join = false;       ///< addresses of peers were given, or peers are known: this node founds nothing
  unsigned expect = 0;     ///< founds together with so many, itself included; 0: alone, unless `join`
  std::string network;     ///< network config of a founder as JSON; empty on a node that joins
  struct Place {
    IpAddress address;  ///< this node's, on the underlay
    Prefix underlay;
  };
  std::optional<Place> place;  ///< each node's slot follows from its address
};

/// Something that a person should know, as long as it is so.
struct SlotWarning {
  enum class Kind : std::uint8_t {
    conflict,    ///< two nodes had one slot; shown for ten minutes
    fenced,      ///< this node was removed while it was out of reach
    exhausted,   ///< no slot for this node within reach
    copied,      ///< another machine runs with this node's state
    rolledBack,  ///< others know newer records of this node than its own
    unsaved,     ///< the state cannot be written, so nothing is taken or given
    refused,     ///< the slot that follows from the address is held by another
    resting,     ///< slots of removed nodes wait, as they should
  };
  Kind kind = Kind::conflict;
  std::string text;

  bool operator==(const SlotWarning&) const = default;
};

/// What one owner holds.
struct Holding {
  NodeId owner;
  std::string name;           ///< the id, if the name is not known
  std::uint32_t free = 0;     ///< slots
  std::uint32_t active = 0;   ///< in use, or given back and not free yet
  std::uint32_t revoked = 0;  ///< of nodes that it removed, resting
  bool reachable = false;     ///< alive, as far as is known
  bool removed = false;       ///< and has not come back as a new generation

  bool operator==(const Holding&) const = default;
};

/// What is to be done, in any order; each part may get lost or come late without harm.
struct SlotActions {
  struct Letter {
    NodeId to;
    std::string bytes;    ///< a GrantMessage
    bool answer = false;  ///< to a message of `to`: may go back over the connection it came by
  };
  std::vector<std::string> deltas;  ///< each for a user event of its own
  std::vector<Letter> letters;
  bool exchange = false;  ///< a push/pull with any live peer should be made now
  bool changed = false;   ///< leases(), mine(), config or warnings may be others than before
  bool mayLeave = false;  ///< after leave(): all that could be handed over is
};

/// One node's part in the slot table: decides who gets which slot, with no server.
///
/// Use: give it an input, then take(), then perform what take() returned; when nothing comes, advance() at
/// nextDeadline(). take() saves before it hands anything out, and tableMessage() refuses while something is
/// not saved: so nobody hears of a write that a crash could undo.
///
/// Promise: no two nodes have one slot as mine() at once, whatever is lost, doubled, delayed, partitioned or
/// crashes, as long as each cluster id has one founder, disks keep what was written and are not put back or
/// copied, and `remove()` is used on dead nodes only, of which no node that is alive has slots without
/// anybody on the remover's side ever having heard of that node. When one of these was not so, it is found
/// out at the first exchange that joins both records, all nodes agree on one winner, and the other gets
/// another slot.
///
/// Time: `now` must not go back. Not thread-safe. Cost: each input is linear in the number of slots.
class SlotKeeper {
 public:
  /// Saves the text for good (Durability::power).
  using Save = std::function<Result<void>(const std::string& text)>;

  /// `wallSeconds`: since 1970, at `now`. Kind::invalid: the options' network cannot be read or has another
  /// pool than the cluster, or the address mode does not fit.
  [[nodiscard]] static Result<SlotKeeper> start(SlotState state, KeeperOptions options, TimePoint now,
                                                std::int64_t wallSeconds);

  /// All other nodes, each time any of them changed.
  void members(TimePoint now, std::vector<SlotPeer> members);
  /// The peer's side of a push/pull: the exchange has taken place. Kind::conflict: another cluster, pool or
  /// mode, both named; nothing was merged.
  [[nodiscard]] Result<void> exchanged(TimePoint now, std::string_view bytes);
  [[nodiscard]] Result<void> heardDelta(TimePoint now, std::string_view bytes);
  [[nodiscard]] Result<void> heardLetter(TimePoint now, std::string_view bytes);
  /// This node wants a slot, with that lease in its record (JSON, not empty, at most kLongestData bytes). One
  /// at a time: called again, the record is rewritten.
  [[nodiscard]] Result<void> want(TimePoint now, std::string data);
  /// The slot is empty and wanted no more. Others may have it after 10 min.
  void giveBack(TimePoint now);
  /// Hands all free slots to one live peer. A slot in use stays this node's.
  void leave(TimePoint now);
  /// Takes a dead node's slots. Refused unless it was out of reach for 10 min. They are free after an hour,
  /// and not before every other node ever heard of was in reach for 10 min, has left, or is removed as well.
  /// Refused, too, where this node reaches no more than half of the nodes, unless forced: it would rather be
  /// this side that is cut off, with news that the others are ahead of.
  [[nodiscard]] Result<void> remove(TimePoint now, const NodeId& node, bool force = false);
  /// A new network config for all. Kind::conflict: another pool.
  [[nodiscard]] Result<void> configure(TimePoint now, const std::string& network);
  void advance(TimePoint now);
  [[nodiscard]] std::optional<TimePoint> nextDeadline() const;

  /// What is to be done since the last call, saved before. An error: saving failed, nothing is to be done,
  /// and the next call tries again.
  [[nodiscard]] Result<SlotActions> take(const Save& save);

  /// This side of a push/pull. Kind::busy: something is not saved yet; exchange without it.
  [[nodiscard]] Result<std::string> tableMessage() const;

  /// Equal on nodes whose tableMessage() would tell each other nothing. Costs by the number of nodes.
  [[nodiscard]] std::uint64_t digest() const;

  [[nodiscard]] const std::string& name() const { return options_.name; }
  /// The slot that is this node's to use, saved.
  [[nodiscard]] std::optional<std::uint32_t> mine() const { return mine_; }
  /// Records with a lease: slots in use, of nodes that were not removed. Point into the keeper.
  [[nodiscard]] std::vector<const SlotRecord*> leases() const;
  /// How often a slot of this node's went to another, since the start.
  [[nodiscard]] std::uint64_t conflicts() const { return conflicts_; }
  [[nodiscard]] const SlotState& state() const { return state_; }
  [[nodiscard]] std::vector<SlotWarning> warnings() const;
  /// Who holds how many, ascending by owner.
  [[nodiscard]] std::vector<Holding> holdings() const;

 private:
  /// A request on its way, or a hand-over.
  struct Pending {
    NodeId peer;
    std::uint64_t request = 0;
    TimePoint sent;
    unsigned tries = 1;
  };
  /// The last grant to a node.
  struct Granted {
    std::uint64_t request = 0;
    std::vector<std::uint32_t> slots;
  };
  /// Two nodes, this one perhaps, that both had reason to use a slot.
  struct Clash {
    NodeId winner;
    NodeId loser;
    TimePoint seen;
  };

  /// How often the whole table is asked for out of turn, at most.
  static constexpr std::chrono::seconds kExchangeAgain{1};

  SlotKeeper(SlotState state, KeeperOptions options, TimePoint now, std::int64_t wallSeconds);

  // slot_keeper.cpp: what each input ends with
  void settle(TimePoint now);
  void found(TimePoint now);
  void seek(TimePoint now);
  [[nodiscard]] std::vector<NodeId> aliveIds() const;
  [[nodiscard]] SlotNews news() const;
  void wakeAt(TimePoint time);
  [[nodiscard]] std::int64_t wallAt(TimePoint now) const;

  // slot_merging.cpp: what others say
  [[nodiscard]] Result<void> checkCluster(const ClusterId& cluster, const NodeId& from) const;
  [[nodiscard]] Result<void> admit(const ClusterInfo& info, const NodeId& from);
  [[nodiscard]] Result<void> fits(const ClusterInfo& info) const;
  void join(const ClusterInfo& info);
  void merge(TimePoint now, const SlotNews& news);
  void merge(TimePoint now, const SlotRecord& record);
  void noteNode(const NodeId& node, std::uint32_t generation);
  void noteClash(TimePoint now, const SlotRecord& one, const SlotRecord& other);
  void noteOwn(TimePoint now, const SlotRecord& before, const SlotRecord& after);
  void forgetClashes(TimePoint now);

  // slot_holding.cpp: this node's own slots
  [[nodiscard]] bool isOwn(const SlotRecord& record) const;
  [[nodiscard]] std::vector<std::uint32_t> ownFree() const;
  [[nodiscard]] std::optional<std::uint32_t> held() const;
  [[nodiscard]] std::uint32_t placedSlot() const;
  [[nodiscard]] bool mayUseFree(TimePoint now) const;
  void write(const SlotRecord& record);
  void rest(TimePoint now);
  void activate(TimePoint now);
  void activatePlaced(TimePoint now);
  void use(std::uint32_t slot, SlotVersion version);
  void setData(std::uint32_t slot, const std::string& data);

  // slot_granting.cpp: slots on their way from node to node
  [[nodiscard]] std::vector<const SlotPeer*> granters(std::size_t least) const;
  [[nodiscard]] std::vector<const SlotPeer*> livePeers() const;
  void ask(TimePoint now);
  void send(const NodeId& to, GrantMessage message, bool answer);
  [[nodiscard]] std::size_t shareOf(const NodeId& asker, std::size_t free) const;
  [[nodiscard]] std::string refusalOf(TimePoint now, const GrantMessage& request) const;
  void answer(TimePoint now, const GrantMessage& request);
  void mergeOwn(TimePoint now, const GrantMessage& message);
  void receive(TimePoint now, const GrantMessage& message);
  void give(const std::vector<std::uint32_t>& slots, const NodeId& to, std::uint32_t generation);
  [[nodiscard]] std::vector<SlotRun> runsOwnedBy(const NodeId& owner,
                                                 const std::vector<std::uint32_t>& slots) const;
  void handOver(TimePoint now);

  // slot_removal.cpp: nodes that are gone
  [[nodiscard]] Result<void> mayRemove(TimePoint now, const NodeId& node) const;
  [[nodiscard]] Result<void> reachesMost() const;
  [[nodiscard]] std::optional<std::uint32_t> generationOf(const NodeId& node) const;
  void fence();
  void sweep(TimePoint now);
  void takeFrom(TimePoint now, const NodeId& node, std::uint32_t generation);
  void release(TimePoint now);
  [[nodiscard]] std::vector<NodeId> unheard(TimePoint now) const;

  // slot_report.cpp: for people
  [[nodiscard]] const SlotPeer* memberOf(const NodeId& node) const;
  [[nodiscard]] bool isAlive(const NodeId& node) const;
  [[nodiscard]] bool isCopied(const NodeId& node) const;
  [[nodiscard]] std::string textOf(const NodeId& node) const;
  [[nodiscard]] std::string slotText(std::uint32_t slot) const;
  void warnOfConflicts(std::vector<SlotWarning>& warnings) const;
  void warnOfExhaustion(std::vector<SlotWarning>& warnings) const;

  SlotState state_;
  KeeperOptions options_;
  TimePoint started_;
  TimePoint now_;  ///< of the last input
  std::int64_t startedWall_ = 0;
  std::mt19937_64 random_;
  Founding founding_;
  std::optional<NetworkConfig> network_;  ///< of the cluster, read
  std::vector<SlotPeer> members_;         ///< ascending by id
  std::map<NodeId, TimePoint> vanished_;  ///< when a node was no member any more
  bool heardPeer_ = false;                ///< an exchange took place since the start

  std::optional<std::string> wanted_;
  std::map<std::uint32_t, TimePoint> resting_;  ///< own active slots that are free from then on
  std::optional<Pending> asked_;
  std::optional<NodeId> refusedBy_;
  TimePoint askAt_;
  TimePoint reserveAt_;
  std::map<NodeId, Granted> granted_;
  bool leaving_ = false;
  std::optional<Pending> handedOver_;
  std::vector<std::uint32_t> handedSlots_;

  std::optional<TimePoint> deadline_;
  TimePoint sayAt_;       ///< when the sight is said again
  TimePoint exchangeAt_;  ///< when the next exchange may be called for
  bool unsaved_ = false;
  std::optional<TimePoint> saveBy_;  ///< when what is no danger to lose is saved, too
  std::set<std::uint32_t> newSlots_;
  std::set<NodeId> newTombstones_;
  bool newInfo_ = false;
  bool newSight_ = false;
  SlotActions actions_;

  std::optional<std::uint32_t> mine_;
  std::uint64_t conflicts_ = 0;
  std::map<std::uint32_t, Clash> clashes_;
  std::optional<Tombstone> fencedBy_;
  bool rolledBack_ = false;
  std::string saveError_;
  std::string placeError_;
};

}  // namespace twill::gossip
