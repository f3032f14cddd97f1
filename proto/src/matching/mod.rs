//! Bringing needs and offers together, and organisations that are like one another, each with the reasons.
//!
//! All of it is a function of what the two say, so every node that holds the same gives the same answer, and a person
//! can see why. Nothing is learnt, and size counts for nothing: the listing of a small group is weighed like a council's.
//!
//! Words are compared through [`Wording`], which knows what is another word for the same.

mod need;
mod profile;
mod twins;
mod vocabulary;
mod words;

pub use need::{Pairing, pair};
pub use profile::{Profile, Side};
pub use twins::{Likeness, OrgProfile, alike};
pub use words::{Plain, Wording, fold, stem};

use serde::{Deserialize, Serialize};

/// Why two things go together, or what speaks against it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reason {
    /// What about.
    pub about: About,
    /// The words that were found, as people read them.
    pub words: Vec<String>,
}

/// What a reason is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// Both speak of the same.
    Subject,
    /// A language that is asked for is offered.
    Language,
    /// Both are about the same area, or one lies within the other.
    Area,
    /// One asks for a kind of thing that the other is.
    Kind,
    /// Both do the same work.
    Work,
    /// Both serve the same people.
    People,
    /// Against it: a language is asked for, and it is not said that it is offered.
    LanguageUnknown,
    /// Against it: they are about different areas.
    Elsewhere,
}

impl About {
    /// Whether it speaks against a match.
    #[must_use]
    pub fn is_against(self) -> bool {
        matches!(self, About::LanguageUnknown | About::Elsewhere)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = self.words.join(", ");
        match self.about {
            About::Subject => write!(formatter, "both speak of {words}"),
            About::Language => write!(formatter, "offered in {words}"),
            About::Area => write!(formatter, "both in {words}"),
            About::Kind => write!(formatter, "it is {words}"),
            About::Work => write!(formatter, "both do {words}"),
            About::People => write!(formatter, "both serve {words}"),
            About::LanguageUnknown => write!(formatter, "but does not say that it offers {words}"),
            About::Elsewhere => write!(formatter, "but is about {words}"),
        }
    }
}
