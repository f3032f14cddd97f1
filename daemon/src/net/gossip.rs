//! Gossip: how new records spread.
//!
//! A hint, not delivery: what gets lost here, sync finds. Every message waits for the node's own
//! judgement before it travels on, and the number that may wait is bounded.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use fingerpost_proto::ids::NetworkId;
use fingerpost_proto::limits;
use fingerpost_proto::record::Hash;
use libp2p::PeerId;
use libp2p::gossipsub::{
    AllowAllSubscriptionFilter, Behaviour, Config, ConfigBuilder, IdentTopic, IdentityTransform,
    MaxCountSubscriptionFilter, Message, MessageAcceptance, MessageAuthenticity, MessageId,
    PeerScoreParams, PeerScoreThresholds, TopicScoreParams, ValidationMode,
};

/// Most messages that may wait for the node's judgement.
pub const PENDING_MAX: usize = 256;
/// How long a message may wait for it. gossipsub forgets it a little later.
const PENDING_AGE_MAX: Duration = Duration::from_secs(9);
/// Heartbeats for which gossipsub remembers a message.
const HISTORY_HEARTBEATS: usize = 12;
/// How long a message is known as seen.
const SEEN: Duration = Duration::from_secs(10 * 60);
/// Room for what gossipsub puts around a message, in bytes.
const ENVELOPE_BYTES: usize = 1024;
/// Most messages that wait to be sent to one node. A node that is slower gets the rest by sync.
const QUEUE_MAX: usize = 256;
/// From this size on, in bytes, nodes tell one another what they have got already.
const IDONTWANT_BYTES: usize = 256;
/// Wanted, fewest, most neighbours in a network's mesh, and how many of them we called ourselves:
/// for small networks.
const MESH: Mesh = Mesh {
    n: 4,
    low: 2,
    high: 8,
    outbound: 1,
};

/// How two pieces of gossip, and the topics, are told apart.
const ID_BYTES: usize = 20;
const TOPIC_BYTES: usize = 16;

/// The behaviour as we use it: with a bound on what others may subscribe to.
pub(super) type Gossip =
    Behaviour<IdentityTransform, MaxCountSubscriptionFilter<AllowAllSubscriptionFilter>>;

struct Mesh {
    n: usize,
    low: usize,
    high: usize,
    outbound: usize,
}

impl Mesh {
    /// gossipsub checks this for topics with settings of their own only.
    const fn is_sound(&self) -> bool {
        self.outbound < self.low
            && self.low <= self.n
            && self.n <= self.high
            && self.outbound * 2 <= self.n
    }
}

const _: () = assert!(
    MESH.is_sound(),
    "the mesh parameters contradict one another"
);
const _: () = assert!(HISTORY_HEARTBEATS as u64 > PENDING_AGE_MAX.as_secs());

/// The topic of a network. It tells a stranger nothing about the network.
pub(super) fn topic(network: &NetworkId) -> IdentTopic {
    let mut bytes = b"fingerpost/topic/1\0".to_vec();
    bytes.extend_from_slice(network.as_bytes());
    let hash = Hash::of(&bytes).0;
    let head = hash
        .first_chunk::<TOPIC_BYTES>()
        .map_or(&[][..], |head| &head[..]);
    IdentTopic::new(format!(
        "fingerpost/1/{}",
        data_encoding::HEXLOWER.encode(head)
    ))
}

fn message_id(message: &Message) -> MessageId {
    let topic = message.topic.as_str().as_bytes();
    let mut bytes = Vec::with_capacity(topic.len() + 1 + message.data.len());
    bytes.extend_from_slice(topic);
    bytes.push(0);
    bytes.extend_from_slice(&message.data);
    let hash = Hash::of(&bytes).0;
    MessageId::new(
        hash.first_chunk::<ID_BYTES>()
            .map_or(&[][..], |head| &head[..]),
    )
}

fn config() -> Result<Config, String> {
    ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(message_id)
        .max_transmit_size(limits::GOSSIP_MAX_BYTES + ENVELOPE_BYTES)
        .duplicate_cache_time(SEEN)
        .heartbeat_initial_delay(Duration::from_millis(200))
        .heartbeat_interval(Duration::from_secs(1))
        .history_length(HISTORY_HEARTBEATS)
        // Each round of telling what we have costs bytes on a quiet network, and sync backs it up.
        .history_gossip(2)
        .gossip_lazy(3)
        .mesh_n(MESH.n)
        .mesh_n_low(MESH.low)
        .mesh_n_high(MESH.high)
        .mesh_outbound_min(MESH.outbound)
        .flood_publish(true)
        .idontwant_message_size_threshold(IDONTWANT_BYTES)
        .connection_handler_queue_len(QUEUE_MAX)
        .build()
        .map_err(|error| error.to_string())
}

/// Penalties for messages that are a sender's fault (P4) and for breaking gossipsub's own rules
/// (P7). None for silence (P3), for a topic may be quiet for days; none for sharing an address (P6),
/// for so does everybody in an office.
fn scoring() -> (PeerScoreParams, PeerScoreThresholds) {
    let params = PeerScoreParams {
        topic_score_cap: 50.0,
        app_specific_weight: 0.0,
        ip_colocation_factor_weight: 0.0,
        ip_colocation_factor_threshold: 1000.0,
        behaviour_penalty_weight: -1.0,
        behaviour_penalty_threshold: 6.0,
        behaviour_penalty_decay: 0.9,
        retain_score: Duration::from_secs(10 * 60),
        ..PeerScoreParams::default()
    };
    (params, PeerScoreThresholds::default())
}

fn topic_scoring() -> TopicScoreParams {
    TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 600.0,
        first_message_deliveries_weight: 0.5,
        first_message_deliveries_decay: 0.99,
        first_message_deliveries_cap: 20.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        // Three messages that are its fault and a sender is not listened to any more; the count
        // halves in about a minute.
        invalid_message_deliveries_weight: -12.0,
        invalid_message_deliveries_decay: 0.99,
        ..TopicScoreParams::default()
    }
}

/// Makes the behaviour.
///
/// # Errors
/// What is wrong with the parameters of this file.
pub(super) fn behaviour(networks_max: usize) -> Result<Gossip, String> {
    let filter = MaxCountSubscriptionFilter {
        filter: AllowAllSubscriptionFilter::default(),
        max_subscribed_topics: networks_max,
        max_subscriptions_per_request: networks_max,
    };
    let mut gossip = Gossip::new_with_subscription_filter_and_transform(
        MessageAuthenticity::Anonymous,
        config()?,
        filter,
        IdentityTransform,
    )?;
    let (params, thresholds) = scoring();
    gossip.with_peer_score(params, thresholds)?;
    Ok(gossip)
}

/// Subscribes to the topic of a network.
///
/// # Errors
/// What gossipsub said.
pub(super) fn subscribe(gossip: &mut Gossip, topic: &IdentTopic) -> Result<bool, String> {
    gossip.set_topic_params(topic.clone(), topic_scoring())?;
    gossip.subscribe(topic).map_err(|error| error.to_string())
}

/// The messages that wait for the node's judgement.
#[derive(Debug, Default)]
pub(super) struct Pending {
    sources: HashMap<MessageId, PeerId>,
    arrivals: VecDeque<(Instant, MessageId)>,
}

impl Pending {
    /// Notes a message; `false` when too many wait, and then it is to be ignored.
    pub(super) fn push(&mut self, id: MessageId, source: PeerId, now: Instant) -> bool {
        if self.sources.len() >= PENDING_MAX {
            return false;
        }
        self.arrivals.push_back((now, id.clone()));
        self.sources.insert(id, source);
        true
    }

    /// Takes a message out that the node has judged; `false` when it waits no more.
    pub(super) fn take(&mut self, id: &MessageId) -> bool {
        self.sources.remove(id).is_some()
    }

    /// The messages that have waited for too long, which are to be ignored.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<(MessageId, PeerId)> {
        let mut expired = Vec::new();
        while let Some((at, id)) = self.arrivals.front() {
            let is_old = now.saturating_duration_since(*at) > PENDING_AGE_MAX;
            if !is_old && self.sources.contains_key(id) {
                break;
            }
            if let Some((_, id)) = self.arrivals.pop_front()
                && let Some(source) = self.sources.remove(&id)
            {
                expired.push((id, source));
            }
        }
        // Judged messages behind one that waits: without this they would pile up.
        if self.arrivals.len() > PENDING_MAX * 2 {
            let sources = &self.sources;
            self.arrivals.retain(|(_, id)| sources.contains_key(id));
        }
        expired
    }
}

/// What the node thinks of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// Good: it travels on.
    Accept,
    /// The sender's fault: it does not travel on, and the sender loses standing.
    Reject,
    /// Unknown, stale or unclear: it does not travel on, and nobody is blamed.
    Ignore,
}

impl From<Acceptance> for MessageAcceptance {
    fn from(acceptance: Acceptance) -> Self {
        match acceptance {
            Acceptance::Accept => Self::Accept,
            Acceptance::Reject => Self::Reject,
            Acceptance::Ignore => Self::Ignore,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_are_taken() {
        let mut gossip = behaviour(8).unwrap();
        assert!(subscribe(&mut gossip, &topic(&NetworkId::from_bytes([1; 32]))).unwrap());
        topic_scoring().validate().unwrap();
        let config = config().unwrap();
        assert_eq!(config.mesh_n(), MESH.n);
        assert!(config.duplicate_cache_time() >= Duration::from_secs(300));
    }

    #[test]
    fn topics_differ_and_do_not_show_the_network() {
        let network = NetworkId::from_bytes([1; 32]);
        let name = topic(&network).to_string();
        assert!(name.starts_with("fingerpost/1/"));
        assert_eq!(name, topic(&network).to_string());
        assert_ne!(name, topic(&NetworkId::from_bytes([2; 32])).to_string());
        assert!(!name.contains(&data_encoding::HEXLOWER.encode(&[1; 4])));
    }

    #[test]
    fn the_same_words_in_two_networks_are_two_messages() {
        let message = |network: u8, data: &[u8]| Message {
            source: None,
            data: data.to_vec(),
            sequence_number: None,
            topic: topic(&NetworkId::from_bytes([network; 32])).hash(),
        };
        assert_eq!(message_id(&message(1, b"a")), message_id(&message(1, b"a")));
        assert_ne!(message_id(&message(1, b"a")), message_id(&message(1, b"b")));
        assert_ne!(message_id(&message(1, b"a")), message_id(&message(2, b"a")));
    }

    #[test]
    fn only_so_many_messages_wait_and_none_for_ever() {
        let mut pending = Pending::default();
        let (now, peer) = (Instant::now(), PeerId::random());
        let id = |n: usize| MessageId::new(&n.to_be_bytes());
        for n in 0..PENDING_MAX {
            assert!(pending.push(id(n), peer, now));
        }
        assert!(!pending.push(id(PENDING_MAX), peer, now), "one too many");
        assert!(pending.take(&id(0)));
        assert!(!pending.take(&id(0)), "judged once");
        assert!(pending.push(id(PENDING_MAX), peer, now));
        assert!(pending.take_expired(now).is_empty());
        let later = now + PENDING_AGE_MAX + Duration::from_millis(1);
        assert_eq!(pending.take_expired(later).len(), PENDING_MAX);
        assert!(pending.push(id(1), peer, later), "there is room again");
    }

    #[test]
    fn judged_messages_do_not_pile_up_behind_one_that_waits() {
        let mut pending = Pending::default();
        let (now, peer) = (Instant::now(), PeerId::random());
        assert!(pending.push(MessageId::new(b"waits"), peer, now));
        for n in 0..PENDING_MAX * 8 {
            let id = MessageId::new(&n.to_be_bytes());
            assert!(pending.push(id.clone(), peer, now));
            assert!(pending.take(&id));
            assert!(pending.take_expired(now).is_empty());
        }
        assert!(pending.arrivals.len() <= PENDING_MAX * 2);
    }
}
