//! What can go wrong on a phone, named after what its screen does next.

use sync_core::replica::ReplicaError;

use crate::store::StoreError;

/// Why a call failed. [`PhoneError::code`] is stable.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    /// The server cannot be reached; what was recorded stays and is sent later.
    #[error("the server cannot be reached ({0}); what you have recorded is kept and is sent with the next sync")]
    Offline(String),
    /// Somebody has turned the network off on this phone.
    #[error("flight mode is on: nothing leaves this phone; what you record is kept, turn flight mode off to sync")]
    FlightMode,
    /// The server is busy and has said so more than once.
    #[error("the server is busy; what you have recorded is kept, sync again in a while")]
    Busy,
    /// Somebody has to sign in on this phone (again).
    #[error("{0}")]
    SignInRequired(String),
    /// The server does not work with this phone any more, or the phone has locked itself.
    #[error("{}", locked_sentence(code))]
    Locked {
        /// The server's code, or `locked` for a phone that has not reached its server for too long.
        code: String,
    },
    /// The server needs a newer app; local work goes on.
    #[error("the server needs a newer version of this app; your work is kept and can go on")]
    UpdateRequired,
    /// Another sync of this store is running.
    #[error("another sync of this phone is running; wait for it to end")]
    SyncInProgress,
    /// The engine or a form refused.
    #[error("{message}")]
    Refused {
        /// The stable code.
        code: String,
        /// What to do.
        message: String,
    },
    /// The store failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A simulated phone was killed here.
    #[error("the phone was killed")]
    Killed,
}

impl PhoneError {
    /// A refusal with its code and what to do.
    #[must_use]
    pub fn refused(code: &str, message: impl Into<String>) -> Self {
        Self::Refused {
            code: code.to_owned(),
            message: message.into(),
        }
    }

    /// A phone nobody may work on, with its code.
    pub(crate) fn locked(code: &str) -> Self {
        Self::Locked { code: code.to_owned() }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Offline(_) => "offline",
            Self::FlightMode => "flight_mode",
            Self::Busy => "busy",
            Self::SignInRequired(_) => "sign_in_required",
            Self::Locked { code } | Self::Refused { code, .. } => code,
            Self::UpdateRequired => "upgrade_required",
            Self::SyncInProgress => "sync_in_progress",
            Self::Store(error) => error.code(),
            Self::Killed => "killed",
        }
    }
}

fn locked_sentence(code: &str) -> String {
    if code == "locked" {
        return "this phone has not reached the server for too long and has locked itself; sign in on it again while it \
                can reach the server, what is unsent on it is kept"
            .to_owned();
    }
    format!("the server does not accept this phone any more ({code}); what is unsent stays on it")
}

impl From<ReplicaError<StoreError>> for PhoneError {
    fn from(error: ReplicaError<StoreError>) -> Self {
        match error {
            ReplicaError::Store(error) => Self::Store(error),
            ReplicaError::Locked => Self::locked("locked"),
            ReplicaError::NotEnrolled => Self::SignInRequired(error.to_string()),
            other => Self::refused(other.code(), other.to_string()),
        }
    }
}
