//! Faults that are built in on purpose, one at a time, to see whether the tests find them.
//!
//! Without the feature `planted`, [`is`] is a constant `false` and nothing of this is in the program. With it, a
//! thread that calls `plant` runs a protocol with one mistake. Only the tests switch the feature on, in a build of
//! its own; the daemon does not compile with it (`docs/decisions/0014-planted-bugs.md`).

/// A mistake. `docs/protocol/simulation.md` says of each what it breaks, and which check found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// Signatures are not checked.
    SkipSignature,
    /// The delegation that comes with a record need not be its writer's.
    SkipDelegationOwner,
    /// A delegation covers records of any date.
    SkipWindow,
    /// A state need not be the one that its record names.
    SkipStateHash,
    /// A record that is contained in one that is held replaces it.
    AcceptDominated,
    /// A record is compared by its number alone, whatever it has seen.
    IgnoreSaw,
    /// A record is published without what its writer has merged of others.
    ForgetSaw,
    /// An edit is told before it is on the disk.
    ForgetFlush,
    /// A revocation ends nothing that is held already.
    KeepRevoked,
    /// A revocation's last records do not count: what comes later is taken all the same.
    ForgetLastRecord,
    /// Of an organisation that leaves, the documents stay.
    KeepDeparted,
    /// A departure need not be of the organisation whose node signed it.
    TakeAnothersDeparture,
    /// The initiator does not send what the responder lacks.
    ForgetHave,
    /// States that are missing are not asked for again.
    ForgetLacking,
    /// The state of a record that was replaced stays in the store.
    KeepOldState,
    /// An item is sent as often as it is asked for.
    SendAgain,
    /// Memory changes although the store has refused.
    IgnoreFullDisk,
    /// Siblings' records are noted as merged that are not.
    ForgetSibling,
    /// Any number of undominated records is kept.
    KeepAllConcurrent,
}

impl Planted {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::SkipSignature,
        Self::SkipDelegationOwner,
        Self::SkipWindow,
        Self::SkipStateHash,
        Self::AcceptDominated,
        Self::IgnoreSaw,
        Self::ForgetSaw,
        Self::ForgetFlush,
        Self::KeepRevoked,
        Self::ForgetLastRecord,
        Self::KeepDeparted,
        Self::TakeAnothersDeparture,
        Self::ForgetHave,
        Self::ForgetLacking,
        Self::KeepOldState,
        Self::SendAgain,
        Self::IgnoreFullDisk,
        Self::ForgetSibling,
        Self::KeepAllConcurrent,
    ];
}

/// Whether mistakes can be planted in this build.
pub const AVAILABLE: bool = cfg!(feature = "planted");

#[cfg(feature = "planted")]
thread_local! {
    static NOW: std::cell::Cell<Option<Planted>> = const { std::cell::Cell::new(None) };
}

/// Plants a mistake in this thread, in the place of the one before; `None` makes it right again.
#[cfg(feature = "planted")]
pub fn plant(mistake: Option<Planted>) {
    NOW.set(mistake);
}

/// Whether a mistake is planted in this thread.
#[cfg(feature = "planted")]
pub fn is(mistake: Planted) -> bool {
    NOW.get() == Some(mistake)
}

/// Whether a mistake is planted: never, in this build.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub const fn is(_mistake: Planted) -> bool {
    false
}
