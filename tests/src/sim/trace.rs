//! A fingerprint of everything that happened, in order.

/// The running hash of a run's events (FNV-1a, 64 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    hash: u64,
    events: u64,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            events: 0,
        }
    }
}

impl Trace {
    /// Takes in one event: when, of what kind, and what it was about.
    pub fn note(&mut self, at_ms: u64, kind: &str, what: &[u8]) {
        self.events += 1;
        self.take(&at_ms.to_le_bytes());
        self.take(kind.as_bytes());
        self.take(what);
    }

    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The hash of all of them.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}
