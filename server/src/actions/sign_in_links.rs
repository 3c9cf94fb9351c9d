//! Links that sign a person in once: made by whoever runs the server, used by whoever is given one.
//!
//! A link is as good as a password for a short time, so only its hash is stored, it works once, and looking at it
//! does not use it up: programs that preview links in messages look at them.

use std::time::Duration;

use serde_json::json;
use sync_core::{
    ids::{OrgId, UserId},
    visibility::UserState,
};

use super::{ActionError, Code, sign_in::SignedIn};
use crate::{
    app::App,
    auth::{self, SessionToken},
    storage::{
        audit::{self, AuditRow},
        people::{self, Account},
        sign_in_links,
    },
};

/// How long a link may be good at most: it lies in logs and messages meanwhile.
pub const LIFETIME_MAX: Duration = Duration::from_hours(24);

/// Makes a link for a person and gives its token; the page is `/sign-in/link/{token}`.
///
/// # Errors
/// `not_found` for an unknown person, `invalid_request` for a lifetime of nothing or over [`LIFETIME_MAX`]; the
/// database's.
pub async fn create_sign_in_link(
    app: &App,
    org: OrgId,
    user: UserId,
    lifetime: Duration,
) -> Result<String, ActionError> {
    let lifetime_ms = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
    if lifetime_ms == 0 || lifetime > LIFETIME_MAX {
        return Err(ActionError::invalid(
            "lifetime: give more than nothing and at most a day",
        ));
    }
    let token = SessionToken::new(&app.seam);
    let now = app.seam.now();
    let mut tx = app.database.write().await?;
    if people::find(&mut tx, org, user).await?.is_none() {
        return Err(ActionError::refused(Code::NotFound).because("user: this organisation has no such person"));
    }
    sign_in_links::insert(&mut tx, org, user, token.sha256(), now, now.plus_ms(lifetime_ms)).await?;
    audit::append(&mut tx, org, &[AuditRow::new(now, "sign_in_link_created", user)]).await?;
    tx.commit().await?;
    Ok(token.text().to_owned())
}

/// Whose link this is. Does not use it up.
///
/// # Errors
/// `link_expired` for one that is used, over or unknown; the database's.
pub async fn find_sign_in_link(app: &App, token: &str) -> Result<Account, ActionError> {
    let token = SessionToken::parse(token).ok_or_else(expired)?;
    let mut tx = app.database.read().await?;
    let (org, user) = sign_in_links::find(&mut tx, token.sha256(), app.seam.now())
        .await?
        .ok_or_else(expired)?;
    people::find(&mut tx, org, user).await?.ok_or_else(expired)
}

/// Uses a link up and begins a session.
///
/// # Errors
/// `link_expired` for one that is used, over or unknown; `account_not_active`; the database's.
pub async fn sign_in_by_link(app: &App, token: &str) -> Result<SignedIn, ActionError> {
    let token = SessionToken::parse(token).ok_or_else(expired)?;
    let mut tx = app.database.write().await?;
    let now = app.seam.now();
    let (org, user) = sign_in_links::take(&mut tx, token.sha256(), now)
        .await?
        .ok_or_else(expired)?;
    let account = people::find(&mut tx, org, user).await?.ok_or_else(expired)?;
    if account.state != UserState::Active {
        return Err(ActionError::refused(Code::AccountNotActive));
    }
    let (session, expires_at) = auth::begin_session(&mut tx, &app.seam, org, user).await?;
    let row = AuditRow::new(now, "signed_in", user)
        .by(user)
        .with_detail(json!({"by": "link"}));
    audit::append(&mut tx, org, &[row]).await?;
    tx.commit().await?;
    Ok(SignedIn {
        token: session.text().to_owned(),
        expires_at,
    })
}

fn expired() -> ActionError {
    ActionError::refused(Code::LinkExpired)
}

#[cfg(test)]
mod tests {
    use sync_core::visibility::Role;

    use super::*;
    use crate::{
        actions::people::{PlaceChange, change_place, set_password},
        jobs::housekeeping::keep_house,
        testing,
    };

    const HOUR: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn a_link_signs_in_once_and_looking_at_it_does_not_use_it_up() {
        for test in testing::apps().await {
            let org = test.organisation("A").await;
            let wang = test.person(org, "wang", Role::Rep, None, &[]).await;
            let token = create_sign_in_link(&test.app, org, wang, HOUR).await.unwrap();
            for _ in 0..2 {
                assert_eq!(find_sign_in_link(&test.app, &token).await.unwrap().user, wang);
            }
            let session = sign_in_by_link(&test.app, &token).await.unwrap();
            assert_eq!(
                auth::find_person(&test.app, &session.token).await.unwrap().login,
                "wang"
            );
            for refused in [
                sign_in_by_link(&test.app, &token).await.err(),
                find_sign_in_link(&test.app, &token).await.err(),
            ] {
                assert_eq!(refused.unwrap().code(), Some(Code::LinkExpired));
            }
        }
    }

    #[tokio::test]
    async fn a_link_of_which_the_time_is_over_is_refused_and_swept_away() {
        for test in testing::apps().await {
            let org = test.organisation("A").await;
            let wang = test.person(org, "wang", Role::Rep, None, &[]).await;
            let token = create_sign_in_link(&test.app, org, wang, HOUR).await.unwrap();
            test.app.seam.advance_ms(60 * 60 * 1000);
            let refused = sign_in_by_link(&test.app, &token).await.err().unwrap();
            assert_eq!(refused.code(), Some(Code::LinkExpired));
            keep_house(&test.app).await.unwrap();
            test.app.seam.advance_ms(-1);
            assert!(find_sign_in_link(&test.app, &token).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_new_password_ends_the_links_made_before_it() {
        for test in testing::apps().await {
            let org = test.organisation("A").await;
            let wang = test.person(org, "wang", Role::Rep, None, &[]).await;
            let token = create_sign_in_link(&test.app, org, wang, HOUR).await.unwrap();
            set_password(&test.app, None, org, wang, "a longer password")
                .await
                .unwrap();
            let refused = sign_in_by_link(&test.app, &token).await.err().unwrap();
            assert_eq!(refused.code(), Some(Code::LinkExpired), "{}", test.name);
        }
    }

    #[tokio::test]
    async fn nobody_signs_in_by_a_link_that_is_made_up_or_who_does_not_work_here() {
        for test in testing::apps().await {
            let org = test.organisation("A").await;
            let wang = test.person(org, "wang", Role::Rep, None, &[]).await;
            for nonsense in ["", "x", &"A".repeat(43), "../../etc"] {
                let refused = sign_in_by_link(&test.app, nonsense).await.err().unwrap();
                assert_eq!(refused.code(), Some(Code::LinkExpired), "{nonsense}");
            }
            let token = create_sign_in_link(&test.app, org, wang, HOUR).await.unwrap();
            let leaves = PlaceChange {
                state: Some(UserState::Disabled),
                ..PlaceChange::default()
            };
            change_place(&test.app, None, org, wang, &leaves).await.unwrap();
            let refused = sign_in_by_link(&test.app, &token).await.err().unwrap();
            assert_eq!(refused.code(), Some(Code::LinkExpired));
            let token = create_sign_in_link(&test.app, org, wang, HOUR).await.unwrap();
            let refused = sign_in_by_link(&test.app, &token).await.err().unwrap();
            assert_eq!(refused.code(), Some(Code::AccountNotActive));
        }
    }

    #[tokio::test]
    async fn a_link_is_made_for_somebody_who_exists_and_for_a_day_at_most() {
        for test in testing::apps().await {
            let org = test.organisation("A").await;
            let wang = test.person(org, "wang", Role::Rep, None, &[]).await;
            for lifetime in [Duration::ZERO, LIFETIME_MAX + Duration::from_millis(1)] {
                let refused = create_sign_in_link(&test.app, org, wang, lifetime).await.err().unwrap();
                assert_eq!(refused.code(), Some(Code::InvalidRequest));
            }
            let nobody = UserId(test.app.seam.uuid());
            let refused = create_sign_in_link(&test.app, org, nobody, HOUR).await.err().unwrap();
            assert_eq!(refused.code(), Some(Code::NotFound));
        }
    }
}
