//! Every certificate comes back from its bytes, and no bit of them can be changed unnoticed.
#![allow(clippy::panic, reason = "a test stops at what it did not expect")]

use fingerpost_proto::certificate::{
    Amendment, FORMAT, LastRecord, Rekeying, Revocation, Sealed, Vouch,
};
use fingerpost_proto::ids::{CharterId, DocName, NetworkId, OrgId, RecordId};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::record::{Hash, Instance};
use fingerpost_proto::signed::{Signed, Statement};
use proptest::prelude::*;

fn holds<T: Statement + Clone + PartialEq + std::fmt::Debug>(
    statement: T,
    key: &SecretKey,
    bit: usize,
) -> Result<(), TestCaseError> {
    let bytes = Signed::sign(statement.clone(), key).to_bytes();
    let back = Signed::<T>::verified(&bytes).map(|signed| signed.get().clone());
    prop_assert_eq!(back, Ok(statement));
    let mut wrong = bytes.clone();
    let at = bit % (bytes.len() * 8);
    if let Some(byte) = wrong.get_mut(at / 8) {
        *byte ^= 1 << (at % 8);
    }
    prop_assert!(Signed::<T>::verified(&wrong).is_err(), "bit {}", at);
    Ok(())
}

proptest! {
    #[test]
    fn certificates_come_back_and_notice_every_flipped_bit(
        ids: [[u8; 32]; 3],
        at_s: u64,
        text in ".{0,200}",
        note in prop::option::of(".{0,100}"),
        last in prop::collection::vec((any::<[u8; 8]>(), any::<u64>()), 0..10),
        bit: usize,
    ) {
        let (root, node) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
        let (network, other) = (NetworkId::from_bytes(ids[0]), OrgId::from_bytes(ids[1]));
        let (org, node_id) = (root.org_id(), node.node_id());
        holds(
            Vouch { format: FORMAT, network, subject: other, voucher: org, node: node_id, issued_at_s: at_s, note },
            &node,
            bit,
        )?;
        let previous = CharterId::from_bytes(ids[2]);
        holds(
            Amendment {
                format: FORMAT, network, previous, name: "n".into(), text, vouches_needed: 2, proposer: org,
                node: node_id, proposed_at_s: at_s,
            },
            &node,
            bit,
        )?;
        let last = last.into_iter().map(|(instance, seq)| LastRecord {
            document: DocName::Listing(3),
            instance: Instance(instance),
            seq,
        });
        holds(
            Revocation { format: FORMAT, org, node: node_id, revoked_at_s: at_s, last: last.collect() },
            &root,
            bit,
        )?;
        holds(Rekeying { format: FORMAT, old: org, new: other, at_s }, &root, bit)?;
        let sealed = Sealed {
            format: FORMAT, org, document: DocName::Board, node: node_id, record: RecordId::from_bytes(ids[2]),
            hash: Hash(ids[0]), size_bytes: at_s, sealed_at_s: at_s, generation: Some(at_s).filter(|it| *it > 0),
        };
        holds(sealed, &node, bit)?;
    }
}
