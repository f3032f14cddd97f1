//! Replicas that were given the same items are equal, byte for byte, whatever the order, duplication
//! and interleaving in which the items came.
//!
//! A script makes the items: several organisations in two networks, each on two nodes that write apart
//! and sometimes exchange what they have, and a thief with a copy of one node's key. Then each of
//! several replicas is given all items in an order of its own, some of them first without their states,
//! over and over until nothing is new any more, as peers would offer them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::certificate::Role;
use crate::record::Instance;
use crate::signed::Carry;
use crate::testing::{NOW_S, all_shown, listing, without_state};

/// Tables that hold what a replica knows of its federation. Left out are those that say how it came to
/// know: `Proofs` (the first two records that met), `Journal`, `Receipts`, `Peers`; and those that are
/// this node's own: `Own`, `Meta`.
const STATE: [Table; 5] = [
    Table::Documents,
    Table::States,
    Table::Charters,
    Table::Departures,
    Table::Standings,
];
/// And these, of organisations that have not left: what came of one before it left keeps its
/// delegations, and what came after was refused.
const OF_MEMBERS: [Table; 2] = [Table::Delegations, Table::NodeOrgs];

const ORGS: u32 = 4;
/// Nodes of each organisation; the last one has a copy of the first one's key.
const WRITERS: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Write {
        org: usize,
        writer: usize,
        document: usize,
        text: u8,
    },
    Exchange {
        org: usize,
        from: usize,
        to: usize,
    },
    Card {
        org: usize,
        writer: usize,
    },
    Leave {
        org: usize,
        network: usize,
    },
    Rejoin {
        org: usize,
        network: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (org, writer) = (0..ORGS as usize, 0..WRITERS);
    prop_oneof![
        4 => (org.clone(), writer.clone(), 0..3usize, 0..4u8)
            .prop_map(|(org, writer, document, text)| Step::Write { org, writer, document, text }),
        2 => (org.clone(), writer.clone(), writer.clone())
            .prop_map(|(org, from, to)| Step::Exchange { org, from, to }),
        1 => (org.clone(), writer).prop_map(|(org, writer)| Step::Card { org, writer }),
        1 => (org.clone(), 0..2usize).prop_map(|(org, network)| Step::Leave { org, network }),
        1 => (org, 0..2usize).prop_map(|(org, network)| Step::Rejoin { org, network }),
    ]
}

struct Org {
    parties: Vec<Party>,
    replicas: Vec<Replica<MemoryStorage>>,
    epochs: [u32; 2],
    voucher: Option<Party>,
}

struct Script {
    charters: [Charter; 2],
    orgs: Vec<Org>,
    items: Vec<Item>,
    fresh: u8,
}

impl Script {
    fn new() -> Self {
        let parties: Vec<Party> = (0..ORGS).map(Party::new).collect();
        let charters = [1, 2].map(|number| charter(number, 1, &[&parties[0]]));
        let mut script = Self {
            charters,
            orgs: Vec::new(),
            items: Vec::new(),
            fresh: 0,
        };
        for number in 0..ORGS {
            let mut writers = vec![
                Party::new(number),
                Party::on(number, 100 + number, Role::Admin),
            ];
            writers.push(writers[0].clone());
            let voucher = number.checked_sub(1).map(Party::new);
            let both: Vec<&Charter> = script.charters.iter().collect();
            let replicas = writers.iter().map(|party| party.replica(&both)).collect();
            script.orgs.push(Org {
                parties: writers,
                replicas,
                epochs: [1, 1],
                voucher,
            });
            script.card(number as usize, 0);
            for to in 1..WRITERS {
                script.exchange(number as usize, 0, to);
            }
            // The copied key copies the store as well: it goes on as the same instance.
            let org = &mut script.orgs[number as usize];
            let storage = org.replicas[0].storage().clone();
            let own = org.replicas[0].own().clone();
            org.replicas[2] = Replica::open(storage, org.parties[0].id(), own).unwrap();
        }
        script
    }

    fn publish(&mut self, org: usize, writer: usize, name: DocName, state: Vec<u8>) {
        self.fresh += 1;
        let Org {
            parties, replicas, ..
        } = &mut self.orgs[org];
        let (party, replica) = (&parties[writer], &mut replicas[writer]);
        let key = party.doc(name);
        let draft = Draft {
            key,
            state,
            heads: Vec::new(),
            generation: 0,
            delegation: party.delegation.clone(),
            contains: Contained::All,
            sealed: None,
        };
        let fresh = Instance([self.fresh; 8]);
        let published = replica.publish(NOW_S, draft, &party.node, fresh, Batch::default());
        // A key that is copied again and again runs out of writers that a record can name.
        let Ok(record) = published else { return };
        let items = replica.items(&key).unwrap();
        let is_new = |item: &Item| matches!(item, Item::Record { record: bytes, .. } if *bytes == record.to_bytes());
        self.items.extend(items.into_iter().filter(is_new));
    }

    fn card(&mut self, org: usize, writer: usize) {
        let Org {
            parties,
            epochs,
            voucher,
            ..
        } = &self.orgs[org];
        let by: Vec<&Party> = voucher.iter().collect();
        let [one, two] = self.charters.each_ref().map(Charter::network);
        let mut card = parties[writer].card(&[(one, epochs[0], &by), (two, epochs[1], &by)]);
        card.delegations = parties[..2]
            .iter()
            .map(|party| Carry::new(&party.delegation))
            .collect();
        self.publish(org, writer, DocName::Card, card.to_bytes());
    }

    fn exchange(&mut self, org: usize, from: usize, to: usize) {
        let replicas = &mut self.orgs[org].replicas;
        let keys: Vec<DocKey> = replicas[from].documents.keys().copied().collect();
        for key in keys {
            for item in replicas[from].items(&key).unwrap() {
                send(&mut replicas[to], item);
            }
        }
    }

    fn run(mut self, steps: &[Step]) -> Self {
        for step in steps {
            match *step {
                Step::Write {
                    org,
                    writer,
                    document,
                    text,
                } => {
                    let (name, state) = match document {
                        2 => (
                            DocName::Board,
                            br#"{"format":1,"kind":"board","notices":[]}"#.to_vec(),
                        ),
                        shard => (
                            DocName::Listing(shard as u16),
                            listing(shard as u16, 1, &text.to_string()),
                        ),
                    };
                    self.publish(org, writer, name, state);
                }
                Step::Exchange { org, from, to } => self.exchange(org, from, to),
                Step::Card { org, writer } => self.card(org, writer),
                Step::Leave { org, network } => {
                    let Org {
                        parties,
                        epochs,
                        voucher,
                        ..
                    } = &self.orgs[org];
                    let by: Vec<&Party> = voucher.iter().collect();
                    let id = self.charters[network].network();
                    let membership = parties[0].membership(id, epochs[network], &by);
                    self.items
                        .push(parties[0].departure(&membership, id, NOW_S));
                }
                Step::Rejoin { org, network } => {
                    self.orgs[org].epochs[network] += 1;
                    self.card(org, 0);
                }
            }
        }
        self
    }

    /// A replica that was given all items in one order, repeatedly, those of `late` first without state.
    fn deliver(&self, order: &[usize], late: &BTreeSet<usize>) -> Replica<MemoryStorage> {
        let both: Vec<&Charter> = self.charters.iter().collect();
        let mut replica = Party::new(99).replica(&both);
        for at in order {
            let item = &self.items[*at];
            send(
                &mut replica,
                if late.contains(at) {
                    without_state(item)
                } else {
                    item.clone()
                },
            );
        }
        let mut again = true;
        while again {
            again = false;
            for at in order {
                again |= matches!(
                    send(&mut replica, self.items[*at].clone()),
                    Outcome::Accepted(_)
                );
            }
        }
        replica
    }
}

fn state_of(replica: &mut Replica<MemoryStorage>) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let storage = replica.storage().clone();
    let mut is_member = |key: &[u8], table: Table| {
        let org = match table {
            Table::Delegations => key.first_chunk::<32>(),
            _ => key.last_chunk::<32>(),
        };
        replica.place(&OrgId::from_bytes(*org.unwrap())) == Some(Place::Member)
    };
    storage
        .entries()
        .filter(|(table, key, _)| {
            STATE.contains(table) || (OF_MEMBERS.contains(table) && is_member(key, *table))
        })
        .map(|(table, key, value)| (table, key.to_vec(), value.to_vec()))
        .collect()
}

fn orders(count: usize) -> impl Strategy<Value = (Vec<usize>, Vec<usize>)> {
    let twice: Vec<usize> = (0..count).chain(0..count).collect();
    (
        Just((0..count).collect::<Vec<_>>()).prop_shuffle(),
        Just(twice).prop_shuffle(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn any_order_gives_byte_equal_replicas(
        (steps, (one, two), late) in prop::collection::vec(step(), 1..24).prop_flat_map(|steps| {
            let count = Script::new().run(&steps).items.len();
            let late = prop::collection::btree_set(0..count, 0..count);
            (Just(steps), orders(count), late)
        })
    ) {
        let script = Script::new().run(&steps);
        let in_turn: Vec<usize> = (0..script.items.len()).collect();
        let mut wanted = script.deliver(&in_turn, &BTreeSet::new());
        let wanted_state = state_of(&mut wanted);
        for order in [&one, &two] {
            let mut replica = script.deliver(order, &late);
            prop_assert_eq!(&state_of(&mut replica), &wanted_state);
            prop_assert_eq!(replica.counts().1, 0, "a state is still missing");
            let mut again = Replica::open(replica.storage().clone(), replica.node(), replica.own().clone()).unwrap();
            prop_assert_eq!(&again.documents, &replica.documents);
            prop_assert_eq!(all_shown(&again), all_shown(&replica));
            for charter in &script.charters {
                let id = charter.network();
                prop_assert_eq!(again.is_active(&id), replica.is_active(&id));
                prop_assert_eq!(&again.networks[&id].departures, &replica.networks[&id].departures);
                prop_assert_eq!(again.roster(&id).cloned(), replica.roster(&id).cloned());
                prop_assert_eq!(replica.roster(&id), wanted.roster(&id));
            }
        }
    }
}
