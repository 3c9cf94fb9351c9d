//! Errors, named after what the screen does next.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::store::StoreError;

/// Why a call failed. Screens switch on the variant, programs on `code`, which is stable; `reason` says in English what
/// to do and is for logs and for screens without a text of their own.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Error, thiserror::Error)]
pub enum PhoneError {
    /// The server cannot be reached, or flight mode is on. Show it small: all work goes on and is sent later.
    #[error("{code}: {reason}")]
    Offline {
        /// `offline` or `flight_mode`.
        code: String,
        /// What to do.
        reason: String,
    },
    /// The server is busy. Sync again in a while.
    #[error("{code}: {reason}")]
    Busy {
        /// `busy`.
        code: String,
        /// What to do.
        reason: String,
    },
    /// Somebody has to sign in (again): show the sign-in screen. Nothing on the phone is lost by it.
    #[error("{code}: {reason}")]
    SignInRequired {
        /// `sign_in_required`, or what the server said, such as `unauthenticated`.
        code: String,
        /// What to do.
        reason: String,
    },
    /// The server does not work with this phone any more: say so, offer nothing that records. What is unsent stays.
    #[error("{code}: {reason}")]
    Locked {
        /// Why: `locked` for a phone that has not reached its server for too long (sign in again), `offboarding` for one
        /// that only hands in what it holds, `device_wiped`, `device_revoked` or `account_not_active`.
        code: String,
        /// What to do.
        reason: String,
    },
    /// A newer app is needed: point to the store it comes from.
    #[error("{code}: {reason}")]
    UpdateRequired {
        /// `upgrade_required`.
        code: String,
        /// What to do.
        reason: String,
    },
    /// Another sync of this store is running, here or in another process: wait for its end.
    #[error("{code}: {reason}")]
    SyncInProgress {
        /// `sync_in_progress`.
        code: String,
        /// What to do.
        reason: String,
    },
    /// The phone's storage is full: ask to free some. What was to be recorded by this call is not.
    #[error("{code}: {reason}")]
    StorageFull {
        /// `storage_full`.
        code: String,
        /// What to do.
        reason: String,
    },
    /// The store cannot be opened or read.
    #[error("{code}: {reason}")]
    StoreFailed {
        /// `store_not_found` or `store_failed`.
        code: String,
        /// What to do.
        reason: String,
    },
    /// A key was given, and this version cannot encrypt.
    #[error("{code}: {reason}")]
    EncryptionUnavailable {
        /// `encryption_unavailable`.
        code: String,
        /// What to do.
        reason: String,
    },
    /// The program called with something that can never be right, such as an id that is none: a defect of the app.
    #[error("{code}: {reason}")]
    InvalidCall {
        /// `invalid_request`.
        code: String,
        /// What is wrong.
        reason: String,
    },
    /// What was asked is refused: show it where it was asked.
    #[error("{code}: {reason}")]
    Refused {
        /// Why, such as `not_permitted`, `not_found`, `schema` or `wrong_credentials`.
        code: String,
        /// What to do.
        reason: String,
    },
    /// A defect of this library, contained.
    #[error("{code}: {reason}")]
    Internal {
        /// `internal`.
        code: String,
        /// What to do.
        reason: String,
    },
}

impl PhoneError {
    /// The stable code.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Offline { code, .. }
            | Self::Busy { code, .. }
            | Self::SignInRequired { code, .. }
            | Self::Locked { code, .. }
            | Self::UpdateRequired { code, .. }
            | Self::SyncInProgress { code, .. }
            | Self::StorageFull { code, .. }
            | Self::StoreFailed { code, .. }
            | Self::EncryptionUnavailable { code, .. }
            | Self::InvalidCall { code, .. }
            | Self::Refused { code, .. }
            | Self::Internal { code, .. } => code,
        }
    }

    /// The caller gave something that can never be right.
    pub(super) fn invalid(reason: impl Into<String>) -> Self {
        Self::InvalidCall {
            code: "invalid_request".to_owned(),
            reason: reason.into(),
        }
    }
}

impl From<crate::PhoneError> for PhoneError {
    fn from(error: crate::PhoneError) -> Self {
        use crate::PhoneError as Inner;
        let (code, reason) = (error.code().to_owned(), error.to_string());
        match error {
            Inner::Offline(_) | Inner::FlightMode => Self::Offline { code, reason },
            Inner::Busy => Self::Busy { code, reason },
            Inner::SignInRequired(_) => Self::SignInRequired { code, reason },
            Inner::Locked { .. } => Self::Locked { code, reason },
            Inner::UpdateRequired => Self::UpdateRequired { code, reason },
            Inner::SyncInProgress => Self::SyncInProgress { code, reason },
            Inner::Store(StoreError::Full) => Self::StorageFull { code, reason },
            Inner::Store(StoreError::Newer) => Self::UpdateRequired { code, reason },
            Inner::Store(StoreError::Wiped) => Self::Locked { code, reason },
            Inner::Store(StoreError::EncryptionUnavailable) => Self::EncryptionUnavailable { code, reason },
            Inner::Store(_) => Self::StoreFailed { code, reason },
            Inner::Killed => Self::Internal { code, reason },
            Inner::Refused { .. } => match code.as_str() {
                "offboarding" => Self::Locked { code, reason },
                "upgrade_required" => Self::UpdateRequired { code, reason },
                // The server took neither the token nor a fresh proof of the device's key.
                "reauthenticate" | "unauthenticated" => Self::SignInRequired { code, reason },
                _ => Self::Refused { code, reason },
            },
        }
    }
}

impl From<StoreError> for PhoneError {
    fn from(error: StoreError) -> Self {
        crate::PhoneError::from(error).into()
    }
}

/// Runs a call so that a panic in it becomes an error of a type that the app knows. A transaction under way is rolled
/// back while the panic unwinds.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T, PhoneError>) -> Result<T, PhoneError> {
    // What is shared between calls lies behind locks and in the store; both are whole after a panic.
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        Err(PhoneError::Internal {
            code: "internal".to_owned(),
            reason: "the library failed in a way that it should not; what was recorded before is kept".to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        let error = guarded::<()>(|| std::panic::panic_any("on purpose")).unwrap_err();
        assert!(matches!(error, PhoneError::Internal { .. }), "{error}");
        assert!(!error.to_string().contains("on purpose"), "{error}");
    }

    #[test]
    fn each_inner_error_keeps_its_code_and_gets_the_variant_of_its_screen() {
        use crate::PhoneError as Inner;
        type Fits = fn(&PhoneError) -> bool;
        let cases: [(Inner, Fits); 6] = [
            (Inner::Offline("x".into()), |error| {
                matches!(error, PhoneError::Offline { .. })
            }),
            (Inner::UpdateRequired, |error| {
                matches!(error, PhoneError::UpdateRequired { .. })
            }),
            (Inner::Store(StoreError::Full), |error| {
                matches!(error, PhoneError::StorageFull { .. })
            }),
            (Inner::Store(StoreError::Newer), |error| {
                matches!(error, PhoneError::UpdateRequired { .. })
            }),
            (Inner::locked("locked"), |error| {
                matches!(error, PhoneError::Locked { .. })
            }),
            (Inner::refused("not_permitted", "x"), |error| {
                matches!(error, PhoneError::Refused { .. })
            }),
        ];
        for (inner, fits) in cases {
            let code = inner.code().to_owned();
            let error = PhoneError::from(inner);
            assert!(fits(&error), "{error:?}");
            assert_eq!(error.code(), code);
        }
    }
}
