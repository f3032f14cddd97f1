//! What a node needs to find its way back when its store is lost: the charters of its networks and the
//! addresses of their nodes, in a small file beside the store. It is written several times over, each line with a
//! checksum: whatever has damaged the store may have touched this file as well.
//!
//! Nothing in it is secret from members, and nothing in it is trusted: a charter is checked by its hash, and
//! what peers send is checked as always.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use fingerpost_proto::ids::{NetworkId, NodeId};
use fingerpost_proto::limits;
use fingerpost_proto::record::Hash;
use serde::{Deserialize, Serialize};

/// Most nodes that are written down.
pub const NODES_MAX: usize = 64;
const FILE_MAX_BYTES: u64 = 8 * 1024 * 1024;
/// How often everything is written: a disk that has damaged the store may have damaged this file as well.
const COPIES: usize = 4;
/// A charter is written in pieces of so many characters, so that a damaged byte costs one of them.
const PIECE_CHARS: usize = 512;
/// Hexadecimal digits of the hash that stands before each line.
const CHECK_CHARS: usize = 16;

/// What one line says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// A piece of a charter in base64: of which network, which of how many, and the piece.
    Charter(NetworkId, usize, usize, String),
    /// Where to find a member's node.
    Node(NodeId, Vec<String>),
}

/// The content of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rescue {
    /// The charters, in base64, by network.
    charters: BTreeMap<NetworkId, String>,
    /// Where to find nodes of members.
    nodes: BTreeMap<NodeId, Vec<String>>,
}

impl Rescue {
    /// What to write down.
    pub fn new(
        charters: impl IntoIterator<Item = (NetworkId, Vec<u8>)>,
        nodes: impl IntoIterator<Item = (NodeId, Vec<String>)>,
    ) -> Self {
        Self {
            charters: charters
                .into_iter()
                .map(|(id, c)| (id, BASE64.encode(&c)))
                .collect(),
            nodes: nodes.into_iter().take(NODES_MAX).collect(),
        }
    }

    /// The charters that fit their network's id.
    pub fn charters(&self) -> Vec<fingerpost_proto::charter::Charter> {
        let parsed = self.charters.iter().filter_map(|(network, text)| {
            let bytes = BASE64.decode(text.as_bytes()).ok()?;
            fingerpost_proto::charter::Charter::parse(&bytes, network).ok()
        });
        parsed.take(limits::NETWORKS_PER_ORG_MAX).collect()
    }

    /// The nodes.
    pub fn nodes(&self) -> &BTreeMap<NodeId, Vec<String>> {
        &self.nodes
    }

    /// Reads the file in a home. Of one that is damaged counts every line that is whole in any of its copies; one
    /// that is missing holds nothing.
    pub fn load(home: &Path) -> Self {
        let path = file(home);
        let small = std::fs::metadata(&path).is_ok_and(|meta| meta.len() <= FILE_MAX_BYTES);
        let read = small.then(|| std::fs::read(&path).ok()).flatten();
        Self::parse(&read.unwrap_or_default())
    }

    /// What whole lines say; of a file that is none of this node's, that is nothing.
    pub fn parse(bytes: &[u8]) -> Self {
        let lines: BTreeSet<Line> = bytes
            .split(|byte| *byte == b'\n')
            .filter_map(whole)
            .collect();
        let mut rescue = Self::default();
        let mut pieces: BTreeMap<(NetworkId, usize), BTreeMap<usize, String>> = BTreeMap::new();
        for line in lines {
            match line {
                Line::Node(node, addresses) if rescue.nodes.len() < NODES_MAX => {
                    rescue.nodes.insert(node, addresses);
                }
                Line::Charter(network, at, of, piece) if is_piece(&piece) => {
                    pieces.entry((network, of)).or_default().insert(at, piece);
                }
                Line::Node(..) | Line::Charter(..) => {}
            }
        }
        for ((network, of), found) in pieces {
            if found.len() == of {
                rescue
                    .charters
                    .insert(network, found.into_values().collect());
            }
        }
        rescue
    }

    fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for (network, text) in &self.charters {
            let pieces = text.as_bytes().chunks(PIECE_CHARS);
            let of = pieces.len();
            for (at, piece) in pieces.enumerate() {
                let piece = String::from_utf8_lossy(piece).into_owned();
                lines.push(Line::Charter(*network, at, of, piece));
            }
        }
        let nodes = self.nodes.iter();
        lines.extend(nodes.map(|(node, addresses)| Line::Node(*node, addresses.clone())));
        lines
    }

    /// The content of the file.
    ///
    /// # Errors
    /// None that is known of: what JSON cannot say.
    pub fn to_bytes(&self) -> std::io::Result<Vec<u8>> {
        let mut copy = String::new();
        for line in self.lines() {
            let text = serde_json::to_string(&line).map_err(std::io::Error::other)?;
            copy.push_str(&format!("{} {text}\n", check_of(text.as_bytes())));
        }
        Ok(copy.repeat(COPIES).into_bytes())
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// What the system said; the file is as it was.
    pub fn save(&self, home: &Path) -> std::io::Result<()> {
        write_whole(&file(home), &self.to_bytes()?)
    }
}

fn is_piece(text: &str) -> bool {
    !text.is_empty() && text.is_ascii()
}

fn check_of(text: &[u8]) -> String {
    let mut check = HEXLOWER.encode(&Hash::of(text).0);
    check.truncate(CHECK_CHARS);
    check
}

/// What a line says, if nothing has happened to it.
fn whole(line: &[u8]) -> Option<Line> {
    let (check, text) = line.split_at_checked(CHECK_CHARS)?;
    let text = text.strip_prefix(b" ")?;
    (check == check_of(text).as_bytes())
        .then(|| serde_json::from_slice(text).ok())
        .flatten()
}

/// Writes a file, whole or not at all.
///
/// # Errors
/// What the system said; the file is as it was.
pub fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    let mut out = std::fs::File::create(&temporary)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    std::fs::rename(&temporary, path)
}

fn file(home: &Path) -> PathBuf {
    home.join("rescue.txt")
}

#[cfg(test)]
mod tests {
    use super::*;
    use fingerpost_proto::charter::{Charter, FORMAT};
    use fingerpost_proto::ids::OrgId;

    #[test]
    fn it_comes_back_and_rubbish_does_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Rescue::load(dir.path()), Rescue::default());
        let charter = Charter {
            format: FORMAT,
            name: "n".into(),
            text: String::new(),
            vouches_needed: 1,
            anchors: vec![OrgId::from_bytes([1; 32])],
            founded_at_s: 1,
            nonce: [0; 16],
        };
        let node = NodeId::from_bytes([2; 32]);
        let forged = (NetworkId::from_bytes([9; 32]), charter.to_bytes());
        let rescue = Rescue::new(
            [(charter.network(), charter.to_bytes()), forged],
            [(node, vec!["/ip4/127.0.0.1/tcp/1".to_owned()])],
        );
        rescue.save(dir.path()).unwrap();
        let read = Rescue::load(dir.path());
        assert_eq!(read, rescue);
        // The one whose hash does not fit its network counts for nothing.
        assert_eq!(read.charters(), [charter]);
        std::fs::write(file(dir.path()), "{").unwrap();
        assert_eq!(Rescue::load(dir.path()), Rescue::default());
    }

    #[test]
    fn damage_to_all_copies_but_one_of_each_line_costs_nothing() {
        let network = NetworkId::from_bytes([3; 32]);
        let charter: Vec<u8> = (0..4_000u32).map(|at| (at % 251) as u8).collect();
        let nodes = (0..9).map(|n| {
            (
                NodeId::from_bytes([n; 32]),
                vec![format!("/ip4/10.0.0.{n}/tcp/1")],
            )
        });
        let rescue = Rescue::new([(network, charter)], nodes);
        let bytes = rescue.to_bytes().unwrap();
        let mut lines: Vec<Vec<u8>> = bytes.split(|it| *it == b'\n').map(<[u8]>::to_vec).collect();
        let in_copy = rescue.lines().len();
        // Each line is hit in every copy but one: another one each time.
        for (at, line) in lines.iter_mut().enumerate() {
            let is_spared = at / in_copy == at % in_copy % COPIES;
            if let Some(byte) = line.get_mut(at % 50).filter(|_| !is_spared) {
                *byte ^= 1;
            }
        }
        let mut bytes = lines.join(&b'\n');
        assert_eq!(Rescue::parse(&bytes), rescue);
        for byte in bytes.iter_mut().step_by(50) {
            *byte ^= 1;
        }
        let left = Rescue::parse(&bytes);
        assert_eq!(left, Rescue::default());
    }
}
