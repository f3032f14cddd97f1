//! Events that the node has not taken yet.

use std::collections::VecDeque;

use fingerpost_proto::ids::NodeId;
use libp2p::gossipsub::MessageId;

use super::NetEvent;

/// From this many events on, those are dropped that the node can do without.
const OUTBOX_MAX: usize = 1024;

/// A queue that stays short however slowly it is emptied: gossip is bounded by what may wait for
/// judgement, connections by folding, everything else by [`OUTBOX_MAX`].
#[derive(Debug, Default)]
pub(super) struct Outbox {
    events: VecDeque<NetEvent>,
    dropped: u64,
}

impl Outbox {
    /// Adds an event.
    pub(super) fn push(&mut self, event: NetEvent) {
        match &event {
            NetEvent::Disconnected { node } if self.unsay_connected(node) => return,
            NetEvent::Connected { .. }
            | NetEvent::Disconnected { .. }
            | NetEvent::Gossip { .. } => {}
            _ if self.events.len() >= OUTBOX_MAX => {
                self.dropped += 1;
                tracing::debug!(
                    dropped = self.dropped,
                    "dropped an event: the node is behind"
                );
                return;
            }
            _ => {}
        }
        self.events.push_back(event);
    }

    /// Takes out the news that a node came, which nobody has heard: now that it went, nobody need.
    /// So there are never more than two events of one node.
    fn unsay_connected(&mut self, gone: &NodeId) -> bool {
        let is_said =
            |event: &NetEvent| matches!(event, NetEvent::Connected { node, .. } if node == gone);
        let Some(at) = self.events.iter().rposition(is_said) else {
            return false;
        };
        self.events.remove(at);
        true
    }

    /// Takes out a piece of gossip that has waited for too long.
    pub(super) fn forget(&mut self, id: &MessageId) {
        self.events.retain(
            |event| !matches!(event, NetEvent::Gossip { message, .. } if message.id == *id),
        );
    }

    /// The next event.
    pub(super) fn pop(&mut self) -> Option<NetEvent> {
        self.events.pop_front()
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::MessageRef;
    use fingerpost_proto::ids::NetworkId;
    use libp2p::PeerId;

    fn connected(n: u8) -> NetEvent {
        let node = NodeId::from_bytes([n; 32]);
        NetEvent::Connected {
            node,
            address: String::new(),
            outbound: true,
        }
    }

    fn disconnected(n: u8) -> NetEvent {
        NetEvent::Disconnected {
            node: NodeId::from_bytes([n; 32]),
        }
    }

    #[test]
    fn comings_and_goings_that_nobody_heard_fold_away() {
        let mut outbox = Outbox::default();
        outbox.push(disconnected(1));
        for _ in 0..5000 {
            outbox.push(connected(1));
            outbox.push(connected(2));
            outbox.push(disconnected(1));
            outbox.push(disconnected(2));
        }
        outbox.push(connected(1));
        assert!(matches!(outbox.pop(), Some(NetEvent::Disconnected { .. })));
        assert!(matches!(outbox.pop(), Some(NetEvent::Connected { .. })));
        assert!(outbox.is_empty());
    }

    #[test]
    fn what_can_be_done_without_is_dropped_and_connections_are_not() {
        let mut outbox = Outbox::default();
        for _ in 0..OUTBOX_MAX + 7 {
            outbox.push(NetEvent::Warning("a".to_owned()));
        }
        assert_eq!((outbox.events.len(), outbox.dropped), (OUTBOX_MAX, 7));
        outbox.push(connected(1));
        assert_eq!(outbox.events.len(), OUTBOX_MAX + 1);
    }

    #[test]
    fn gossip_that_waited_too_long_is_taken_out() {
        let mut outbox = Outbox::default();
        for n in 0..3_u8 {
            outbox.push(NetEvent::Gossip {
                message: MessageRef {
                    id: MessageId::new(&[n]),
                    source: PeerId::random(),
                },
                from: NodeId::from_bytes([1; 32]),
                network: NetworkId::from_bytes([1; 32]),
                bytes: vec![n],
            });
        }
        outbox.forget(&MessageId::new(&[1]));
        let kept: Vec<_> = std::iter::from_fn(|| outbox.pop()).collect();
        assert!(
            matches!(&kept[..], [NetEvent::Gossip { bytes: a, .. }, NetEvent::Gossip { bytes: b, .. }]
            if *a == [0] && *b == [2])
        );
    }
}
