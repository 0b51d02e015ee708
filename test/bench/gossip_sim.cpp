// SPDX-License-Identifier: Apache-2.0
// Clusters of thousands of nodes in one process, on a virtual clock: the real state machines of Membership
// and Serf, the real bytes of their messages, a network with 1 to 2 ms of delay. Prints one JSON object for
// each size.
//
// usage: gossip_sim SIZE LOSS-PERCENT TAG-BYTES
//
// All nodes start within a second and join the first one. More than 2,000 start as members that know each
// other and have nothing to tell: each telling all of each would take too long here. TAG-BYTES is how much
// each says of itself in its tags; a host-gw lease takes some 200. Bytes are those of IP packets and of
// streams before compression and encryption. Memory is this process's growth for each node.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <unistd.h>

#include "datastore/gossip/simulation.hpp"

namespace {

using namespace twill::gossip;
using namespace std::chrono_literals;

double seconds(Duration time) {
  return std::chrono::duration<double>(time).count();
}

/// Resident memory in KiB.
double resident() {
  std::ifstream file("/proc/self/statm");
  double all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
}

/// Sorted times until something reached each node.
class Times {
 public:
  void add(Duration time) { all_.push_back(seconds(time)); }
  [[nodiscard]] std::string json() {
    std::sort(all_.begin(), all_.end());
    char text[128];
    std::snprintf(text, sizeof text, R"({"first": %.3f, "median": %.3f, "p99": %.3f, "max": %.3f})", at(0),
                  at(0.5), at(0.99), at(1));
    return text;
  }

 private:
  [[nodiscard]] double at(double share) const {
    return all_.empty() ? 0 : all_[static_cast<std::size_t>(share * static_cast<double>(all_.size() - 1))];
  }
  std::vector<double> all_;
};

/// Bytes per node per second.
struct Traffic {
  double datagrams = 0;
  double streams = 0;
};

class Bench {
 public:
  Bench(int size, double loss, std::size_t tagBytes) : world_(1), size_(size) {
    world_.loss = loss;
    tags_["lease"] = std::string(tagBytes, 'x');
  }

  /// Until each node knows all.
  Times join() {
    Times times;
    const auto all = static_cast<std::size_t>(size_);
    const Time begin = world_.now;
    std::size_t complete = 0;
    for (int i = 0; i < size_; ++i) {
      world_.run(std::chrono::duration_cast<Duration>(1s) / size_);
      auto& node = world_.add(name(i), tags_);
      node.onChange = [&, known = false](const SerfMember&) mutable {
        if (known || node.serf.members().size() < all) return;
        known = true;
        ++complete;
        times.add(world_.now - begin);
      };
      if (i > 0) world_.join(node, name(0));
    }
    world_.runUntil([&] { return complete == all; }, 300s);
    unreached_ += all - complete;
    listen();
    return times;
  }

  /// All at once, with no rumour left.
  void startJoined() {
    PushPull everybody;
    for (int i = 0; i < size_; ++i) {
      auto& node = world_.add(name(i), tags_);
      everybody.nodes.push_back(node.serf.membership().state(false).nodes.front());
    }
    const double loss = std::exchange(world_.loss, 1);
    for (int i = 0; i < size_; ++i) {
      auto& node = world_.node(name(i));
      if (!node.serf.merge(world_.now, everybody)) std::exit(1);
      exhaust(node);
    }
    world_.loss = loss;
    listen();
  }

  Traffic traffic(Duration time) {
    const auto [datagrams, streams] = sent();
    world_.run(time);
    const auto [datagramsNow, streamsNow] = sent();
    const double scale = size_ * seconds(time);
    return {static_cast<double>(datagramsNow - datagrams) / scale,
            static_cast<double>(streamsNow - streams) / scale};
  }

  /// Of one node's tags, until each other node has them.
  Times changes(int rounds) {
    Times times;
    for (int round = 0; round < rounds; ++round) {
      Simulation::Node& changed = anyone();
      await(times, changed,
            [before = changed.serf.members().at(nameOf(changed)).meta](const SerfMember& member) {
              return member.meta != before;
            });
      change(changed);
      finish();
    }
    return times;
  }

  Traffic changeEachSecond(int times) {
    Traffic sum;
    for (int i = 0; i < times; ++i) {
      change(anyone());
      const Traffic one = traffic(1s);
      sum = {sum.datagrams + one.datagrams / times, sum.streams + one.streams / times};
    }
    return sum;
  }

  /// Of a node that dies, until each other node calls it failed.
  Times failures(int rounds) {
    Times times;
    for (int round = 0; round < rounds; ++round) {
      Simulation::Node& dead = anyone();
      await(times, dead, [](const SerfMember& member) { return member.status == MemberStatus::failed; });
      world_.kill(nameOf(dead));
      finish();
    }
    return times;
  }

  void settle() { world_.run(Timers{}.pushPullInterval); }
  [[nodiscard]] std::size_t unreached() const { return unreached_; }
  [[nodiscard]] std::size_t falseAlarms() const { return falseAlarms_; }

 private:
  /// Acks take rumours along, until there are none.
  void exhaust(Simulation::Node& node) {
    constexpr std::uint64_t kAckAlone = 100;
    const Ping ping{.sequence = 1, .node = nameOf(node), .source = std::nullopt, .sourceNode = name(0)};
    std::uint64_t before = 0;
    do {
      before = node.bytesSent;
      node.serf.receive(world_.now, ping, world_.node(name(0)).serf.membership().endpoint());
    } while (node.bytesSent > before + kAckAlone);
  }

  static std::string name(int number) { return "node" + std::to_string(number); }
  static const std::string& nameOf(const Simulation::Node& node) { return node.serf.membership().name(); }

  Simulation::Node& anyone() {
    for (;;) {
      auto& node = world_.node(name(std::uniform_int_distribution<int>(0, size_ - 1)(random_)));
      if (node.running) return node;
    }
  }

  void change(Simulation::Node& node) {
    tags_["lease"][0] = static_cast<char>('a' + changes_ % 26);
    tags_["number"] = std::to_string(100000 + changes_++);
    static_cast<void>(node.serf.setTags(world_.now, tags_));
    world_.rouse(node);
  }

  [[nodiscard]] std::pair<std::uint64_t, std::uint64_t> sent() const {
    std::uint64_t all = 0, streams = 0;
    for (const auto& [name, node] : world_.nodes()) {
      all += node->bytesSent;
      streams += node->bytesByStream;
    }
    return {all - streams, streams};
  }

  /// What every node notices about `subject_` from now on.
  void listen() {
    heard_.resize(static_cast<std::size_t>(size_));
    for (int i = 0; i < size_; ++i) {
      auto& node = world_.node(name(i));
      node.onChange = [this, i](const SerfMember& member) {
        if (member.name != subject_) {
          falseAlarms_ += member.status == MemberStatus::failed && world_.node(member.name).running ? 1 : 0;
          return;
        }
        if (heard_[static_cast<std::size_t>(i)] || !fits_(member)) return;
        heard_[static_cast<std::size_t>(i)] = true;
        times_->add(world_.now - since_);
        --waiting_;
      };
    }
  }

  void await(Times& times, const Simulation::Node& subject, std::function<bool(const SerfMember&)> fits) {
    subject_ = nameOf(subject);
    fits_ = std::move(fits);
    times_ = &times;
    since_ = world_.now;
    waiting_ = 0;
    for (int i = 0; i < size_; ++i) {
      const auto& node = world_.node(name(i));
      const bool counts = node.running && &node != &subject;
      heard_[static_cast<std::size_t>(i)] = !counts;
      waiting_ += counts ? 1 : 0;
    }
  }

  void finish() {
    world_.runUntil([this] { return waiting_ == 0; }, 300s);
    unreached_ += static_cast<std::size_t>(waiting_);
    subject_.clear();
  }

  Simulation world_;
  int size_;
  Tags tags_;
  std::mt19937 random_{2};
  unsigned changes_ = 0;
  std::size_t unreached_ = 0;    ///< nodes that something did not come to within five minutes
  std::size_t falseAlarms_ = 0;  ///< how often a node that lives was called failed

  std::string subject_;
  std::function<bool(const SerfMember&)> fits_;
  Times* times_ = nullptr;
  Time since_{};
  int waiting_ = 0;
  std::vector<bool> heard_;
};

void report(const char* what) {
  std::fprintf(stderr, "  %-10s until %.1f s of CPU time\n", what,
               static_cast<double>(std::clock()) / CLOCKS_PER_SEC);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: gossip_sim SIZE LOSS-PERCENT TAG-BYTES\n");
    return 2;
  }
  const int size = std::atoi(argv[1]);
  const double loss = std::atof(argv[2]);
  const double before = resident();
  Bench bench(size, loss / 100, static_cast<std::size_t>(std::atoi(argv[3])));
  constexpr int kMostJoining = 2000;
  Times join;
  if (size <= kMostJoining)
    join = bench.join();
  else
    bench.startJoined();
  report("start");
  bench.settle();
  report("settled");
  const Traffic rest = bench.traffic(60s);
  report("rest");
  const double memory = (resident() - before) / size;
  auto change = bench.changes(10);
  const Traffic busy = bench.changeEachSecond(20);
  report("changes");
  auto failure = bench.failures(3);
  report("failures");
  std::printf(R"({"nodes": %d, "loss": %g, "tag_bytes": %s, "join": %s, "change": %s, "failure": %s, )"
              R"("rest_datagrams": %.1f, "rest_streams": %.1f, "busy_datagrams": %.1f, )"
              R"("memory_kib": %.1f, "unreached": %zu, "false_alarms": %zu})"
              "\n",
              size, loss, argv[3], join.json().c_str(), change.json().c_str(), failure.json().c_str(),
              rest.datagrams, rest.streams, busy.datagrams, memory, bench.unreached(), bench.falseAlarms());
  return 0;
}
