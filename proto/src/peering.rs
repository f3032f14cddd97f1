//! With which nodes to stay connected.
//!
//! In a small network every node is connected with every other. In a large one each keeps to a bounded set: what it
//! lacks comes first, then whom it is connected with already, each node in an order of its own; no organisation and no
//! range of addresses fills the set, so that nobody can surround a node by running many; and one is drawn at random
//! again and again, so that no part of a network stays apart from the rest.

use std::collections::BTreeMap;

use crate::ids::{NodeId, OrgId};
use crate::limits;
use crate::record::Hash;

/// A node that this one may be connected with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub node: NodeId,
    /// For whom it speaks; the first of several.
    pub org: OrgId,
    /// Names the range of addresses that it is called in, if that is known.
    pub range: Option<u64>,
    /// Whether it is of an organisation of this node: always wanted.
    pub is_sibling: bool,
    /// Whether it is connected.
    pub is_connected: bool,
    /// Whether it has, by what is known, something that this node lacks.
    pub has_missing: bool,
    /// Whether it was called for a while in vain.
    pub is_silent: bool,
}

/// Chooses with which of the candidates to stay connected: all of at most [`limits::CONNECT_ALL_MAX_NODES`], else
/// [`limits::CONNECT_NODES`] and the siblings. The answer is in the order of node ids and depends on nothing but the
/// arguments: `own` gives each node an order of its own, and `entropy` decides which one is drawn.
pub fn choose(own: &NodeId, candidates: &[Candidate], entropy: &[u8; 32]) -> Vec<NodeId> {
    let mut chosen = Chosen::default();
    if candidates.len() <= limits::CONNECT_ALL_MAX_NODES {
        candidates.iter().for_each(|it| chosen.add(it));
        return chosen.into_nodes();
    }
    candidates
        .iter()
        .filter(|it| it.is_sibling)
        .for_each(|it| chosen.add(it));
    let most = chosen.nodes.len() + limits::CONNECT_NODES;
    let mut drawn: Vec<&Candidate> = candidates.iter().filter(|it| !it.is_sibling).collect();
    drawn.sort_by_cached_key(|it| mixed(entropy, &it.node));
    if let Some(first) = drawn.iter().find(|it| !it.is_silent).or(drawn.first()) {
        chosen.add(first);
    }
    let mut ranked = drawn;
    ranked.sort_by_cached_key(|it| {
        let order = mixed(own.as_bytes(), &it.node);
        (it.is_silent, !it.has_missing, !it.is_connected, order)
    });
    // Who is left out for its organisation or its range is taken after all rather than nobody.
    for bounded in [true, false] {
        for candidate in &ranked {
            if chosen.nodes.len() < most && !(bounded && chosen.is_full_of(candidate)) {
                chosen.add(candidate);
            }
        }
    }
    chosen.into_nodes()
}

/// A fixed order of nodes for each seed, as good as random.
fn mixed(seed: &[u8; 32], node: &NodeId) -> Hash {
    Hash::of(&[&seed[..], node.as_bytes()].concat())
}

#[derive(Default)]
struct Chosen {
    nodes: BTreeMap<NodeId, ()>,
    orgs: BTreeMap<OrgId, usize>,
    ranges: BTreeMap<u64, usize>,
}

impl Chosen {
    fn add(&mut self, candidate: &Candidate) {
        if self.nodes.insert(candidate.node, ()).is_none() {
            *self.orgs.entry(candidate.org).or_default() += 1;
            if let Some(range) = candidate.range {
                *self.ranges.entry(range).or_default() += 1;
            }
        }
    }

    fn is_full_of(&self, candidate: &Candidate) -> bool {
        let of_org = self.orgs.get(&candidate.org).copied().unwrap_or(0);
        let range = candidate.range.and_then(|range| self.ranges.get(&range));
        of_org >= limits::CONNECT_PER_ORG_NODES
            || range.copied().unwrap_or(0) >= limits::CONNECT_PER_RANGE_NODES
    }

    fn into_nodes(self) -> Vec<NodeId> {
        self.nodes.into_keys().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn node(number: u16) -> NodeId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        NodeId::from_bytes(bytes)
    }

    prop_compose! {
        fn candidates()(
            all in prop::collection::btree_map(
                0..2000_u16,
                (0..200_u8, prop::option::of(0..50_u64), prop::bool::weighted(0.02), any::<[bool; 3]>()),
                0..200,
            )
        ) -> Vec<Candidate> {
            let candidate = |(number, (org, range, is_sibling, flags))| {
                let [is_connected, has_missing, is_silent] = flags;
                Candidate {
                    node: node(number),
                    org: OrgId::from_bytes([org; 32]),
                    range,
                    is_sibling,
                    is_connected,
                    has_missing,
                    is_silent,
                }
            };
            all.into_iter().map(candidate).collect()
        }
    }

    fn count(chosen: &[NodeId], among: &[Candidate], is: impl Fn(&Candidate) -> bool) -> usize {
        let chosen: BTreeSet<_> = chosen.iter().collect();
        among
            .iter()
            .filter(|it| chosen.contains(&it.node) && is(it))
            .count()
    }

    proptest! {
        #[test]
        fn the_set_is_bounded_and_full(all in candidates(), own: [u8; 32], entropy: [u8; 32]) {
            let chosen = choose(&NodeId::from_bytes(own), &all, &entropy);
            let siblings = all.iter().filter(|it| it.is_sibling).count();
            let expected = match all.len() <= limits::CONNECT_ALL_MAX_NODES {
                true => all.len(),
                false => all.len().min(siblings + limits::CONNECT_NODES),
            };
            prop_assert_eq!(chosen.len(), expected);
            prop_assert_eq!(count(&chosen, &all, |_| true), expected, "nobody twice, nobody else");
            prop_assert_eq!(count(&chosen, &all, |it| it.is_sibling), siblings);
        }

        #[test]
        fn it_depends_on_the_set_alone(
            (all, shuffled) in candidates().prop_flat_map(|all| {
                (Just(all.clone()), Just(all).prop_shuffle())
            }),
            own: [u8; 32],
            entropy: [u8; 32],
        ) {
            let own = NodeId::from_bytes(own);
            prop_assert_eq!(choose(&own, &all, &entropy), choose(&own, &shuffled, &entropy));
        }

        #[test]
        fn nobody_fills_it_while_others_are_there(
            all in candidates(), own: [u8; 32], entropy: [u8; 32], from in 0..200_usize,
        ) {
            // One organisation, in one range, runs many nodes; enough others have one each.
            let mut crowd: Vec<Candidate> = all.into_iter().filter(|it| !it.is_sibling).collect();
            let first = crowd.len().min(from);
            for it in crowd.iter_mut().skip(first) {
                it.org = OrgId::from_bytes([255; 32]);
                it.range = Some(999);
            }
            for number in 0..u8::try_from(limits::CONNECT_ALL_MAX_NODES + 1).unwrap() {
                crowd.push(Candidate {
                    node: node(5000 + u16::from(number)),
                    org: OrgId::from_bytes([number; 32]),
                    range: Some(2000 + u64::from(number)),
                    is_sibling: false,
                    is_connected: false,
                    has_missing: false,
                    is_silent: true,
                });
            }
            let chosen = choose(&NodeId::from_bytes(own), &crowd, &entropy);
            let theirs = count(&chosen, &crowd, |it| it.org == OrgId::from_bytes([255; 32]));
            prop_assert!(theirs <= limits::CONNECT_PER_ORG_NODES, "{} of one", theirs);
            let of_range = count(&chosen, &crowd, |it| it.range == Some(999));
            prop_assert!(of_range <= limits::CONNECT_PER_RANGE_NODES);
        }
    }

    fn plain(number: u16) -> Candidate {
        Candidate {
            node: node(number),
            org: OrgId::from_bytes([u8::try_from(number % 251).unwrap(); 32]),
            range: None,
            is_sibling: false,
            is_connected: false,
            has_missing: false,
            is_silent: false,
        }
    }

    #[test]
    fn what_is_missing_comes_first_and_one_is_always_drawn() {
        let mut all: Vec<Candidate> = (0..200).map(plain).collect();
        for it in all.iter_mut().take(100) {
            it.is_connected = true;
        }
        for it in all.iter_mut().skip(190) {
            it.has_missing = true;
        }
        let own = NodeId::from_bytes([9; 32]);
        let mut drawn = BTreeSet::new();
        let kept = choose(&own, &all, &[0; 32]);
        for n in 0..50 {
            let chosen = choose(&own, &all, &[n; 32]);
            assert_eq!(count(&chosen, &all, |it| it.has_missing), 10);
            assert!(count(&chosen, &all, |it| it.is_connected) >= limits::CONNECT_NODES - 11);
            drawn.extend(chosen.into_iter().filter(|it| !kept.contains(it)));
        }
        assert!(
            drawn.len() > 20,
            "the draw reaches everybody: {}",
            drawn.len()
        );
        let other = choose(&NodeId::from_bytes([8; 32]), &all, &[0; 32]);
        assert_ne!(kept, other, "each node has an order of its own");
        for it in &mut all {
            it.is_silent = it.has_missing;
        }
        let chosen = choose(&own, &all, &[0; 32]);
        assert_eq!(count(&chosen, &all, |it| it.is_silent), 0);
    }
}
