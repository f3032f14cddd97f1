//! What people paste: identifiers, tickets, passes, the words of a key.

use data_encoding::BASE64URL_NOPAD;
use fingerpost_daemon::keys::{read_kept, to_words};
use fingerpost_daemon::sealing;
use fingerpost_proto::api::KeptKey;
use fingerpost_proto::ids::{
    CharterId, DocKey, DocName, InviteId, NetworkId, NodeId, OrgId, RecordId,
};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::limits;
use fingerpost_proto::pass::{self, Content};
use fingerpost_proto::record::Hash;
use fingerpost_proto::ticket::Ticket;

use super::carried::ticket as founders_ticket;
use super::fixtures::{NOW_S, Party, world};
use super::{Seeds, seed};

/// A text names at most one kind of thing, and what it names is written in one way only.
pub fn identifier(data: &[u8]) -> bool {
    let key = DocKey::from_bytes(data);
    if let Some(key) = key {
        assert_eq!(key.to_bytes().as_slice(), data);
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return key.is_some();
    };
    let mut kinds = usize::from(key.is_some());
    macro_rules! try_kinds {
        ($($kind:ty),*) => {$(
            if let Ok(id) = text.parse::<$kind>() {
                kinds += 1;
                assert_eq!(id.to_string(), text.trim().to_lowercase());
                assert_eq!(id.to_string().parse(), Ok(id));
                assert!(id.matches(text.trim()) && id.matches(&id.short()));
            }
        )*};
    }
    try_kinds!(OrgId, NodeId, NetworkId, CharterId, InviteId, RecordId);
    if let Ok(name) = text.parse::<DocName>() {
        kinds += 1;
        assert_eq!(name.to_string(), text);
        assert_eq!(DocName::from_key(name.to_key()), Some(name));
    }
    assert!(kinds <= 1, "{text}");
    kinds == 1
}

pub fn identifier_seeds() -> Seeds {
    let world = world();
    let founder = world.founder.org();
    vec![
        seed("org", founder.to_string()),
        seed("org-upper", founder.to_string().to_uppercase()),
        seed("node", world.founder.node.node_id().to_string()),
        seed("network", world.network().to_string()),
        seed("record", RecordId::from_bytes([3; 32]).to_string()),
        seed("invitation", InviteId::from_bytes([4; 32]).to_string()),
        seed("charter", CharterId::from_bytes([5; 32]).to_string()),
        seed("document", "listing/63"),
        seed("key", world.founder.key(DocName::Board).to_bytes()),
    ]
}

fn with_checksum(bytes: &[u8]) -> Vec<u8> {
    [bytes, &Hash::of(bytes).0[..4]].concat()
}

/// A ticket comes back from its text. What is no text that begins like a ticket is taken for the content of
/// one: put in the form, with the checksum that it needs.
pub fn ticket(data: &[u8]) -> bool {
    let text = match std::str::from_utf8(data) {
        Ok(text) if text.trim_start().starts_with("fingerpost") => text.to_owned(),
        _ => format!(
            "fingerpost1_{}",
            BASE64URL_NOPAD.encode(&with_checksum(data))
        ),
    };
    let Ok(ticket) = Ticket::parse(&text) else {
        return false;
    };
    let again = Ticket::parse(&ticket.to_text()).unwrap();
    assert_eq!(again.invitation, ticket.invitation);
    assert_eq!(again.delegation, ticket.delegation);
    let kept = again.addresses.len();
    assert!(kept <= limits::ADDRESSES_MAX);
    assert_eq!(again.addresses.as_slice(), &ticket.addresses[..kept]);
    // Nobody has signed another than the founder, so no other is taken.
    assert_eq!(ticket.network(), world().network());
    assert!(ticket.check_expiry(u64::MAX).is_err());
    ticket.redeem(world().member.org(), NOW_S);
    true
}

pub fn ticket_seeds() -> Seeds {
    let text = founders_ticket().to_text();
    let packed = BASE64URL_NOPAD.decode(text.trim_start_matches("fingerpost1_").as_bytes());
    let packed = packed.unwrap();
    vec![
        seed("content", &packed[..packed.len() - 4]),
        seed("text", text),
    ]
}

/// The content of a pass fits together or is refused; the text around it is one of a kind.
pub fn pass(data: &[u8]) -> bool {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(sealed) = pass::from_text(text)
    {
        assert!(text.len() <= limits::PASS_MAX_CHARS);
        assert_eq!(
            pass::from_text(&pass::to_text(&sealed)).as_ref(),
            Ok(&sealed)
        );
        return true;
    }
    let Ok(content) = Content::parse(data) else {
        return false;
    };
    assert!(content.addresses.len() <= limits::ADDRESSES_MAX);
    assert!(content.networks.len() <= limits::NETWORKS_PER_ORG_MAX);
    assert_eq!(content.to_bytes().as_slice(), data);
    // Nobody has signed another delegation than the founder's.
    assert_eq!(content.delegation, world().founder.delegation);
    if let Some(root) = &content.root {
        assert_eq!(root.org_id(), world().founder.org());
    }
    true
}

fn content(handed_over: bool) -> Content {
    let founder = Party::new(1);
    Content {
        delegation: founder.delegation.clone(),
        root: handed_over.then(|| SecretKey::from_seed(&[1; 32])),
        networks: vec![world().network()],
        giver: founder.node.node_id(),
        addresses: vec!["/ip4/192.0.2.7/tcp/7787".into()],
    }
}

pub fn pass_seeds() -> Seeds {
    vec![
        seed("editor", content(false).to_bytes().as_slice()),
        seed("hand-over", content(true).to_bytes().as_slice()),
        seed("text", pass::to_text(&[7; 300])),
    ]
}

/// Words are a key, or they are refused, and a key has one way to be written down.
pub fn words(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let Ok(key) = read_kept(KeptKey::Words(text.to_owned())) else {
        return false;
    };
    let words = to_words(&key).unwrap();
    let again = read_kept(KeptKey::Words(words.join(" "))).unwrap();
    assert_eq!(again.to_seed(), key.to_seed());
    true
}

pub fn words_seeds() -> Seeds {
    let words = |seed: u8| to_words(&SecretKey::from_seed(&[seed; 32])).unwrap();
    vec![
        seed("plain", words(1).join(" ")),
        seed(
            "as-typed",
            format!("  {}\n", words(2).join("\n").to_uppercase()),
        ),
    ]
}

const PASSPHRASE: &str = "correct horse";

/// The file of a key opens to the key that it was made of, or not at all; and costs bounded work.
pub fn key_file(data: &[u8]) -> bool {
    let Ok(file) = std::str::from_utf8(data) else {
        return false;
    };
    let kept = KeptKey::File {
        file: file.to_owned(),
        passphrase: PASSPHRASE.to_owned(),
    };
    // A header is read to its end before the passphrase is tried, so that is how far the seeds go.
    match read_kept(kept) {
        Ok(key) => {
            assert_eq!(key.to_seed(), [1; 32]);
            true
        }
        Err(error) => {
            error
                == fingerpost_daemon::keys::BackupError::Sealed(sealing::SealError::WrongPassphrase)
        }
    }
}

pub fn key_file_seeds() -> Seeds {
    // Little work: a real one costs half a second each time.
    let header = format!(
        "age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 2\n{}\n--- {}\n{}",
        "A".repeat(43),
        "A".repeat(43),
        "B".repeat(64)
    );
    vec![seed("header", header)]
}

/// What is sealed opens to what it was sealed from, or not at all.
pub fn sealed(data: &[u8]) -> bool {
    let identities = [world().member.node.sealing_identity()];
    let opened = sealing::open(data, &identities, limits::SEALED_MAX_BYTES);
    let Ok(content) = opened else {
        return false;
    };
    assert_eq!(content.as_slice(), SECRET);
    true
}

const SECRET: &[u8] = b"what only siblings read";

pub fn sealed_seeds() -> Seeds {
    let both = [world().member.recipient(), world().founder.recipient()];
    let sealed = |recipients: &[String]| sealing::seal(SECRET, recipients).unwrap();
    vec![seed("one", sealed(&both[..1])), seed("two", sealed(&both))]
}
