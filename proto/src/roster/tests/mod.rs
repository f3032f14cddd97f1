mod properties;
mod rules;
mod statements;

use super::*;
use crate::card::ProvenVouch;
use crate::charter::FORMAT;
use crate::ids::InviteId;

fn org(n: u8) -> OrgId {
    OrgId::from_bytes([n; 32])
}

fn orgs(all: &[u8]) -> BTreeSet<OrgId> {
    all.iter().map(|n| org(*n)).collect()
}

fn text(n: u8) -> CharterId {
    CharterId::from_bytes([n; 32])
}

fn charter(anchors: &[u8], vouches_needed: u32) -> Charter {
    Charter {
        format: FORMAT,
        name: "n".into(),
        text: String::new(),
        vouches_needed,
        anchors: anchors.iter().map(|n| org(*n)).collect(),
        founded_at_s: 0,
        nonce: [0; 16],
    }
}

fn founding(charter: &Charter) -> CharterId {
    CharterId::from_bytes(*charter.network().as_bytes())
}

fn standing(vouchers: &[u8]) -> Standing {
    Standing {
        epoch: 1,
        vouches: vouchers
            .iter()
            .map(|n| ProvenVouch {
                voucher: org(*n),
                by_invitation: None,
            })
            .collect(),
        ..Standing::default()
    }
}

fn objecting(vouchers: &[u8], to: &[u8]) -> Standing {
    Standing {
        objections: orgs(to),
        ..standing(vouchers)
    }
}

/// A register in which an organisation's later standing takes the place of its earlier one.
fn register(charter: &Charter, standings: impl IntoIterator<Item = (OrgId, Standing)>) -> Register {
    let mut register = Register::new(charter.anchors.iter().copied());
    for (org, standing) in standings {
        register.set(org, Some(standing));
    }
    register
}

fn known(charter: &Charter, standings: &[(u8, Standing)]) -> Register {
    let all = standings.iter();
    register(charter, all.map(|(n, it)| (org(*n), it.clone())))
}

fn roster(charter: &Charter, standings: &[(u8, Standing)]) -> Roster {
    Roster::compute(charter, &BTreeMap::new(), &known(charter, standings))
}
