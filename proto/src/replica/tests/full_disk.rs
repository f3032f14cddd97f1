//! A disk that becomes full between two batches of one act.

use super::*;
use crate::record::Instance;
use crate::storage::{Batch, Storage, Table};
use crate::testing::{NOW_S, listing};

/// A store that takes so many more batches.
#[derive(Default)]
struct Filling {
    inner: MemoryStorage,
    room: Option<usize>,
}

#[derive(Debug, thiserror::Error)]
#[error("no space left on device")]
struct Full;

impl Storage for Filling {
    type Error = Full;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Full> {
        self.inner.get(table, key).map_err(|_| Full)
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Full> {
        self.inner.scan(table, prefix, visit).map_err(|_| Full)
    }

    fn commit(&mut self, batch: Batch) -> Result<(), Full> {
        match &mut self.room {
            Some(0) => return Err(Full),
            Some(room) => *room -= 1,
            None => {}
        }
        self.inner.commit(batch).map_err(|_| Full)
    }

    fn flush(&mut self) -> Result<(), Full> {
        Ok(())
    }
}

/// An edit is either refused, and nothing of it is here, or it was made: with any number of batches that still fit.
#[test]
fn an_edit_that_is_refused_for_want_of_room_was_not_made() {
    let World {
        charter, founder, ..
    } = world();
    let key = founder.doc(DocName::Listing(0));
    let edit = |replica: &mut Replica<Filling>, name: &str| {
        let draft = Draft {
            key,
            state: listing(0, 1, name),
            heads: Vec::new(),
            generation: 0,
            delegation: founder.delegation.clone(),
            contains: Contained::All,
            sealed: Some(name.as_bytes().to_vec()),
        };
        let fresh = Instance([7; 8]);
        replica.publish(NOW_S, draft, &founder.node, fresh, Batch::default())
    };
    for room in 0..4 {
        let own: BTreeSet<OrgId> = [founder.org()].into();
        let mut replica = Replica::open(Filling::default(), founder.id(), own).unwrap();
        replica.add_network(charter.clone()).unwrap();
        edit(&mut replica, "first").unwrap();
        let before = replica.record_ids(&key);
        replica.storage_mut().room = Some(room);
        let made = edit(&mut replica, "second").is_ok();
        assert_eq!(replica.record_ids(&key) != before, made, "room for {room}");
        replica.storage_mut().room = None;
        let third = edit(&mut replica, "third").unwrap();
        assert_eq!(replica.record_ids(&key), [third.id()]);
        assert_eq!(replica.sealed_ids(&key), [third.id()]);
    }
}
