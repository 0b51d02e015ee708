// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace boost::asio {
class io_context;
}

namespace twill::etcd {

class Connection;
class WatchCall;

struct KeyValue {
  std::string key;
  std::string value;
  std::int64_t created = 0;   ///< revision
  std::int64_t revision = 0;  ///< of its last change
  std::int64_t lease = 0;     ///< etcd's own; 0: it stays for ever
};

/// What stood under a prefix at a revision.
struct Listing {
  std::int64_t revision = 0;
  std::vector<KeyValue> entries;
};

/// One thing that happened to a key.
struct Change {
  KeyValue entry;  ///< of a deletion the key and the revision alone
  bool deleted = false;
};

/// What a watch tells at once, in its order.
struct Changes {
  std::int64_t revision = 0;  ///< all up to this one are known now
  std::vector<Change> events;
};

/// Takes place as a whole, and only as long as nobody else has written meanwhile.
struct Write {
  std::string key;  ///< empty: nothing is put
  std::string value;
  std::int64_t lease = 0;
  std::int64_t revision = 0;  ///< that the key has to have; 0: it must not be there
  std::string erased;         ///< another key, which goes; empty: none
  std::int64_t erasedRevision = 0;
};

/// What etcd says of one of its leases.
struct LeaseTime {
  std::int64_t left = 0;     ///< seconds; below 0: it is gone
  std::int64_t granted = 0;  ///< seconds
};

struct Options {
  std::vector<std::string> endpoints;  ///< "http://127.0.0.1:2379", "https://..."; one at least
  std::string caFile, certFile, keyFile;
  std::string username, password;
};

/// etcd's API, version 3, as far as it is needed. Speaks to one endpoint at a time. With a user name it asks
/// for a token first, and anew when that has run out.
///
/// Threading: all calls from the loop's thread; answers come on it, never from inside the call. No answer
/// comes after the client is gone. gRPC's own threads never reach the caller. Errors name endpoint and
/// request, and have Kind::busy when the same may succeed later, and
/// code EACCES when the user has no right to it.
class Client {
 public:
  template <class T>
  using Answer = std::function<void(Result<T>)>;

  Client(boost::asio::io_context& loop, Options options);
  /// Ends what is under way, and waits for that.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Everything whose key begins so.
  void list(const std::string& prefix, Answer<Listing> answer);
  /// The revision that it made; 0: somebody else was quicker, and nothing was written.
  void write(const Write& write, Answer<std::int64_t> answer);
  /// A lease for so many seconds; its number.
  void grant(std::int64_t seconds, Answer<std::int64_t> answer);
  /// The seconds that it lasts from now on; 0: it is gone.
  void keepAlive(std::int64_t lease, Answer<std::int64_t> answer);
  void timeToLive(std::int64_t lease, Answer<LeaseTime> answer);
  /// All changes under the prefix after `revision`, until an error ends it: Kind::missing when etcd does not
  /// remember that far back. A second watch takes the place of the first.
  void watch(const std::string& prefix, std::int64_t revision, Answer<Changes> answer);
  /// From now on the next one is asked, and the watch ends without a word.
  void useNextEndpoint();
  [[nodiscard]] const std::string& endpoint() const;

 private:
  void endWatch();

  std::shared_ptr<Connection> connection_;
  std::shared_ptr<WatchCall> watch_;  ///< null: none
};

}  // namespace twill::etcd
