//! Hashing and checking passwords with Argon2id, a few at a time, away from the threads that serve.

use std::{
    num::NonZeroUsize,
    sync::{Arc, OnceLock},
    time::Duration,
};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc::PasswordHash};
use tokio::sync::Semaphore;

use crate::{
    actions::{ActionError, Code},
    seam::Seam,
};

/// The shortest password a person may have.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// The longest: more gives no safety and costs time.
const PASSWORD_BYTES_MAX: usize = 1024;
/// How long a check may wait for its turn before the answer is `overloaded`.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);

/// What one check costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCost {
    memory_kib: u32,
    passes: u32,
}

impl Default for PasswordCost {
    /// OWASP's first choice: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            passes: 2,
        }
    }
}

impl PasswordCost {
    /// As cheap as the algorithm goes. Protects nothing.
    #[doc(hidden)]
    #[must_use]
    pub const fn for_tests() -> Self {
        Self {
            memory_kib: 8,
            passes: 1,
        }
    }

    fn hasher(self) -> Argon2<'static> {
        let params = Params::new(self.memory_kib, self.passes, 1, None).expect("the costs lie within Argon2's bounds");
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
    }
}

/// Hashes and checks passwords. Cheap to clone; clones share one queue.
#[derive(Clone)]
pub struct Passwords {
    seam: Seam,
    cost: PasswordCost,
    turns: Arc<Semaphore>,
    // Checked in place of the hash of a login that does not exist, so that it takes as long.
    nobody: Arc<OnceLock<String>>,
}

impl Passwords {
    /// At most `at_once` checks run at the same time.
    #[must_use]
    pub fn new(seam: Seam, cost: PasswordCost, at_once: NonZeroUsize) -> Self {
        Self {
            seam,
            cost,
            turns: Arc::new(Semaphore::new(at_once.get())),
            nobody: Arc::default(),
        }
    }

    /// The hash to store, in PHC form.
    ///
    /// # Errors
    /// `invalid_request` if it is too short or too long, `overloaded` if too many wait.
    pub async fn hash(&self, password: &str) -> Result<String, ActionError> {
        check_length(password)?;
        let (cost, salt, password) = (self.cost, self.seam.random::<16>(), password.to_owned());
        self.in_turn(move || hash(cost, &password, &salt)).await
    }

    /// Whether the password belongs to the hash. Without a hash the answer is no, after the same work.
    ///
    /// # Errors
    /// `overloaded` if too many wait.
    pub async fn check(&self, password: &str, stored: Option<String>) -> Result<bool, ActionError> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Ok(false);
        }
        let (cost, password, salt, nobody) = (
            self.cost,
            password.to_owned(),
            self.seam.random::<16>(),
            self.nobody.clone(),
        );
        self.in_turn(move || {
            let known = stored.is_some();
            let stored = stored.unwrap_or_else(|| nobody.get_or_init(|| hash(cost, "nobody's", &salt)).clone());
            let fits = PasswordHash::new(&stored)
                .is_ok_and(|stored| cost.hasher().verify_password(password.as_bytes(), &stored).is_ok());
            known && fits
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ActionError> {
        let turn = tokio::time::timeout(QUEUE_TIMEOUT, self.turns.clone().acquire_owned())
            .await
            .map_err(|_| ActionError::refused(Code::Overloaded).retry_after(QUEUE_TIMEOUT.as_secs()))?
            .map_err(|closed| ActionError::Internal(closed.to_string()))?;
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        })
        .await
        .map_err(|failed| ActionError::Internal(failed.to_string()))
    }
}

fn check_length(password: &str) -> Result<(), ActionError> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(ActionError::invalid(format!(
            "choose a password of at least {PASSWORD_CHARS_MIN} characters"
        )));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(ActionError::invalid(format!(
            "choose a password of at most {PASSWORD_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

fn hash(cost: PasswordCost, password: &str, salt: &[u8]) -> String {
    PasswordHasher::<PasswordHash>::hash_password_with_salt(&cost.hasher(), password.as_bytes(), salt)
        .expect("the salt has Argon2's length")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords() -> Passwords {
        let seam = Seam::simulated(3, sync_core::time::Timestamp(0));
        Passwords::new(seam, PasswordCost::for_tests(), NonZeroUsize::MIN)
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let passwords = passwords();
        let stored = passwords.hash("correct horse").await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{stored}");
        assert!(passwords.check("correct horse", Some(stored.clone())).await.unwrap());
        assert!(!passwords.check("correct horsf", Some(stored)).await.unwrap());
        assert!(!passwords.check("correct horse", None).await.unwrap());
        assert!(!passwords.check("nobody's", None).await.unwrap());
        assert!(!passwords.check("x", Some("no hash".to_owned())).await.unwrap());
    }

    #[tokio::test]
    async fn the_same_password_has_another_hash_each_time() {
        let passwords = passwords();
        assert_ne!(
            passwords.hash("correct horse").await.unwrap(),
            passwords.hash("correct horse").await.unwrap()
        );
    }

    #[tokio::test]
    async fn short_and_endless_passwords_are_refused_with_the_bound() {
        for password in ["seven77".to_owned(), "x".repeat(PASSWORD_BYTES_MAX + 1)] {
            let error = passwords().hash(&password).await.unwrap_err();
            assert_eq!(error.code(), Some(Code::InvalidRequest));
        }
        // Characters count, not bytes.
        assert!(passwords().hash("一二三四五六七八").await.is_ok());
    }

    #[test]
    fn the_cost_in_use_is_the_recommended_one() {
        let stored = hash(PasswordCost::default(), "correct horse", &[7; 16]);
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
    }
}
