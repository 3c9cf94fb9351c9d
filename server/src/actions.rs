//! What the server does: one verb a file, one transaction each, called by every front door.
//!
//! Actions know neither HTTP nor SQL text. They refuse with a [`Code`]; what status that is and how it reads in
//! which language is said in `http::problem`.

pub mod assignment;
pub mod backup;
pub mod changes;
pub mod commit;
pub mod covers;
pub mod customers;
pub mod delivery;
pub mod devices;
pub mod directory;
pub mod edit;
pub mod erasure;
pub mod first_run;
pub mod fleet;
pub mod handovers;
pub mod held;
pub mod history;
pub mod lookup;
pub mod organisation;
pub mod overview;
pub mod ownership;
pub mod people;
mod places;
pub mod policy;
pub mod proposals;
pub mod quarantine;
pub mod quarantined;
pub mod reader;
pub mod rebuild;
pub mod recovery;
pub mod sign_in;
pub mod sign_in_links;
pub mod sync;
pub mod verify;
pub mod why;

use crate::storage::StorageError;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// Refused for a reason that the caller can do something about.
    #[error("{}{}", .0.code.as_str(), .0.explanation())]
    Refused(Box<Refusal>),
    /// The database failed.
    #[error("the database failed: {0}")]
    Storage(#[from] StorageError),
    /// Anything else that should not happen. Logged once with the request's id; the caller learns only the id.
    #[error("internal error: {0}")]
    Internal(String),
}

/// A refusal: its stable code and what it may tell beyond it.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// What exactly is wrong, in English, for codes that cover many things (`invalid_request`).
    pub reason: Option<String>,
    /// Members of the answer beside code and sentence, such as the owner of a customer already claimed.
    pub extra: serde_json::Map<String, serde_json::Value>,
    /// When to try again.
    pub retry_after_s: Option<u64>,
}

impl Refusal {
    fn explanation(&self) -> String {
        self.reason
            .as_ref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default()
    }
}

impl ActionError {
    /// A refusal with this code.
    #[must_use]
    pub fn refused(code: Code) -> Self {
        Self::Refused(Box::new(Refusal {
            code,
            reason: None,
            extra: serde_json::Map::new(),
            retry_after_s: None,
        }))
    }

    /// `invalid_request` with a sentence that says what to change.
    #[must_use]
    pub fn invalid(reason: impl Into<String>) -> Self {
        Self::refused(Code::InvalidRequest).because(reason)
    }

    /// Adds what exactly is wrong. Without effect on failures that are no refusals.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        if let Self::Refused(refusal) = &mut self {
            refusal.reason = Some(reason.into());
        }
        self
    }

    /// Adds a member to the answer. Without effect on failures that are no refusals.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<serde_json::Value>) -> Self {
        if let Self::Refused(refusal) = &mut self {
            refusal.extra.insert(member.to_owned(), value.into());
        }
        self
    }

    /// Says when to try again. Without effect on failures that are no refusals.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        if let Self::Refused(refusal) = &mut self {
            refusal.retry_after_s = Some(seconds);
        }
        self
    }

    /// The code of a refusal.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            Self::Storage(_) | Self::Internal(_) => None,
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// Stable codes of refusals: scripts, phones and tests compare them, so they never change their meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

codes! {
    /// The request cannot be understood.
    InvalidRequest = "invalid_request",
    /// No token, or none that this server issued for this use.
    Unauthenticated = "unauthenticated",
    /// The token's time is over.
    Reauthenticate = "reauthenticate",
    /// Login or password are wrong; which of them is not said.
    WrongCredentials = "wrong_credentials",
    /// The sign-in link has been used, its time is over, or there was never one.
    LinkExpired = "link_expired",
    /// A form that no page of this server made, or one of an earlier session.
    ForeignForm = "foreign_form",
    /// Nobody signs in to pages over an unencrypted network.
    PlainConnection = "plain_connection",
    /// Too many failed attempts to sign in.
    TooManyAttempts = "too_many_attempts",
    /// The person's account is not active.
    AccountNotActive = "account_not_active",
    /// The device was revoked.
    DeviceRevoked = "device_revoked",
    /// The device has erased everything that was on it.
    DeviceWiped = "device_wiped",
    /// The person has as many devices as one may have.
    DeviceLimit = "device_limit",
    /// The challenge is old, used, or somebody else's, or the signature over it is wrong.
    ProofRefused = "proof_refused",
    /// The person may not do this.
    NotPermitted = "not_permitted",
    /// There is no such thing, or none that this person may know of.
    NotFound = "not_found",
    /// No such route.
    UnknownRoute = "unknown_route",
    /// The route exists, but not with this method.
    MethodNotAllowed = "method_not_allowed",
    /// Something with this name, login or external id exists.
    AlreadyExists = "already_exists",
    /// Somebody else changed it meanwhile.
    Conflict = "conflict",
    /// The customer has been claimed.
    AlreadyClaimed = "already_claimed",
    /// A field is unknown, of another type or out of its bounds.
    Schema = "schema",
    /// Evidence is written once.
    EvidenceFixed = "evidence_fixed",
    /// The body is no message of the protocol.
    Malformed = "malformed",
    /// The device's message number was already seen with other content, or the device is another's: it is a copy.
    ActorConflict = "actor_conflict",
    /// The device is already in the middle of a sync.
    SyncInProgress = "sync_in_progress",
    /// Claimed as many as one may in this time.
    ClaimLimit = "claim_limit",
    /// Owns as many as one may.
    HoldingCap = "holding_cap",
    /// Released too recently to be claimed by the same person.
    CoolingDown = "cooling_down",
    /// Somebody's things are to go to himself.
    HandoverToSelf = "handover_to_self",
    /// Somebody who is leaving or has left is to get something.
    TargetNotActive = "target_not_active",
    /// Somebody is to stand in for himself.
    CoverBySelf = "cover_by_self",
    /// The table of rights cannot say that: the cell is not adjustable, or not so.
    PolicyBounds = "policy_bounds",
    /// A plan of handing over names nobody who gets anything.
    PlanEmpty = "plan_empty",
    /// A plan of handing over leaves customers with the one who leaves.
    PlanIncomplete = "plan_incomplete",
    /// There is nothing (left) that could be handed over.
    NothingToHandOver = "nothing_to_hand_over",
    /// The time in which a handover can be undone is over.
    UndoExpired = "undo_expired",
    /// The handover has been undone.
    AlreadyUndone = "already_undone",
    /// Asked too often.
    RateLimited = "rate_limited",
    /// The cursor is of an older log: begin anew.
    CursorReset = "cursor_reset",
    /// The body is too large.
    TooLarge = "too_large",
    /// The body is of a type or encoding that this route does not take.
    UnsupportedMediaType = "unsupported_media_type",
    /// The client is too old (or too new) for this server.
    UpgradeRequired = "upgrade_required",
    /// The request took too long.
    TimedOut = "timed_out",
    /// The server has more to do than it can.
    Overloaded = "overloaded",
    /// The server's disk is full.
    StorageFull = "storage_full",
    /// A defect of the server.
    Internal = "internal",
}
