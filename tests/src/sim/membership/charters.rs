//! How charters are amended.

use fingerpost_proto::card::Acceptance;
use fingerpost_proto::certificate::{Amendment, FORMAT};
use fingerpost_proto::ids::CharterId;
use fingerpost_proto::replica::{Item, Outcome};
use fingerpost_proto::signed::Signed;

use super::world::World;

impl World {
    /// Proposes a new text to replace the one in force.
    pub(super) fn propose(&mut self, node: usize) -> bool {
        let network = self.network;
        let Some(previous) = self.text_in_force(node) else {
            return false;
        };
        let proposer = self.own_id(node);
        let amendment = Amendment {
            format: FORMAT,
            network,
            previous,
            name: "Simulated".into(),
            text: format!("As proposed at {}", self.now),
            vouches_needed: self.random.between(1, 3) as u32,
            proposer,
            node: self.nodes[node].id,
            proposed_at_s: self.clock_s(node),
        };
        let item = Item::Amendment {
            amendment: Signed::sign(amendment, &self.nodes[node].key).to_bytes(),
            delegation: self.delegation(node).to_bytes(),
        };
        let now_s = self.clock_s(node);
        let checked = item.clone().check().expect("it is well formed");
        let outcome = self.nodes[node].replica.receive(now_s, checked);
        if !matches!(outcome, Ok(Outcome::Accepted(_))) {
            return false;
        }
        self.flush(node);
        // A new text is sent round.
        for _ in 0..self.nodes.len() / 10 {
            self.announce(node, &item);
        }
        true
    }

    /// Accepts the proposal that most have accepted already.
    pub(super) fn accept(&mut self, node: usize) -> bool {
        let network = self.network;
        let Some(previous) = self.text_in_force(node) else {
            return false;
        };
        let replica = &mut self.nodes[node].replica;
        let known = replica.amendments(&network).expect("memory does not fail");
        let Some(roster) = replica.roster(&network) else {
            return false;
        };
        let open = known
            .into_iter()
            .filter(|(_, it)| it.get().previous == previous);
        let best = open
            .map(|(id, _)| {
                (
                    roster.tally(&id).map_or(0, |tally| tally.accepted.len()),
                    id,
                )
            })
            .max();
        let Some((_, amendment)) = best else {
            return false;
        };
        let at_s = self.clock_s(node);
        self.edit(node, |_, membership| {
            let acceptance = Acceptance { amendment, at_s };
            let before = membership.amendments.insert(previous, acceptance);
            before.is_none_or(|before| before.amendment != amendment)
        })
    }

    fn text_in_force(&mut self, node: usize) -> Option<CharterId> {
        self.nodes[node]
            .replica
            .roster(&self.network)?
            .charter_in_force()
    }
}
