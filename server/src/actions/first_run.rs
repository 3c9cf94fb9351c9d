//! A server without an organisation gets its first one, with the administrator who does the rest on pages.

use std::time::Duration;

use sync_core::{
    ids::{OrgId, UserId},
    visibility::Role,
};

use super::{
    ActionError, Code,
    organisation::add_organisation_in,
    people::{NewPerson, add_person_in},
    sign_in::SignedIn,
};
use crate::{
    app::App,
    auth,
    storage::{leases, organisation},
};

/// Two who set the same server up at once do it one after the other, by the row of this lease.
const LEASE: &str = "first_run";
const LEASE_TIME: Duration = Duration::from_secs(1);

/// Who sets the server up, and for whom.
#[derive(Debug, Clone, Default)]
pub struct FirstRun<'a> {
    /// What the server's log says: it shows that this is no stranger.
    pub token: &'a str,
    /// The organisation's name.
    pub organisation: &'a str,
    /// Its time zone.
    pub timezone: &'a str,
    /// The administrator's name.
    pub name: &'a str,
    /// What he signs in with.
    pub login: &'a str,
    /// His password.
    pub password: &'a str,
}

/// Makes the organisation and its administrator, and signs him in.
///
/// # Errors
/// `unknown_route` once there is an organisation; `not_permitted` without the right word; `invalid_request`; the
/// database's.
pub async fn set_up(app: &App, first: &FirstRun<'_>) -> Result<(OrgId, UserId, SignedIn), ActionError> {
    // Said first, so that a server that is set up tells nobody whether a word was right.
    if super::organisation::has_organisation(app).await? {
        return Err(ActionError::refused(Code::UnknownRoute));
    }
    if !auth::check_setup_token(&app.keys, first.token) {
        return Err(ActionError::refused(Code::NotPermitted));
    }
    let password_hash = app.passwords.hash(first.password).await?;
    let mut tx = app.database.write().await?;
    let now = app.seam.now();
    let until = now.plus_ms(i64::try_from(LEASE_TIME.as_millis()).unwrap_or(0));
    leases::take(&mut tx, LEASE, app.seam.uuid(), now, until).await?;
    if organisation::exists_any(&mut tx).await? {
        return Err(ActionError::refused(Code::UnknownRoute));
    }
    let org = add_organisation_in(&mut tx, &app.seam, None, first.organisation, first.timezone).await?;
    let person = NewPerson {
        login: first.login.to_owned(),
        name: first.name.to_owned(),
        email: None,
        role: Role::Admin,
        team: None,
        pools: Vec::new(),
    };
    let user = add_person_in(&mut tx, &app.seam, None, org, &person, Some(password_hash)).await?;
    let (token, expires_at) = auth::begin_session(&mut tx, &app.seam, org, user).await?;
    tx.commit().await?;
    let session = SignedIn {
        token: token.text().to_owned(),
        expires_at,
    };
    Ok((org, user, session))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn first(token: &str) -> FirstRun<'_> {
        FirstRun {
            token,
            organisation: "百货",
            timezone: "Asia/Shanghai",
            name: "李雷",
            login: "lilei",
            password: testing::PASSWORD,
        }
    }

    #[tokio::test]
    async fn whoever_knows_the_word_sets_a_server_up_once() {
        for test in testing::apps().await {
            let token = auth::setup_token(&test.app.keys);
            let refused = set_up(&test.app, &first("guess")).await.err().unwrap();
            assert_eq!(refused.code(), Some(Code::NotPermitted));
            let (_, user, session) = set_up(&test.app, &first(&token)).await.unwrap();
            let person = auth::find_person(&test.app, &session.token).await.unwrap();
            assert_eq!((person.user, person.role), (user, Role::Admin));
            for word in [token.as_str(), "guess"] {
                let refused = set_up(&test.app, &first(word)).await.err().unwrap();
                assert_eq!(refused.code(), Some(Code::UnknownRoute));
            }
        }
    }

    #[tokio::test]
    async fn of_two_at_once_one_sets_the_server_up() {
        for test in testing::apps().await {
            let token = auth::setup_token(&test.app.keys);
            let (one, other) = (first(&token), first(&token));
            let (one, other) = tokio::join!(set_up(&test.app, &one), set_up(&test.app, &other));
            assert!(one.is_ok() != other.is_ok(), "{}", test.name);
        }
    }

    #[tokio::test]
    async fn what_is_refused_leaves_nothing_behind() {
        for test in testing::apps().await {
            let token = auth::setup_token(&test.app.keys);
            for change in [
                |first: &mut FirstRun<'_>| first.organisation = " ",
                |first: &mut FirstRun<'_>| first.timezone = "Mars",
                |first: &mut FirstRun<'_>| first.login = "li lei",
                |first: &mut FirstRun<'_>| first.password = "short",
            ] {
                let mut wrong = first(&token);
                change(&mut wrong);
                let refused = set_up(&test.app, &wrong).await.err().unwrap();
                assert_eq!(refused.code(), Some(Code::InvalidRequest));
            }
            assert!(set_up(&test.app, &first(&token)).await.is_ok());
        }
    }
}
