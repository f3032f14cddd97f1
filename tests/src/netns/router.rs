//! Routers as stand in homes and offices: one address outside, a network of its own inside, and nobody let in who was
//! not called first. Made of the kernel's own address translation, which `nft` sets up.

use std::io::Write;
use std::process::{Command, Stdio};

use super::{Hosts, MTU, ip};
use crate::Fail;

/// The port that nodes listen on.
const PORT: u16 = 7787;

/// How a router translates addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nat {
    /// It keeps the port of whoever is inside, and lets in only whom that one has called, from the port that was called:
    /// most home routers.
    PortRestricted,
    /// It also passes on to the inside whatever comes to the node's port: one on which somebody has set up forwarding.
    FullCone,
    /// Another port for each that is called: carriers and large offices. No hole can be punched.
    Symmetric,
}

/// A host behind a router.
#[derive(Debug)]
pub struct Router {
    inside: String,
}

impl Hosts {
    /// Makes a host a router, with one host inside; `None`, with the reason on standard output, where the kernel does not
    /// translate addresses. The inside belongs to these hosts and disappears with them.
    ///
    /// # Errors
    /// What `ip` said.
    pub fn add_router(&mut self, host: usize, nat: Nat) -> Result<Option<Router>, Fail> {
        let outside = self.namespace(host);
        let inside = format!("{outside}-inside");
        self.add_namespace(&inside)?;
        let lan = |last: u8| format!("192.168.{}.{last}", host + 1);
        let pair = [
            "-n", &outside, "link", "add", "lan", "mtu", MTU, "type", "veth",
        ];
        let other = ["peer", "name", "eth0", "mtu", MTU, "netns", &inside];
        ip(&[&pair[..], &other].concat())?;
        for (place, device, last) in [(&outside, "lan", 1), (&inside, "eth0", 2)] {
            let address = format!("{}/24", lan(last));
            ip(&["-n", place, "address", "add", &address, "dev", device])?;
            ip(&["-n", place, "link", "set", device, "up"])?;
        }
        ip(&["-n", &inside, "link", "set", "lo", "up"])?;
        ip(&["-n", &inside, "route", "add", "default", "via", &lan(1)])?;
        let forwarding = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        ip(&["netns", "exec", &outside, "sh", "-c", forwarding])?;
        match nft(&outside, &rules(nat, &lan(2))) {
            Ok(()) => Ok(Some(Router { inside })),
            Err(reason) => {
                println!("skipped: addresses cannot be translated here: {reason}");
                Ok(None)
            }
        }
    }
}

impl Router {
    /// The namespace of the host inside.
    pub fn inside(&self) -> &str {
        &self.inside
    }
}

fn rules(nat: Nat, inside: &str) -> String {
    let how = match nat {
        Nat::PortRestricted | Nat::FullCone => "",
        Nat::Symmetric => "random,fully-random",
    };
    let forward = match nat {
        Nat::FullCone => format!(
            "iifname \"eth0\" tcp dport {PORT} dnat to {inside}; \
             iifname \"eth0\" udp dport {PORT} dnat to {inside};"
        ),
        Nat::PortRestricted | Nat::Symmetric => String::new(),
    };
    // What was not called for is dropped: a router that said no would have noted the call, and could not let out an
    // answer to it from the same port.
    format!(
        "table ip translate {{
            chain before {{ type nat hook prerouting priority dstnat; {forward} }}
            chain after {{ type nat hook postrouting priority srcnat; oifname \"eth0\" masquerade {how}; }}
        }}
        table ip guard {{
            chain own {{ type filter hook input priority filter; iifname \"eth0\" ct state new drop; }}
            chain through {{
                type filter hook forward priority filter;
                iifname \"eth0\" ct status dnat accept;
                iifname \"eth0\" ct state new drop;
            }}
        }}"
    )
}

/// Sets up the kernel's tables in a namespace.
fn nft(namespace: &str, rules: &str) -> Result<(), Fail> {
    let mut child = Command::new("ip")
        .args(["netns", "exec", namespace, "nft", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // Should the program be missing, its absence is what there is to say.
        stdin.write_all(rules.as_bytes()).ok();
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Fail::new(format!("nft: {}", said.trim())))
}
