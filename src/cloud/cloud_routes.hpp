// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <tl/expected.hpp>

#include "model/cloud_wish.hpp"

/// A cloud's route tables, behind one interface. A new cloud is one class, with a row in clouds.cpp.
namespace twill::cloud {

/// What the loop's one thread waits for without blocking. g++ 12: see tools/check_coawait.
template <class T>
using Task = boost::asio::awaitable<T>;

enum class Kind : std::uint8_t {
  done,
  exists,     ///< what was to be made is there already: look again
  missing,    ///< what was to be changed is not there: look again
  conflict,   ///< something of somebody else's is in the way
  throttled,  ///< asked too often
  transient,  ///< may succeed later, unchanged
  auth,       ///< who asks is not known, or may not do that
  quota,      ///< there is no room for it
  permanent,  ///< will not succeed until somebody changes something
};
[[nodiscard]] const char* textOf(Kind kind);

/// How a call ended.
struct Outcome {
  Kind kind = Kind::done;
  std::string text;                   ///< what was tried, what came back, what to do next; without secrets
  std::chrono::milliseconds after{};  ///< the cloud asks to wait for so long; 0: it says nothing

  [[nodiscard]] bool done() const { return kind == Kind::done; }
};

/// A value, or the outcome that kept us from it.
template <class T>
using Answer = tl::expected<T, Outcome>;
using Refusal = tl::unexpected<Outcome>;

/// This node, as the cloud knows it.
struct Self {
  std::string place;                ///< region or zone
  std::string network;              ///< the VPC, or the network's URL
  std::string instance;             ///< its id or name
  std::string target;               ///< what its routes lead to, spelt as in Route::target
  std::vector<std::string> tables;  ///< that its routes belong in; at least one

  bool operator==(const Self&) const = default;
};

/// One entry of a table whose destination has to do with the cluster's networks.
struct Route {
  enum class State : std::uint8_t { active, blackhole };

  Prefix dst;
  std::string table;
  std::string id;               ///< of the route, where the cloud gives it one
  std::string target;           ///< what it leads to
  State state = State::active;  ///< blackhole: its target is gone
  bool ours = false;            ///< such as a node of a container network makes: it leads to an instance
  bool extra = false;           ///< does no harm beside another to the same destination (propagated routes)

  bool operator==(const Route&) const = default;
};

/// One route that is to be there. `replaces`: the one to the same destination that now stands in its table.
struct Put {
  Prefix dst;
  std::string table;
  std::optional<Route> replaces;

  bool operator==(const Put&) const = default;
};

/// How full a table is.
struct Usage {
  std::string table;
  std::size_t used = 0;
  std::size_t allowed = 0;  ///< 0: nobody says
};

/// Calls made, by name and how they ended.
using CallCounts = std::map<std::pair<std::string, Kind>, std::uint64_t>;

/// Threading: the loop's thread. The object has to be there until each of its calls has ended.
class CloudRoutes {
 public:
  virtual ~CloudRoutes() = default;
  /// Who we are, and which tables are ours.
  virtual Task<Answer<Self>> discover() = 0;
  /// The instance may send and take what is not from or for its own addresses.
  virtual Task<Outcome> prepare(const Self& self) = 0;
  /// All entries of our tables inside `networks`, or that hold one of them.
  virtual Task<Answer<std::vector<Route>>> list(const Self& self, const std::vector<Prefix>& networks) = 0;
  /// A route to self.target. Never leaves a moment without one, where the cloud allows that.
  virtual Task<Outcome> put(const Self& self, const Put& put) = 0;
  /// One that is gone counts as done.
  virtual Task<Outcome> erase(const Self& self, const Route& route) = 0;
  /// May be empty when the cloud does not say.
  virtual Task<Answer<std::vector<Usage>>> usage(const Self& self) = 0;
  /// Calls in flight end soon, and so do later ones, as transient.
  virtual void cancel() = 0;
  [[nodiscard]] virtual const CallCounts& calls() const = 0;
};

/// A variable of the environment; none when it is not set, or empty.
using Environment = std::function<std::optional<std::string>(const char* name)>;
[[nodiscard]] Environment processEnvironment();

}  // namespace twill::cloud
