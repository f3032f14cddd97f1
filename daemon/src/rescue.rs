//! What a node needs to find its way back when its store is lost: the charters of its networks and the
//! addresses of their nodes, in a small file beside the store.
//!
//! Nothing in it is secret from members, and nothing in it is trusted: a charter is checked by its hash, and
//! what peers send is checked as always.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use fingerpost_proto::ids::{NetworkId, NodeId};
use fingerpost_proto::limits;
use serde::{Deserialize, Serialize};

const FORMAT: u32 = 1;
/// Most nodes that are written down.
pub const NODES_MAX: usize = 64;
const FILE_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// The content of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rescue {
    format: u32,
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
            format: FORMAT,
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

    /// Reads the file in a home; one that is missing, or that cannot be read, holds nothing.
    pub fn load(home: &Path) -> Self {
        let path = file(home);
        let small = std::fs::metadata(&path).is_ok_and(|meta| meta.len() <= FILE_MAX_BYTES);
        let read = small.then(|| std::fs::read(&path).ok()).flatten();
        read.and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// What the system said; the file is as it was.
    pub fn save(&self, home: &Path) -> std::io::Result<()> {
        let bytes = serde_json::to_vec_pretty(self).map_err(std::io::Error::other)?;
        write_whole(&file(home), &bytes)
    }
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
    home.join("rescue.json")
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
}
