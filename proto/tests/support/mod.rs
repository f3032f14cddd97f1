//! What the tests of vectors share: fixed keys, and the comparison with the committed files.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may read files and stops at what it did not expect; the protocol does neither"
)]

use std::path::PathBuf;

use fingerpost_proto::certificate::{Delegation, FORMAT, Role};
use fingerpost_proto::charter::Charter;
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::signed::{Signed, Statement};
use serde_json::{Value, json};

/// The moment of every vector, in seconds since 1970-01-01 UTC.
pub const NOW_S: u64 = 1_790_000_000;

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn root() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

pub fn node() -> SecretKey {
    SecretKey::from_seed(&[2; 32])
}

pub fn delegation() -> Signed<Delegation> {
    let delegation = Delegation {
        format: FORMAT,
        org: root().org_id(),
        node: node().node_id(),
        role: Role::Admin,
        not_before_s: NOW_S - 86_400,
        not_after_s: Some(NOW_S + 31_536_000),
    };
    Signed::sign(delegation, &root())
}

pub fn charter() -> Charter {
    Charter {
        format: 1,
        name: "Brixton referrals".into(),
        text: "We refer people to one another with care.".into(),
        vouches_needed: 1,
        anchors: vec![root().org_id()],
        founded_at_s: NOW_S,
        nonce: [5; 16],
    }
}

pub fn signed<T: Statement>(signed: &Signed<T>) -> Value {
    json!({
        "domain": T::DOMAIN.as_str(),
        "signer": hex(signed.get().signer()),
        "payload": hex(signed.payload()),
        "signature": hex(signed.signature()),
        "carried": hex(&signed.to_bytes()),
    })
}

/// Compares with the committed file, or writes it when asked to.
pub fn keep(name: &str, computed: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(format!("{name}.json"));
    if std::env::var_os("FINGERPOST_WRITE_VECTORS").is_some() {
        std::fs::write(&path, format!("{computed:#}\n")).unwrap();
    }
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let committed: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        &committed, computed,
        "{name}.json: this version writes other bytes than it did before"
    );
}
