//! Bundles: what a network's members may see of it, in one file.
//!
//! A bundle is for where no wire reaches: a stick, an e-mail, a place without internet. It is text, one item a line,
//! and the items are those that [`sync`](crate::sync) sends; so whoever takes one in checks each like anything that a
//! peer sends, and need not trust the one who made it. Their order is such that nothing has to wait for what comes
//! after it. `docs/protocol/bundles.md` has the form.
//!
//! ```text
//! write     Contents::collect -> sift until it answers false -> header, charter_line -> poll_items and item_line
//!           until there are no more -> end_line
//! read      Reader::handle_bytes -> poll until it has nothing more … Reader::handle_end -> poll -> ending
//! ```

mod contents;
mod lines;
mod reader;
#[cfg(test)]
mod tests;

use data_encoding::BASE64;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::cbor::{self, CborError};
use crate::charter::{Charter, CharterError};
use crate::ids::{CharterId, NetworkId, NodeId};
use crate::json;
use crate::limits;
use crate::replica::{Item, Replica, ReplicaError};
use crate::storage::Storage;
use crate::sync::FetchedCharter;

pub use contents::Contents;
pub use reader::{Ending, Event, Reader, read_charter_line};

/// The only format of this version.
pub const FORMAT: u32 = 1;
const KIND: &str = "bundle";
const CHARTER: &str = "charter ";
const END: &str = "end ";

/// The first line. Nothing in it is signed: it says what to expect, and no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    kind: String,
    format: u32,
    /// The network.
    pub network: NetworkId,
    /// Its name, as the maker knows it.
    pub name: String,
    /// The node that made the bundle.
    pub node: NodeId,
    /// When, in seconds since 1970-01-01 UTC.
    pub made_at_s: u64,
    /// If only what was issued since a moment is in it, that moment.
    pub since_s: Option<u64>,
    /// How many items of each kind it was to hold.
    pub items: Counts,
}

/// How many items of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records of cards.
    pub cards: u64,
    /// Departures.
    pub departures: u64,
    /// Amendments of the charter.
    pub amendments: u64,
    /// Records of listings and boards.
    pub documents: u64,
    /// Sealed documents.
    pub sealed: u64,
}

impl Counts {
    /// All of them together.
    pub fn total(&self) -> u64 {
        let all = [
            self.cards,
            self.departures,
            self.amendments,
            self.documents,
            self.sealed,
        ];
        all.into_iter().fold(0, u64::saturating_add)
    }
}

/// Why a file is no bundle, or goes on for too long. What was taken from it before is sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The first line is not that of a bundle, or is damaged.
    #[error("the first line is not that of a bundle, or it is damaged")]
    BadHeader,
    /// A format that this version does not know.
    #[error("the bundle was made by a newer version (format {0})")]
    UnknownFormat(u32),
    /// More items than one bundle may have.
    #[error("more than {} items", limits::BUNDLE_ITEMS_MAX)]
    TooManyItems,
    /// More bytes than one bundle may have.
    #[error("more than {} GiB", limits::BUNDLE_MAX_BYTES >> 30)]
    TooLarge,
}

/// Why a line is no item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Longer than a line may be.
    #[error("the line is longer than {} KiB", limits::BUNDLE_LINE_MAX_BYTES / 1024)]
    TooLong,
    /// The file ends in the middle of it.
    #[error("the file ends in the middle of this line")]
    CutOff,
    /// Not base64.
    #[error("the line is damaged: not base64")]
    NotBase64,
    /// It cannot be decompressed, or not to an item's size.
    #[error("the line is damaged: it does not decompress, or to more than an item may have")]
    NotCompressed,
    /// What it holds is no item.
    #[error("no item: {0}")]
    Malformed(#[from] CborError),
    /// Not the charter of the bundle's network.
    #[error("the charter: {0}")]
    Charter(#[from] CharterError),
    /// A charter was read already.
    #[error("a second charter")]
    SecondCharter,
    /// After the line that ends the bundle.
    #[error("it stands behind the end of the bundle")]
    AfterEnd,
}

/// What is on the line of the charter: what a peer answers whoever asks for it.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
struct CharterLine {
    #[cbor(n(0), with = "minicbor::bytes")]
    charter: Vec<u8>,
    #[n(1)]
    in_force: Option<Item>,
    #[cbor(
        n(2),
        decode_with = "cbor::at_most::<{ limits::AMENDMENTS_IN_FORCE_MAX + 1 }, _, _>"
    )]
    chain: Vec<CharterId>,
}

impl Header {
    /// The header of a bundle that `node` makes of `contents` at `made_at_s`.
    pub fn new(contents: &Contents, name: String, node: NodeId, made_at_s: u64) -> Self {
        Self {
            kind: KIND.to_owned(),
            format: FORMAT,
            network: contents.network(),
            name,
            node,
            made_at_s,
            since_s: contents.since_s(),
            items: contents.counts(),
        }
    }

    /// The line, with its break.
    pub fn to_line(&self) -> String {
        // Texts and numbers can always be written.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }

    /// Reads the first line.
    ///
    /// # Errors
    /// [`BundleError::BadHeader`], [`BundleError::UnknownFormat`].
    pub fn parse(line: &[u8]) -> Result<Self, BundleError> {
        #[derive(Deserialize)]
        struct Form {
            kind: String,
            format: u32,
        }
        let bounds = json::Bounds::STATE;
        let form: Form = json::parse_typed(line, &bounds).map_err(|_| BundleError::BadHeader)?;
        if form.kind != KIND {
            return Err(BundleError::BadHeader);
        }
        if form.format != FORMAT {
            return Err(BundleError::UnknownFormat(form.format));
        }
        let header: Self = json::parse_typed(line, &bounds).map_err(|_| BundleError::BadHeader)?;
        match header.name.len() > limits::NAME_MAX_BYTES {
            true => Err(BundleError::BadHeader),
            false => Ok(header),
        }
    }
}

/// The line of the charter, with its break; `None` if the network is not known. `compress` turns bytes into one zstd
/// frame.
///
/// # Errors
/// [`ReplicaError`].
pub fn charter_line<S: Storage>(
    replica: &mut Replica<S>,
    network: &NetworkId,
    compress: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
) -> Result<Option<String>, ReplicaError<S::Error>> {
    let Some(charter) = replica.charter(network).map(Charter::to_bytes) else {
        return Ok(None);
    };
    let in_force = replica.terms_in_force(network)?;
    let chain = in_force.map(|terms| terms.chain).unwrap_or_default();
    let in_force = match chain.last() {
        Some(id) => replica.amendment_item(network, id)?,
        None => None,
    };
    let line = CharterLine {
        charter,
        in_force,
        chain,
    };
    let compressed = compress(&cbor::to_vec(&line));
    Ok(compressed.map(|bytes| format!("{CHARTER}{}.\n", BASE64.encode(&bytes))))
}

/// The line of an item, with its break; `None` if it could not be compressed.
pub fn item_line(item: &Item, compress: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Option<String> {
    let compressed = compress(&cbor::to_vec(item))?;
    let mut line = BASE64.encode(&compressed);
    line.push_str(".\n");
    Some(line)
}

/// The last line, which says how many items there were.
pub fn end_line(items: u64) -> String {
    format!("{END}{items}.\n")
}

impl CharterLine {
    fn read(bytes: &[u8], network: &NetworkId) -> Result<FetchedCharter, LineError> {
        let line: Self = cbor::from_slice(bytes)?;
        let founding = Charter::parse(&line.charter, network)?;
        Ok(FetchedCharter::check(founding, line.in_force, line.chain)?)
    }
}
