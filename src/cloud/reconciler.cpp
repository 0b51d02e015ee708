// SPDX-License-Identifier: Apache-2.0
#include "cloud/reconciler.hpp"

#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "base/file.hpp"
#include "cloud/upkeep.hpp"

namespace twill::cloud {
namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLongestFile = 1U << 20U;
constexpr auto kPatience = std::chrono::seconds(30);

/// What the file remembers, which is a farewell; none: there is no file.
Result<std::optional<CloudWish>> rememberedIn(const std::string& file) {
  std::error_code unseen;  // it counts as gone
  if (!fs::exists(file, unseen)) return std::nullopt;
  TWILL_TRY(const std::string text, readFile(file, kLongestFile));
  auto wish = CloudWish::parse(text);
  if (wish) return std::move(*wish);
  return Failure(std::move(wish).error().in(file));
}

bool isAtSameTables(const CloudWish& one, const CloudWish& other) {
  return one.type == other.type && one.tables == other.tables && one.local4 == other.local4 &&
         one.local6 == other.local6;
}

}  // namespace

RouteReconciler::RouteReconciler(asio::io_context& io, std::string stateFile, std::function<void()> changed,
                                 MakeCloud make, const Pace& pace)
    : io_(io),
      stateFile_(std::move(stateFile)),
      changed_(std::move(changed)),
      make_(std::move(make)),
      pace_(pace) {}

RouteReconciler::~RouteReconciler() {
  if (upkeep_) upkeep_->stop();
}

void RouteReconciler::follow(const std::optional<CloudWish>& wish) {
  if (followed_ && wish == wish_) return;
  const bool same = upkeep_ && wish && wish_ && isAtSameTables(*wish, *wish_);
  followed_ = true;
  wish_ = wish;
  if (wish) {
    remember(*wish);
    return same ? upkeep_->follow(*wish) : start(*wish);
  }
  if (upkeep_) std::exchange(upkeep_, nullptr)->stop();
  remembered_.clear();
  const auto remembered = rememberedIn(stateFile_);
  problem_ = remembered ? "" : remembered.error().text;
  if (remembered && *remembered) start(**remembered);
}

/// First: there is never a route that nobody remembers. Peers that come and go change nothing in the file.
void RouteReconciler::remember(const CloudWish& wish) {
  std::string text = wish.text();
  if (text == remembered_) return;
  const auto written = writeFile(stateFile_, text, Durability::power);
  problem_ = written ? "" : written.error().text;
  if (written) remembered_ = std::move(text);
}

void RouteReconciler::start(const CloudWish& wish) {
  if (upkeep_) std::exchange(upkeep_, nullptr)->stop();
  auto cloud = make_(io_, wish);
  if (!cloud) return;
  upkeep_ = std::make_shared<Upkeep>(
      io_, wish, std::move(cloud), [this] { onChange(); }, pace_);
  upkeep_->start();
}

void RouteReconciler::onChange() {
  if (upkeep_->isFarewell() && upkeep_->inPlace()) {
    std::exchange(upkeep_, nullptr)->stop();
    std::error_code unseen;
    fs::remove(stateFile_, unseen);  // one that stays is a farewell more, to nothing
  }
  changed_();
}

bool RouteReconciler::isUp() const {
  return !wish_ || (upkeep_ && upkeep_->inPlace());
}

std::optional<Status> RouteReconciler::status() const {
  if (!upkeep_) return std::nullopt;
  Status status = upkeep_->status();
  if (!problem_.empty()) status.problems.push_back(problem_);
  return status;
}

Result<void> removeRememberedRoutes(const std::string& stateFile, const MakeCloud& make,
                                    const std::function<void(const std::string&)>& removed) {
  TWILL_TRY(const auto wish, rememberedIn(stateFile));
  if (!wish) return {};
  asio::io_context io(1);
  auto cloud = make(io, *wish);
  if (!cloud) return fail(fmt::format("{}: there is no cloud {}", stateFile, wish->type));
  auto upkeep = std::make_shared<Upkeep>(io, *wish, std::move(cloud), nullptr);
  upkeep->onErase([&](const Route& route) {
    removed(fmt::format("{} route {} to {}", wish->type, route.dst.text(), route.target));
  });
  upkeep->start();
  io.run_for(kPatience);
  const Status status = upkeep->status();
  upkeep->stop();
  if (!status.inPlace)
    return fail(fmt::format(
        "{}: the routes to this node could not be removed from the cloud's tables: {}; "
        "remove them there, then {}",
        wish->type, status.problems.empty() ? "it does not answer" : status.problems.front(), stateFile));
  std::error_code error;
  fs::remove(stateFile, error);
  return error ? failErrno("remove " + stateFile, error.value()) : Result<void>();
}

}  // namespace twill::cloud
