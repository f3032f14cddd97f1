//! Homes of nodes that hold a made-up federation already.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use fingerpost_config::Home;
use fingerpost_daemon::keys::Keys;
use fingerpost_daemon::store::SledStorage;
use fingerpost_proto::card::{Card, Membership};
use fingerpost_proto::certificate::{Delegation, FORMAT, Role};
use fingerpost_proto::ids::{DocKey, DocName, OrgId};
use fingerpost_proto::record::Instance;
use fingerpost_proto::replica::{Checked, Contained, Draft, Item, Outcome, Replica};
use fingerpost_proto::signed::{Carry, Signed};
use fingerpost_proto::storage::{Batch, Storage};
use fingerpost_tests::generate::{AT_S, Federation, Plan};

/// More organisations than a home is filled with at first: those that come later.
pub(crate) const MORE: u32 = 1_000;
const SEED: u64 = 1;
const CACHE_MB: u32 = 64;
/// So many organisations are made and checked at a time.
const CHUNK: u32 = 2_000;

fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock after 1970").as_secs()
}

/// The federation of this many organisations, and [`MORE`], of which `founder` is one founder.
pub(crate) fn federation(organisations: u32, founder: OrgId) -> Federation {
    let plan = Plan {
        organisations: organisations + MORE,
        seed: SEED,
        at_s: AT_S,
    };
    Federation::with_founders(plan, &[founder])
}

/// Everything that these organisations have published.
pub(crate) fn items(of: &Federation, numbers: Range<u32>) -> impl Iterator<Item = Item> {
    let cards = numbers.clone().map(|number| of.card(number).unwrap());
    cards.chain(numbers.flat_map(|number| of.documents_of(number).unwrap()))
}

/// Makes and checks something of these organisations, on two processors.
fn checked<I: IntoIterator<Item = Item>>(
    numbers: Range<u32>,
    make: impl Fn(u32) -> I + Sync,
) -> Vec<Checked> {
    let check = |numbers: Range<u32>| -> Vec<Checked> {
        let items = numbers.flat_map(&make);
        items.map(|item| item.check().unwrap()).collect()
    };
    let middle = numbers.start + (numbers.end - numbers.start) / 2;
    std::thread::scope(|scope| {
        let one = scope.spawn(|| check(numbers.start..middle));
        let other = check(middle..numbers.end);
        let mut all = one.join().unwrap();
        all.extend(other);
        all
    })
}

fn chunks(numbers: &Range<u32>) -> impl Iterator<Item = Range<u32>> {
    let end = numbers.end;
    let firsts = numbers.clone().step_by(CHUNK as usize);
    firsts.map(move |first| first..end.min(first + CHUNK))
}

/// Takes the organisations with these numbers into a home whose node does not run. Gives how many documents came.
pub(crate) fn add(home: &Path, size: u32, numbers: Range<u32>) -> u64 {
    let home = Home::at(home);
    let keys = Keys::open(&home.keys()).unwrap();
    let founder = keys.orgs().next().unwrap();
    let made = federation(size, founder);
    let store = SledStorage::open(&home.store(), CACHE_MB).unwrap();
    let node = keys.node().node_id();
    let mut replica = Replica::open(store, node, BTreeSet::from([founder])).unwrap();
    let mut documents = 0;
    let mut take = |items: Vec<Checked>| {
        for item in items {
            let outcome = replica.receive(now_s(), item).unwrap();
            assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
            documents += 1;
        }
    };
    // With all cards here, it is known once and for all who is a member.
    for chunk in chunks(&numbers) {
        take(checked(chunk, |number| [made.card(number).unwrap()]));
    }
    for chunk in chunks(&numbers) {
        take(checked(chunk, |number| made.documents_of(number).unwrap()));
    }
    replica.settle().unwrap();
    replica.storage_mut().flush().unwrap();
    documents
}

/// A new home whose node has founded the federation of this size, and holds nothing else of it.
fn found(dir: &Path, size: u32) {
    let home = Home::at(dir);
    home.prepare().unwrap();
    let mut keys = Keys::open(&home.keys()).unwrap();
    let founder = keys.create_org().unwrap();
    let root = keys.org(&founder).unwrap().clone();
    let node = keys.node().clone();
    let delegation = Delegation {
        format: FORMAT,
        org: founder,
        node: node.node_id(),
        role: Role::Admin,
        not_before_s: 0,
        not_after_s: None,
    };
    let delegation = Signed::sign(delegation, &root);
    let store = SledStorage::open(&home.store(), CACHE_MB).unwrap();
    let mut replica = Replica::open(store, node.node_id(), BTreeSet::from([founder])).unwrap();
    let charter = federation(size, founder).charter().clone();
    let network = replica.add_network(charter).unwrap();
    let mut card = Card::new("Founder");
    card.delegations.push(Carry::new(&delegation));
    let membership = Membership {
        epoch: 1,
        accepted_at_s: now_s(),
        ..Membership::default()
    };
    card.networks.insert(network, membership);
    let draft = Draft {
        key: DocKey {
            org: founder,
            name: DocName::Card,
        },
        state: card.to_bytes(),
        heads: Vec::new(),
        generation: 0,
        delegation,
        contains: Contained::All,
        sealed: None,
    };
    replica
        .publish(now_s(), draft, &node, Instance([1; 8]), Batch::default())
        .unwrap();
    replica.storage_mut().flush().unwrap();
}

/// Where filled homes are kept.
fn kept(size: u32) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let target = program.ancestors().nth(3).unwrap();
    target.join("bench-federation").join(size.to_string())
}

/// A copy, in `dir`, of a home that holds the federation of this size; its index is there as well.
pub(crate) fn home(dir: &Path, size: u32) -> PathBuf {
    let kept = kept(size);
    if !kept.exists() {
        let making = kept.with_extension("making");
        fs::remove_dir_all(&making).ok();
        found(&making, size);
        println!("a federation of {size} organisations is made up");
        add(&making, size, 0..size);
        let mut node = crate::peers::Peer::start(&making, 3_600);
        println!("and indexed");
        let ask = crate::node::Ask::Indexed;
        node.reach(&ask, 1, std::time::Duration::from_millis(500));
        node.stop();
        fs::rename(&making, &kept).unwrap();
    }
    let copy = dir.join("full");
    copy_dir(&kept, &copy);
    copy
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    // A home that others may read is refused.
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        match from.is_dir() {
            true => copy_dir(&from, &to),
            false if from.is_file() => fs::copy(&from, &to).map(|_| ()).unwrap(),
            // A socket.
            false => {}
        }
    }
}
