//! What `Item::check` has answered. It is a pure function, and hundreds of nodes take in the same items: each is
//! checked once in a run. The answer is that of the protocol as it was built, so what it forgets to check here,
//! it forgets for everybody.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use fingerpost_proto::replica::{Checked, Item, Refusal};

/// The answers of a run.
#[derive(Default)]
pub(super) struct Checks(HashMap<[u64; 2], Result<Checked, Refusal>>);

const KEPT_MAX: usize = 20_000;

impl Checks {
    pub(super) fn check(&mut self, item: Item) -> Result<Checked, Refusal> {
        if self.0.len() > KEPT_MAX {
            self.0.clear();
        }
        let known = self.0.entry(name_of(&item));
        known.or_insert_with(|| item.check()).clone()
    }
}

/// 128 bits over all bytes of an item.
fn name_of(item: &Item) -> [u64; 2] {
    let (kind, parts): (u8, [Option<&[u8]>; 3]) = match item {
        Item::Record {
            record,
            delegation,
            state,
        } => (0, [Some(record), delegation.as_deref(), state.as_deref()]),
        Item::Departure {
            departure,
            delegation,
        } => (1, [Some(departure), Some(delegation), None]),
        Item::Amendment {
            amendment,
            delegation,
        } => (2, [Some(amendment), Some(delegation), None]),
        Item::Sealed { sealed, bytes } => (3, [Some(sealed), Some(bytes), None]),
    };
    [0u8, 1].map(|half| {
        let mut hasher = DefaultHasher::new();
        (half, kind, parts).hash(&mut hasher);
        hasher.finish()
    })
}
