// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "datastore/administration.hpp"
#include "datastore/etcd/picture.hpp"

namespace twill::etcd {

/// Asks etcd for the time that each lease in the picture has left, some at once. `client` lives until the
/// answer, or there is none.
void askTenures(Client& client, const Picture& picture, Administration::OnTenures onTenures);

}  // namespace twill::etcd
