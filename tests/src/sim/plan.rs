//! What a seed asks for: who takes part, how bad the weather is, and what people and fate do, one act after the
//! other. A scenario is plain data, so that one that fails can be made smaller and played again.

use super::Random;

/// How the network behaves all along, until it heals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weather {
    /// Longest delay of a message, in virtual milliseconds.
    pub delay_max_ms: u64,
    /// Of 1,000 announcements, how many are lost.
    pub loss_per_mille: u64,
    /// Of 1,000 announcements, how many arrive twice.
    pub duplicate_per_mille: u64,
    /// Of 1,000 frames, how many break their session.
    pub cut_per_mille: u64,
    /// Furthest that a node's clock is off from the beginning, in seconds, either way.
    pub clock_off_max_s: u64,
    /// Of 1,000 edits, how many see the power go between the commit and the flush.
    pub crash_before_flush_per_mille: u64,
}

impl Weather {
    /// A network without faults.
    pub const FAIR: Self = Self {
        delay_max_ms: 50,
        loss_per_mille: 0,
        duplicate_per_mille: 0,
        cut_per_mille: 0,
        clock_off_max_s: 0,
        crash_before_flush_per_mille: 0,
    };
}

/// An organisation of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrgPlan {
    /// How many nodes write for it.
    pub nodes: usize,
    /// Whether its nodes break the rules.
    pub hostile: bool,
    /// Whether it is a member from the beginning; else it joins when an [`Act::Join`] asks for it.
    pub founding: bool,
}

/// How a hostile node attacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// Old items again.
    Replay,
    /// Bits of real items flipped.
    Flip,
    /// Records in another organisation's name, under its own or a made-up delegation.
    Forge,
    /// Two records at one place, each told to others.
    Equivocate,
    /// Random bytes, and cards of organisations that nobody vouched for.
    Flood,
    /// The right record with the wrong state.
    Garbage,
    /// Records dated outside the delegation that covers them.
    OutOfWindow,
    /// More bytes than a member without a voice has room for, by organisations of its own making.
    Fill,
    /// A departure in another organisation's name.
    SayGone,
    /// Cards with more and later statements about others than anybody believes.
    Slander,
}

const ATTACKS: [Attack; 9] = [
    Attack::Replay,
    Attack::Flip,
    Attack::Forge,
    Attack::Equivocate,
    Attack::Flood,
    Attack::Garbage,
    Attack::OutOfWindow,
    Attack::SayGone,
    Attack::Slander,
];

/// What somebody does, or what befalls a node. Organisations and nodes are named by a number that is taken modulo
/// how many there are, so that every act means something in a smaller scenario as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the fields say it")]
pub enum Act {
    /// An item is added to a document.
    Edit { org: u32, by: u32, document: u8 },
    /// An item is taken out of a document.
    Erase { org: u32, by: u32, document: u8 },
    /// The card is written anew.
    Card { org: u32, by: u32 },
    /// The organisation leaves.
    Leave { org: u32, by: u32 },
    /// It comes back.
    ComeBack { org: u32, by: u32 },
    /// The next organisation that is waiting joins by the ticket of this node.
    Join { inviter: u32 },
    /// A node is stolen; a sibling revokes it, and the thief goes on writing.
    Steal { org: u32 },
    /// A thief or hostile node does its worst.
    Attack { by: u32, how: Attack },
    /// The power goes.
    Crash { node: u32, down_ms: u64 },
    /// A copy of the store is made.
    Backup { node: u32 },
    /// The last copy of one of the nodes that have one is put back; the node is told so, or is not.
    Restore { node: u32, told: bool },
    /// Writes fail for a while.
    DiskFull { node: u32, for_ms: u64 },
    /// All that a node sends is slow for a while.
    Slow { node: u32, by_ms: u64, for_ms: u64 },
    /// The network falls apart; `draw` says who is where.
    Partition { sides: u64, draw: u64, for_ms: u64 },
    /// A node hears and is not heard, or the other way round.
    OneWay { node: u32, mute: bool, for_ms: u64 },
    /// A node's clock is wrong from now on, by so many seconds.
    Clock { node: u32, off_s: i64 },
}

/// An act and its time, in virtual milliseconds.
pub type Timed = (u64, Act);

/// Everything that a run follows from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// Keys and chance follow from it.
    pub seed: u64,
    /// Vouches that a newcomer needs.
    pub vouches_needed: u32,
    /// Who takes part. The first `vouches_needed` are the anchors.
    pub orgs: Vec<OrgPlan>,
    /// How the network behaves.
    pub weather: Weather,
    /// Mean time between two sync sessions that a node begins, in virtual milliseconds.
    pub sync_every_ms: u64,
    /// Of 1,000 nodes, how many follow a part of what there is. While some do, listings name areas.
    pub followers_per_mille: u64,
    /// What happens, in the order of time.
    pub acts: Vec<Timed>,
}

const FOLLOWERS_PER_MILLE: u64 = 400;
/// How long people work and things go wrong, in virtual milliseconds.
const BUSY_MS: u64 = 120_000;

impl Scenario {
    /// The scenario of a seed with about so many nodes.
    pub fn of(seed: u64, nodes: usize) -> Self {
        let mut random = Random::new(seed ^ 0x5157_4f52_4c44_0002);
        let vouches_needed = random.between(1, 2) as u32;
        let orgs = orgs(&mut random, nodes, vouches_needed as usize);
        let weather = Weather {
            delay_max_ms: random.between(5, 2_500),
            loss_per_mille: random.between(0, 500),
            duplicate_per_mille: random.between(0, 200),
            cut_per_mille: random.between(0, 150),
            clock_off_max_s: random.between(0, 250),
            crash_before_flush_per_mille: 30,
        };
        let sync_every_ms = random.between(6_000, 14_000);
        let mut acts: Vec<Timed> = Vec::new();
        let work = orgs.len() as u64 * random.between(3, 7);
        for _ in 0..work {
            acts.push((random.below(BUSY_MS), work_act(&mut random)));
        }
        for _ in 0..(nodes as u64 / 2).max(6) {
            acts.push((random.below(BUSY_MS), fault(&mut random)));
        }
        for _ in 0..random.between(1, 4) {
            acts.push((
                random.below(BUSY_MS),
                Act::Partition {
                    sides: random.between(2, 3),
                    draw: random.bits(),
                    for_ms: random.between(5_000, 40_000),
                },
            ));
        }
        let waiting = orgs.iter().filter(|org| !org.founding).count() as u64;
        for _ in 0..waiting * 2 {
            let inviter = random.bits() as u32;
            acts.push((random.below(BUSY_MS * 3 / 4), Act::Join { inviter }));
        }
        if orgs.iter().any(|org| org.hostile) {
            for _ in 0..(nodes as u64 / 3).clamp(8, 60) {
                acts.push((random.below(BUSY_MS), attack(&mut random)));
            }
            // It costs megabytes, so it happens in small scenarios only.
            if nodes <= 20 && random.chance(250) {
                let by = random.bits() as u32;
                let how = Attack::Fill;
                acts.push((random.below(BUSY_MS), Act::Attack { by, how }));
            }
        }
        acts.sort_by_key(|(at_ms, _)| *at_ms);
        Self {
            seed,
            vouches_needed,
            orgs,
            weather,
            sync_every_ms,
            followers_per_mille: 0,
            acts,
        }
    }

    /// The same where some nodes follow a part only.
    #[must_use]
    pub fn following(self) -> Self {
        Self {
            followers_per_mille: FOLLOWERS_PER_MILLE,
            ..self
        }
    }

    /// Whether a node follows a part only.
    pub(super) fn is_follower(&self, node: usize) -> bool {
        let mut random = Random::new(self.seed ^ ((node as u64) << 32) ^ 0x464f_4c4c_4f57);
        random.chance(self.followers_per_mille)
    }
}

fn orgs(random: &mut Random, nodes: usize, anchors: usize) -> Vec<OrgPlan> {
    let mut orgs: Vec<OrgPlan> = Vec::new();
    let mut count = 0;
    while count < nodes || orgs.len() < anchors + 2 {
        let of_org = match random.below(10) {
            0..6 => 1,
            6..9 => 2,
            _ => 3,
        };
        let later = orgs.len() > anchors;
        orgs.push(OrgPlan {
            nodes: of_org,
            hostile: later && random.chance(120),
            founding: !later || random.chance(850),
        });
        count += of_org;
    }
    orgs
}

fn work_act(random: &mut Random) -> Act {
    let (org, by) = (random.bits() as u32, random.bits() as u32);
    let document = random.below(3) as u8;
    match random.below(100) {
        0..62 => Act::Edit { org, by, document },
        62..77 => Act::Erase { org, by, document },
        77..84 => Act::Card { org, by },
        84..88 => Act::Leave { org, by },
        88..96 => Act::ComeBack { org, by },
        _ => Act::Steal { org },
    }
}

fn fault(random: &mut Random) -> Act {
    let node = random.bits() as u32;
    let for_ms = random.between(3_000, 30_000);
    match random.below(100) {
        0..30 => Act::Crash {
            node,
            down_ms: random.between(500, 20_000),
        },
        30..45 => Act::Backup { node },
        45..60 => Act::Restore {
            node,
            told: random.chance(500),
        },
        60..70 => Act::DiskFull { node, for_ms },
        70..80 => Act::Slow {
            node,
            by_ms: random.between(1_000, 15_000),
            for_ms,
        },
        80..90 => Act::OneWay {
            node,
            mute: random.chance(500),
            for_ms,
        },
        _ => Act::Clock {
            node,
            off_s: random.below(2 * DAYS_OFF_S) as i64 - DAYS_OFF_S as i64,
        },
    }
}

/// Furthest that a clock jumps, in seconds.
pub(super) const DAYS_OFF_S: u64 = 4 * 86_400;

fn attack(random: &mut Random) -> Act {
    Act::Attack {
        by: random.bits() as u32,
        how: *random.pick(&ATTACKS).expect("there are some"),
    }
}
