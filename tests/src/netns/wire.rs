//! What lies between the hosts: frames that are lost and late, each direction on its own.
//!
//! Frames come and go as the payload of VXLAN (RFC 7348), one network identifier for each host, so that a
//! plain UDP socket carries them. The kernel leaves the inner checksums to hardware that is not there; they
//! are completed here.

use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::sim::Random;

/// Octets before the frame: flags, the identifier of the host, and what is reserved.
const VXLAN_HEADER: usize = 8;
/// Octets of an Ethernet header.
const ETHERNET_HEADER: usize = 14;
/// More than any frame that a host may send.
const DATAGRAM_MAX: usize = 2048;
/// Longest time without a look at whether the test is over.
const LOOK_UP: Duration = Duration::from_millis(20);
/// Frames under way at most; what comes beyond them is lost, as in any router.
const UNDER_WAY_MAX: usize = 10_000;
/// Longest that a frame waits for its turn on a narrow line; what would wait longer is lost.
const QUEUE_MAX: Duration = Duration::from_millis(500);
/// Locally administered, unicast; the last octet is the host's number.
const MAC: [u8; 5] = [2, 0, 0, 0, 0];

/// What happens to frames in one direction between two hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Link {
    /// How many of 1,000 frames are lost.
    pub loss_per_mille: u64,
    /// How late the others are, on average, in milliseconds.
    pub delay_ms: u64,
    /// How far from that one may be, in milliseconds; so frames overtake one another.
    pub jitter_ms: u64,
}

impl Link {
    /// Lets nothing through.
    pub const CUT: Self = Self {
        loss_per_mille: 1000,
        delay_ms: 0,
        jitter_ms: 0,
    };
}

/// What was carried and lost until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frames {
    /// Frames that arrived.
    pub carried: u64,
    /// Frames that did not.
    pub lost: u64,
    /// Octets of those that arrived.
    pub bytes: u64,
}

/// The state of all the links, shared between the test and the thread that carries frames.
#[derive(Debug)]
pub(super) struct Wire {
    hosts: usize,
    links: Mutex<Vec<Link>>,
    /// How many bits a second each host may send; 0 for as many as it likes.
    rates: Mutex<Vec<u64>>,
    carried: AtomicU64,
    lost: AtomicU64,
    bytes: AtomicU64,
    pub(super) over: AtomicBool,
}

/// A frame that is to arrive at a host, numbered from 1; the earliest is the greatest.
#[derive(PartialEq, Eq)]
struct UnderWay {
    due: Instant,
    number: u64,
    to: u8,
    frame: Vec<u8>,
}

impl Ord for UnderWay {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.due, other.number).cmp(&(self.due, self.number))
    }
}

impl PartialOrd for UnderWay {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The hardware address of a host, numbered from 1.
pub(super) fn mac(host: u8) -> String {
    let [a, b, c, d, e] = MAC;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{host:02x}")
}

impl Wire {
    /// Good links among so many hosts.
    pub(super) fn new(hosts: usize) -> Self {
        Self {
            hosts,
            links: Mutex::new(vec![Link::default(); hosts * hosts]),
            rates: Mutex::new(vec![0; hosts]),
            carried: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            over: AtomicBool::new(false),
        }
    }

    /// Sets the link from one host to another, numbered from 0.
    pub(super) fn set(&self, from: usize, to: usize, link: Link) {
        if let Ok(mut links) = self.links.lock()
            && let Some(place) = links.get_mut(from * self.hosts + to)
        {
            *place = link;
        }
    }

    /// Sets how many bits a second a host may send, numbered from 0; 0 for as many as it likes.
    pub(super) fn set_rate(&self, host: usize, bits_per_s: u64) {
        if let Ok(mut rates) = self.rates.lock()
            && let Some(place) = rates.get_mut(host)
        {
            *place = bits_per_s;
        }
    }

    /// When a frame of a host, numbered from 1, is on its way; `free_at` is when the one before it was. `None` when it
    /// would wait for too long.
    fn departs(
        &self,
        from: u8,
        size: usize,
        now: Instant,
        free_at: &mut Instant,
    ) -> Option<Instant> {
        let rates = self.rates.lock().ok()?;
        let rate = rates.get(usize::from(from - 1)).copied().unwrap_or(0);
        let begins = now.max(*free_at);
        if rate == 0 {
            return Some(now);
        }
        if begins - now > QUEUE_MAX {
            return None;
        }
        let bits = u64::try_from(size * 8).ok()?;
        *free_at = begins + Duration::from_nanos(bits * 1_000_000_000 / rate);
        Some(*free_at)
    }

    fn link(&self, from: u8, to: u8) -> Link {
        let place = usize::from(from - 1) * self.hosts + usize::from(to - 1);
        let links = self.links.lock();
        let link = links.ok().and_then(|links| links.get(place).copied());
        link.unwrap_or(Link::CUT)
    }

    pub(super) fn frames(&self) -> Frames {
        Frames {
            carried: self.carried.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// For whom a frame is, numbered from 1.
    fn receivers(&self, from: u8, frame: &[u8]) -> Vec<u8> {
        let hosts = 1..=u8::try_from(self.hosts).unwrap_or(u8::MAX);
        match frame {
            // To a group; all others look at it.
            [first, ..] if first & 1 == 1 => hosts.filter(|host| *host != from).collect(),
            [a, b, c, d, e, host, ..] if [*a, *b, *c, *d, *e] == MAC => {
                hosts.filter(|it| it == host).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Carries frames until the test is over.
    ///
    /// # Errors
    /// What the system said of the socket.
    pub(super) fn carry(&self, socket: &UdpSocket, hosts_at: SocketAddr) -> io::Result<()> {
        let mut random = Random::new(1);
        let mut under_way = BinaryHeap::new();
        let mut number = 0;
        let mut datagram = vec![0; DATAGRAM_MAX];
        let mut free_at = vec![Instant::now(); self.hosts];
        while !self.over.load(Ordering::Relaxed) {
            let wait = self.deliver(socket, hosts_at, &mut under_way);
            socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
            let size = match socket.recv_from(&mut datagram) {
                Ok((size, _)) => size,
                Err(error) if is_timeout(&error) => continue,
                Err(error) => return Err(error),
            };
            let Some((from, frame)) = unpack(datagram.get(..size).unwrap_or_default()) else {
                continue;
            };
            if usize::from(from) > self.hosts {
                continue;
            }
            let Some(free_at) = free_at.get_mut(usize::from(from - 1)) else {
                continue;
            };
            let Some(now) = self.departs(from, frame.len(), Instant::now(), free_at) else {
                self.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            for to in self.receivers(from, frame) {
                let link = self.link(from, to);
                if random.chance(link.loss_per_mille) || under_way.len() >= UNDER_WAY_MAX {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let early = link.delay_ms.saturating_sub(link.jitter_ms);
                let delay_ms = random.between(early, link.delay_ms + link.jitter_ms);
                number += 1;
                under_way.push(UnderWay {
                    due: now + Duration::from_millis(delay_ms),
                    number,
                    to,
                    frame: completed(frame.to_vec()),
                });
            }
        }
        Ok(())
    }

    /// Hands over the frames whose time has come; how long until the next one.
    fn deliver(
        &self,
        socket: &UdpSocket,
        hosts_at: SocketAddr,
        under_way: &mut BinaryHeap<UnderWay>,
    ) -> Duration {
        while let Some(next) = under_way.peek_mut() {
            let left = next.due.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return left.min(LOOK_UP);
            }
            let next = PeekMut::pop(next);
            // What the system will not take is lost, as on any other network.
            let sent = socket.send_to(&pack(next.to, &next.frame), hosts_at);
            let count = if sent.is_ok() {
                let size = u64::try_from(next.frame.len()).unwrap_or(0);
                self.bytes.fetch_add(size, Ordering::Relaxed);
                &self.carried
            } else {
                &self.lost
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
        LOOK_UP
    }
}

fn is_timeout(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

/// The host that sent a datagram, numbered from 1, and the frame in it.
fn unpack(datagram: &[u8]) -> Option<(u8, &[u8])> {
    let (header, frame) = datagram.split_at_checked(VXLAN_HEADER)?;
    match header {
        [0x08, _, _, _, 0, 0, host, _] if *host > 0 => Some((*host, frame)),
        _ => None,
    }
}

fn pack(to: u8, frame: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0x08, 0, 0, 0, 0, 0, to, 0];
    datagram.extend_from_slice(frame);
    datagram
}

/// The frame with the checksum of its TCP segment or UDP datagram, if it holds one over IPv4.
fn completed(mut frame: Vec<u8>) -> Vec<u8> {
    if let Some((at, sum)) = inner_checksum(&frame)
        && let Some(place) = frame.get_mut(at..at + 2)
    {
        place.copy_from_slice(&sum.to_be_bytes());
    }
    frame
}

/// Where the checksum of what an IPv4 packet carries belongs in the frame, and what it is.
fn inner_checksum(frame: &[u8]) -> Option<(usize, u16)> {
    let (ethernet, packet) = frame.split_at_checked(ETHERNET_HEADER)?;
    if !ethernet.ends_with(&[0x08, 0x00]) {
        return None;
    }
    let octet = |at: usize| packet.get(at).copied();
    let header = usize::from(octet(0)? & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([octet(2)?, octet(3)?]));
    let fragment = u16::from_be_bytes([octet(6)?, octet(7)?]) & 0x3fff;
    let protocol = octet(9)?;
    let within = match protocol {
        6 => 16,
        17 => 6,
        _ => return None,
    };
    let payload = packet.get(header..total)?;
    // A fragment holds a part of what the sum is over.
    if fragment != 0 || payload.len() < within + 2 {
        return None;
    }
    let length = u16::try_from(payload.len()).ok()?;
    let mut sum = u64::from(protocol) + u64::from(length);
    sum += words(packet.get(12..20)?);
    sum += words(payload) - words(payload.get(within..within + 2)?);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !u16::try_from(sum).ok()?;
    // In UDP, zero means that there is none.
    let sum = if sum == 0 && protocol == 17 {
        0xffff
    } else {
        sum
    };
    Some((ETHERNET_HEADER + header + within, sum))
}

/// The sum of 16-bit words; an odd octet counts as if a zero followed.
fn words(of: &[u8]) -> u64 {
    of.chunks(2)
        .map(|pair| match pair {
            [high, low] => u64::from(u16::from_be_bytes([*high, *low])),
            [high] => u64::from(*high) << 8,
            _ => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv4 packet from RFC 1071's time: UDP, from 192.168.0.1:1024 to 192.168.0.2:53, "hi!".
    fn udp() -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00];
        frame.extend([0x45, 0, 0, 31, 0, 0, 0x40, 0, 64, 17, 0, 0]);
        frame.extend([192, 168, 0, 1, 192, 168, 0, 2]);
        frame.extend([4, 0, 0, 53, 0, 11, 0xab, 0xcd]);
        frame.extend(b"hi!");
        frame
    }

    #[test]
    fn checksums_are_completed_whatever_was_in_their_place() {
        let frame = completed(udp());
        // A receiver sums over everything, the checksum included, and must get all ones.
        let mut sum = words(&frame[26..34]) + 17 + 11 + words(&frame[34..]);
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        assert_eq!(sum, 0xffff);
        assert_eq!(completed(frame.clone()), frame);
        for cut in 0..frame.len() {
            // Never more than what is there.
            completed(frame[..cut].to_vec());
        }
        let mut fragment = udp();
        fragment[20] = 0x20;
        assert_eq!(completed(fragment.clone()), fragment);
    }

    #[test]
    fn a_narrow_line_carries_one_frame_after_the_other() {
        let wire = Wire::new(2);
        let now = Instant::now();
        let mut free_at = now;
        assert_eq!(wire.departs(1, 1250, now, &mut free_at), Some(now));
        wire.set_rate(0, 1_000_000);
        for frame in 1..=50 {
            let at = now + Duration::from_millis(10 * frame);
            assert_eq!(wire.departs(1, 1250, now, &mut free_at), Some(at));
        }
        wire.departs(1, 1250, now, &mut free_at);
        assert_eq!(
            wire.departs(1, 1250, now, &mut free_at),
            None,
            "the queue is full"
        );
        let later = now + Duration::from_secs(9);
        let at = later + Duration::from_millis(10);
        assert_eq!(wire.departs(1, 1250, later, &mut free_at), Some(at));
        let mut other = now;
        assert_eq!(wire.departs(2, 1250, now, &mut other), Some(now));
    }

    #[test]
    fn frames_go_to_whom_they_are_for() {
        let wire = Wire::new(3);
        assert_eq!(wire.receivers(1, &udp()), [2]);
        assert_eq!(wire.receivers(2, &[0xff; 14]), [1, 3]);
        assert_eq!(wire.receivers(1, &[2, 0, 0, 0, 0, 4]), [0; 0]);
        assert_eq!(unpack(&pack(3, &[7, 8])), Some((3, &[7, 8][..])));
        assert_eq!(unpack(&[0x08; 7]), None);
        wire.set(0, 2, Link::CUT);
        assert_eq!(
            (wire.link(1, 3), wire.link(3, 1)),
            (Link::CUT, Link::default())
        );
    }

    #[test]
    fn the_earliest_frame_arrives_first() {
        let start = Instant::now();
        let frame = |after_ms, number| UnderWay {
            due: start + Duration::from_millis(after_ms),
            number,
            to: 1,
            frame: Vec::new(),
        };
        let mut heap = BinaryHeap::from([frame(9, 1), frame(2, 3), frame(2, 2)]);
        let order: Vec<u64> = std::iter::from_fn(|| heap.pop().map(|it| it.number)).collect();
        assert_eq!(order, [2, 3, 1]);
    }
}
