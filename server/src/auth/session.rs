//! Sessions of people: an opaque random token, stored only as its hash.

use sha2::{Digest, Sha256};
use sync_core::{
    ids::{OrgId, UserId},
    time::Timestamp,
    visibility::{Role, UserState, Viewer},
};

use super::encoding::{from_base64url, to_base64url};
use crate::{
    actions::{ActionError, Code},
    app::App,
    seam::Seam,
    storage::{StorageError, Tx, sessions},
};

/// How long a session lasts: a working day.
pub const SESSION_MS: i64 = 12 * 60 * 60 * 1000;
const TOKEN_BYTES: usize = 32;

/// A session's token: the caller's secret.
pub struct SessionToken {
    text: String,
    sha256: [u8; 32],
}

impl SessionToken {
    pub(crate) fn new(seam: &Seam) -> Self {
        Self::of(&seam.random::<TOKEN_BYTES>())
    }

    /// The token from its text; `None` for text that cannot be one, without asking the database.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = from_base64url(text.as_bytes())?;
        Some(Self::of(&<[u8; TOKEN_BYTES]>::try_from(bytes).ok()?))
    }

    fn of(bytes: &[u8; TOKEN_BYTES]) -> Self {
        Self {
            text: to_base64url(bytes),
            sha256: Sha256::digest(bytes).into(),
        }
    }

    /// What the caller sends.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is stored.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }
}

/// A signed-in person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// His organisation: the only one he ever meets.
    pub org: OrgId,
    /// Who.
    pub user: UserId,
    /// What he signs in with.
    pub login: String,
    /// His name.
    pub name: String,
    /// What he is.
    pub role: Role,
    /// Whether he works here; a session of somebody who does not is refused before it comes to this.
    pub state: UserState,
    /// The version of his rights when he was looked up.
    pub acl_version: i64,
    /// When his session ends.
    pub expires_at: Timestamp,
    /// The hash of his session's token, by which it is ended.
    pub session_sha256: [u8; 32],
}

impl Person {
    /// The person as the visibility table knows him.
    #[must_use]
    pub const fn viewer(&self) -> Viewer {
        Viewer {
            user: self.user,
            role: self.role,
            state: self.state,
        }
    }
}

/// The person whose token this is, as he is now.
///
/// # Errors
/// `unauthenticated` for a token of nobody, `reauthenticate` for one whose time is over; the database's.
pub async fn find_person(app: &App, token: &str) -> Result<Person, ActionError> {
    let token = SessionToken::parse(token).ok_or_else(|| ActionError::refused(Code::Unauthenticated))?;
    let mut tx = app.database.read().await?;
    let (account, expires_at) = sessions::find(&mut tx, token.sha256())
        .await?
        .ok_or_else(|| ActionError::refused(Code::Unauthenticated))?;
    if expires_at <= app.seam.now() {
        return Err(ActionError::refused(Code::Reauthenticate));
    }
    if account.state != UserState::Active {
        return Err(ActionError::refused(Code::Unauthenticated));
    }
    Ok(Person {
        org: account.org,
        user: account.user,
        login: account.login,
        name: account.name,
        role: account.role,
        state: account.state,
        acl_version: account.acl_version,
        expires_at,
        session_sha256: token.sha256,
    })
}

/// Begins a session of a person in the caller's transaction.
///
/// # Errors
/// The driver's.
pub(crate) async fn begin_session(
    tx: &mut Tx,
    seam: &Seam,
    org: OrgId,
    user: UserId,
) -> Result<(SessionToken, Timestamp), StorageError> {
    let token = SessionToken::new(seam);
    let now = seam.now();
    let expires_at = now.plus_ms(SESSION_MS);
    sessions::insert(tx, org, user, token.sha256(), now, expires_at).await?;
    Ok((token, expires_at))
}
