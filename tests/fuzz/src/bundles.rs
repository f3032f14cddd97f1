//! Bundles, as the daemon takes them apart.

use fingerpost_proto::bundle::{
    Contents, Event, Header, Reader, charter_line, end_line, item_line, read_charter_line,
};
use fingerpost_proto::limits;
use fingerpost_proto::replica::Outcome;

use super::fixtures::{NOW_S, world};
use super::{Seeds, seed};

fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    zstd::bulk::compress(bytes, 3).ok()
}

fn expand(frame: &[u8], most: usize) -> Option<Vec<u8>> {
    let bytes = zstd::bulk::decompress(frame, most).ok()?;
    assert!(bytes.len() <= most && most <= limits::FRAME_MAX_BYTES);
    Some(bytes)
}

/// The same comes out however the bytes come in; and a member's node takes nothing that nobody has signed.
pub fn bundle(data: &[u8]) -> bool {
    let size = data.first().map_or(1, |byte| 1 + usize::from(*byte));
    let (mut whole, mut parts) = (Reader::default(), Reader::default());
    whole.handle_bytes(data);
    whole.handle_end();
    let mut pieces = data.chunks(size);
    let mut is_over = false;
    let mut next = || {
        loop {
            if let Some(event) = parts.poll(expand) {
                return Some(event);
            }
            match pieces.next() {
                Some(piece) => parts.handle_bytes(piece),
                None if is_over => return None,
                None => {
                    is_over = true;
                    parts.handle_end();
                }
            }
        }
    };
    let mut replica = world().members();
    let mut taken = false;
    while let Some(event) = whole.poll(expand) {
        assert_eq!(next().as_ref(), Some(&event));
        match event {
            Ok(Event::Header(header)) => {
                assert_eq!(Header::parse(header.to_line().as_bytes()), Ok(header));
            }
            Ok(Event::Item { item, .. }) => {
                taken = true;
                if let Ok(checked) = item.check() {
                    replica.receive(NOW_S, checked).unwrap();
                }
            }
            Ok(Event::Charter(_) | Event::Damaged { .. }) => {}
            Err(_) => break,
        }
    }
    let ending = whole.ending();
    assert!(ending.items <= data.len() as u64);
    assert!(!ending.is_whole || ending.missing == 0);
    let orgs = world().orgs();
    assert!(replica.organisations().iter().all(|org| orgs.contains(org)));
    let text = String::from_utf8_lossy(data);
    read_charter_line(&text, &world().network(), expand).is_ok() || taken
}

pub fn bundle_seeds() -> Seeds {
    let mut founders = world().founders();
    let network = world().network();
    let node = world().founder.node.node_id();
    let mut contents = Contents::collect(&mut founders, network, None);
    let header = Header::new(&contents, "Brixton".into(), node, NOW_S).to_line();
    let charter = charter_line(&mut founders, &network, compress);
    let charter = charter.unwrap().unwrap();
    let mut lines = String::new();
    let mut items = 0;
    while let Some(next) = contents.poll_items(&founders).unwrap() {
        for item in next {
            let taken = item
                .clone()
                .check()
                .map(|it| world().members().receive(NOW_S, it));
            assert!(!matches!(taken, Ok(Ok(Outcome::Refused(_)))), "{taken:?}");
            lines.push_str(&item_line(&item, compress).unwrap());
            items += 1;
        }
    }
    let end = end_line(items);
    let whole = format!("{header}{charter}{lines}{end}");
    let cut = whole.len() - end.len() - 40;
    vec![
        seed("whole", &whole),
        seed("cut", &whole[..cut]),
        seed("charter", &charter),
        seed("refused-header", &header),
    ]
}
