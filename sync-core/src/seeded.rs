//! Known defects, one line each at its place in the product, by which the simulator is tested: a promise that no defect
//! breaks is no promise (docs/SIMULATION.md).
//!
//! Without the feature `seeded-bugs`, which only the tests build with, [`seeded`] is a constant `false` and nothing of them
//! is left. With it a defect still has to be planted by a call on the very thread that is to have it.

/// A defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// Of a page only the first customers' documents are asked of the policy.
    PolicyAskedOnce,
    /// Every seventh message is acknowledged and not written.
    AcknowledgedBeforeCommit,
    /// A phone builds each change on what the server has, so that two before a sync have one actor and sequence.
    NameReused,
    /// A cursor passes over one place of the log.
    CursorPlusOne,
    /// A phone confirms that it has dropped a customer and keeps the documents.
    EvictionForgotten,
    /// News are judged by the rights at the cursor instead of those now.
    RightsOfTheCursor,
    /// The log does not say that a change came late.
    LateMarkDropped,
    /// Of a change in quarantine the content is not kept.
    QuarantineLost,
    /// A phone is told to erase itself while it holds unsent work, and does.
    WipedBeforeDrained,
    /// An undo takes back what has gone to somebody else since.
    UndoTakesWhatMoved,
    /// An intent that comes again is done again.
    IntentTwice,
    /// Whoever comes into a team is not sent its customers.
    GrantMissedAfterTeamChange,
    /// A device may write under another's actor.
    AuthorBindingSkipped,
    /// The owner is shown what managers write of his customer.
    InternalToOwner,
    /// Another change under a known name is taken for the same.
    EquivocationAccepted,
    /// Of two values only one is shown.
    ConflictDropped,
    /// Pages without documents are missing in the audit.
    DeliveryNotAudited,
    /// A phone forgets what it has sent before it hears what became of it.
    SentIsForgotten,
    /// Devices are not told who is responsible.
    ResponsibleNotSent,
    /// Whoever leaves a team or a pool goes on seeing it.
    ScopeNotClosed,
    /// A handover forgets what somebody is responsible for at other people's customers.
    HandoverLeavesElsewhere,
    /// Work counts as late also after its device has confirmed the loss.
    LateAfterConfirmation,
    /// A device that may only hand in is sent pages.
    DrainGetsPages,
    /// Late values are left on top of others.
    AmendmentSkipped,
    /// What was refused is judged anew when it comes again.
    RefusalForgotten,
    /// What somebody decides to accept stands under the name of whoever decided.
    DeciderBecomesAuthor,
    /// Of a chain in quarantine only the first change is accepted.
    ChainAcceptedHalf,
    /// A claim takes a customer from its owner.
    ClaimTakesFromOwner,
    /// What a device asks for again is sent without asking the policy.
    WantedUnchecked,
    /// Values that are put back stand under the name of whoever came late.
    RestoredUnderWrongName,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 30] = [
        Self::PolicyAskedOnce,
        Self::AcknowledgedBeforeCommit,
        Self::NameReused,
        Self::CursorPlusOne,
        Self::EvictionForgotten,
        Self::RightsOfTheCursor,
        Self::LateMarkDropped,
        Self::QuarantineLost,
        Self::WipedBeforeDrained,
        Self::UndoTakesWhatMoved,
        Self::IntentTwice,
        Self::GrantMissedAfterTeamChange,
        Self::AuthorBindingSkipped,
        Self::InternalToOwner,
        Self::EquivocationAccepted,
        Self::ConflictDropped,
        Self::DeliveryNotAudited,
        Self::SentIsForgotten,
        Self::ResponsibleNotSent,
        Self::ScopeNotClosed,
        Self::HandoverLeavesElsewhere,
        Self::LateAfterConfirmation,
        Self::DrainGetsPages,
        Self::AmendmentSkipped,
        Self::RefusalForgotten,
        Self::DeciderBecomesAuthor,
        Self::ChainAcceptedHalf,
        Self::ClaimTakesFromOwner,
        Self::WantedUnchecked,
        Self::RestoredUnderWrongName,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

#[cfg(feature = "seeded-bugs")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a defect into everything this thread does from now on, or takes it away again.
#[cfg(feature = "seeded-bugs")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether this thread has this defect.
#[cfg(feature = "seeded-bugs")]
#[must_use]
pub fn seeded(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether this build has this defect: never.
#[cfg(not(feature = "seeded-bugs"))]
#[must_use]
#[inline]
pub const fn seeded(_bug: Bug) -> bool {
    false
}
