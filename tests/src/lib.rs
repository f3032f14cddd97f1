//! Support for the tests of the whole system.
//!
//! [`binaries`] gives the programs under test, [`process`] runs nodes as real processes, `netns` gives them
//! hosts of their own with a bad network between them, [`federation`] does with them what people do, and [`docs`] runs what the guide tells its readers to type. [`generate`] makes up federations of any size. [`sim`] plays out a whole federation in one
//! thread, under a virtual clock. The tests themselves are in `tests/tests`.

use std::fmt;

pub mod binaries;
pub mod docs;
pub mod federation;
pub mod generate;
#[cfg(target_os = "linux")]
pub mod netns;
pub mod process;
pub mod sim;

/// Why a test cannot go on, in words. A test that returns it shows the words as they are.
pub struct Fail(String);

impl Fail {
    /// Wraps a message.
    pub fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }
}

impl fmt::Debug for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Fail {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}
