//! How much is decoded side by side, and held at all.

use std::sync::Arc;

use dipper_core::{Client, ledger};

/// How many bytes may be held for whoever reads with this client.
pub(crate) fn limit(client: Option<&Arc<Client>>) -> u64 {
    client.map_or_else(|| ledger().budget().limit(), |client| client.limit())
}

/// So many batches that need so many bytes each are under way at once. Those that wait for their
/// turn hold memory, so there are few where it is short: the first must never wait for memory that
/// those behind it hold. `limit` is what the client may hold.
pub(crate) fn ahead(limit: u64, largest: u64) -> usize {
    let most = std::thread::available_parallelism().map_or(2, usize::from) + 1;
    let share = limit / 8 / largest.max(1);
    usize::try_from(share).unwrap_or(most).clamp(1, most)
}
