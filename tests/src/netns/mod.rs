//! Hosts of their own for real processes: network namespaces, and a network between them that is as bad as a test
//! wants it.
//!
//! Each host has one interface, `eth0`, and reaches nobody but the others. Their frames go through this process
//! (see [`Link`]) and not through the kernel's own emulator, `tc netem`, which many kernels are built without. What is needed is `ip`, and the right to make namespaces, as root has it.
//! Everything disappears with [`Hosts`], also when the test panics.

mod router;
mod wire;

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::Fail;
pub use router::{Nat, Router};
use wire::Wire;
pub use wire::{Frames, Link};

/// Where `ip netns` keeps the namespaces.
const NAMED: &str = "/run/netns";
/// What the names of ours begin with; the process id follows.
const PREFIX: &str = "fingerpost-test-";
/// The standard port of VXLAN.
const VXLAN_PORT: u16 = 4789;
/// The end of the frames' way where the hosts are; both ends are in namespaces of their own.
const HOSTS_AT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The end where this process is.
const WIRE_AT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// Where the hosts are, unless a test asks for the internet: addresses of an office, and addresses that are kept for
/// examples and count as public (RFC 5737).
const OFFICE: [u8; 3] = [10, 78, 0];
const INTERNET: [u8; 3] = [203, 0, 113];
/// What a frame may carry: 1,500 octets less what VXLAN puts around it.
const MTU: &str = "1450";
/// Most hosts.
const HOSTS_MAX: usize = 200;

/// Some hosts and the network between them.
#[derive(Debug)]
pub struct Hosts {
    name: String,
    /// The first three octets of the addresses.
    range: [u8; 3],
    made: Vec<String>,
    wire: Arc<Wire>,
    carrier: Option<JoinHandle<()>>,
}

impl Hosts {
    /// So many hosts with good links; `None`, with the reason on standard output, where that is not allowed.
    ///
    /// # Errors
    /// When namespaces can be made but not be set up.
    pub fn new(count: usize) -> Result<Option<Self>, Fail> {
        Self::in_range(count, OFFICE)
    }

    /// The same with addresses of the internet.
    ///
    /// # Errors
    /// As [`Hosts::new`].
    pub fn public(count: usize) -> Result<Option<Self>, Fail> {
        Self::in_range(count, INTERNET)
    }

    fn in_range(count: usize, range: [u8; 3]) -> Result<Option<Self>, Fail> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        if count == 0 || count > HOSTS_MAX {
            return Err(Fail::new(format!("there can be 1 to {HOSTS_MAX} hosts")));
        }
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        let mut hosts = Self {
            name,
            range,
            made: Vec::new(),
            wire: Arc::new(Wire::new(count)),
            carrier: None,
        };
        remove_remains();
        if let Err(reason) = hosts.join_the_ends() {
            println!("skipped: hosts of their own cannot be made here: {reason}");
            return Ok(None);
        }
        for host in 0..count {
            hosts.add_host(host)?;
        }
        hosts.start_carrying()?;
        Ok(Some(hosts))
    }

    /// The namespace of a host, numbered from 0.
    pub fn namespace(&self, host: usize) -> String {
        format!("{}-host{host}", self.name)
    }

    /// The address of a host.
    pub fn address(&self, host: usize) -> Ipv4Addr {
        let [a, b, c] = self.range;
        Ipv4Addr::new(a, b, c, u8::try_from(host + 1).unwrap_or(u8::MAX))
    }

    /// Changes the link from one host to another, in this direction only.
    pub fn set_link(&self, from: usize, to: usize, link: Link) {
        self.wire.set(from, to, link);
    }

    /// Makes all links alike.
    pub fn set_links(&self, count: usize, link: Link) {
        for from in 0..count {
            for to in 0..count {
                self.wire.set(from, to, link);
            }
        }
    }

    /// Cuts all links between the hosts before `first` and the others.
    pub fn part(&self, count: usize, first: usize) {
        for one in 0..first {
            for other in first..count {
                self.wire.set(one, other, Link::CUT);
                self.wire.set(other, one, Link::CUT);
            }
        }
    }

    /// How many bits a second a host may send; 0 for as many as it likes. What waits for too long is lost.
    pub fn set_rate(&self, host: usize, bits_per_s: u64) {
        self.wire.set_rate(host, bits_per_s);
    }

    /// Gives a host another address, in place of those that it has; the last octet is given.
    ///
    /// # Errors
    /// What `ip` said.
    pub fn move_to(&self, host: usize, last: u8) -> Result<Ipv4Addr, Fail> {
        let [a, b, c] = self.range;
        let address = Ipv4Addr::new(a, b, c, last);
        let name = self.namespace(host);
        ip(&["-n", &name, "address", "flush", "dev", "eth0"])?;
        let with_range = format!("{address}/24");
        ip(&["-n", &name, "address", "add", &with_range, "dev", "eth0"])?;
        Ok(address)
    }

    /// Takes the interface of a host down, or up again, as if its cable were pulled.
    ///
    /// # Errors
    /// What `ip` said.
    pub fn set_cable(&self, host: usize, plugged: bool) -> Result<(), Fail> {
        let how = if plugged { "up" } else { "down" };
        ip(&["-n", &self.namespace(host), "link", "set", "eth0", how])
    }

    /// What was carried and lost until now.
    pub fn frames(&self) -> Frames {
        self.wire.frames()
    }

    fn end(&self) -> String {
        format!("{}-end", self.name)
    }

    fn middle(&self) -> String {
        format!("{}-middle", self.name)
    }

    fn add_namespace(&mut self, name: &str) -> Result<(), Fail> {
        ip(&["netns", "add", name])?;
        self.made.push(name.to_owned());
        Ok(())
    }

    /// Two namespaces and the way between them; and a look at whether the kernel has what hosts need.
    fn join_the_ends(&mut self) -> Result<(), Fail> {
        let (end, middle) = (self.end(), self.middle());
        self.add_namespace(&end)?;
        self.add_namespace(&middle)?;
        let pair = ["-n", &end, "link", "add", "way", "type", "veth", "peer"];
        ip(&[&pair[..], &["name", "way", "netns", &middle]].concat())?;
        for (place, address) in [(&end, HOSTS_AT), (&middle, WIRE_AT)] {
            let address = format!("{address}/30");
            ip(&["-n", place, "address", "add", &address, "dev", "way"])?;
            ip(&["-n", place, "link", "set", "way", "up"])?;
        }
        add_tunnel(&end, "try", 255)?;
        ip(&["-n", &end, "link", "delete", "try"])
    }

    fn add_host(&mut self, host: usize) -> Result<(), Fail> {
        let (end, name) = (self.end(), self.namespace(host));
        self.add_namespace(&name)?;
        let number = u8::try_from(host + 1)?;
        let device = format!("host{number}");
        // A tunnel stays joined to the namespace that it was made in, wherever its interface goes.
        add_tunnel(&end, &device, number)?;
        ip(&["-n", &end, "link", "set", &device, "netns", &name])?;
        ip(&["-n", &name, "link", "set", &device, "name", "eth0"])?;
        let address = format!("{}/24", self.address(host));
        ip(&["-n", &name, "address", "add", &address, "dev", "eth0"])?;
        ip(&["-n", &name, "link", "set", "lo", "up"])?;
        ip(&["-n", &name, "link", "set", "eth0", "up"])
    }

    fn start_carrying(&mut self) -> Result<(), Fail> {
        let wire = Arc::clone(&self.wire);
        let middle = File::open(format!("{NAMED}/{}", self.middle()))?;
        let (tell, told) = std::sync::mpsc::channel();
        let carrier = std::thread::spawn(move || {
            // This thread alone goes there; the others stay where they are.
            let network = Some(LinkNameSpaceType::Network);
            let socket = move_into_link_name_space(middle.as_fd(), network)
                .map_err(std::io::Error::from)
                .and_then(|()| UdpSocket::bind((WIRE_AT, VXLAN_PORT)));
            let (socket, answer) = match socket {
                Ok(socket) => (Some(socket), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // Whoever asked waits for this.
            tell.send(answer).ok();
            if let Some(socket) = socket
                && let Err(error) = wire.carry(&socket, SocketAddr::from((HOSTS_AT, VXLAN_PORT)))
            {
                println!("frames are carried no more: {error}");
            }
        });
        self.carrier = Some(carrier);
        told.recv()??;
        Ok(())
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        self.wire.over.store(true, Ordering::Relaxed);
        if let Some(carrier) = self.carrier.take() {
            // It has said what went wrong.
            carrier.join().ok();
        }
        for name in self.made.iter().rev() {
            if let Err(error) = ip(&["netns", "delete", name]) {
                println!("{name} is still there: {error}");
            }
        }
    }
}

/// An interface whose frames go to this process.
fn add_tunnel(namespace: &str, device: &str, number: u8) -> Result<(), Fail> {
    let (id, mac) = (number.to_string(), wire::mac(number));
    let (local, remote) = (HOSTS_AT.to_string(), WIRE_AT.to_string());
    let port = VXLAN_PORT.to_string();
    // One segment at a time: the kernel must not leave it to hardware to cut them up.
    let device = [
        "-n",
        namespace,
        "link",
        "add",
        device,
        "address",
        &mac,
        "mtu",
        MTU,
        "gso_max_segs",
        "1",
    ];
    let tunnel = [
        "type",
        "vxlan",
        "id",
        &id,
        "local",
        &local,
        "remote",
        &remote,
        "dstport",
        &port,
        "nolearning",
    ];
    ip(&[&device[..], &tunnel].concat())
}

/// Removes what a test left that was killed, so that it had no chance to.
fn remove_remains() {
    let Ok(named) = std::fs::read_dir(NAMED) else {
        return;
    };
    for name in named.flatten() {
        let name = name.file_name().to_string_lossy().into_owned();
        let pid = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        if let Some(pid) = pid
            && !std::path::Path::new("/proc").join(pid).exists()
        {
            // Another test may have been faster.
            ip(&["netns", "delete", &name]).ok();
        }
    }
}

fn ip(args: &[&str]) -> Result<(), Fail> {
    let output = Command::new("ip")
        .args(args)
        .output()
        .map_err(|error| Fail::new(format!("ip: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let args = args.join(" ");
    Err(Fail::new(format!("ip {args}: {}", said.trim())))
}
