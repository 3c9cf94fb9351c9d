//! Scopes follow role, team, pools, state and policy, at one place in the log each.

use std::collections::BTreeSet;

use sync_core::visibility::{Relation, Scope, ViewerScope};

use super::*;
use crate::{
    actions::{organisation::add_pipeline_stages_in, policy::set_team_read},
    storage::{log, organisation, viewer_scopes, viewers},
    testing::{self, TestApp},
};

async fn scopes(test: &TestApp, org: OrgId, user: UserId) -> BTreeSet<(Scope, Option<Relation>)> {
    let mut tx = test.app.database.read().await.unwrap();
    of(viewers::list_viewer_scopes(&mut tx, org, user).await.unwrap())
}

async fn scopes_at(test: &TestApp, org: OrgId, user: UserId, seq: i64) -> BTreeSet<(Scope, Option<Relation>)> {
    let mut tx = test.app.database.read().await.unwrap();
    of(viewer_scopes::list_at(&mut tx, org, user, seq).await.unwrap())
}

fn of(held: Vec<ViewerScope>) -> BTreeSet<(Scope, Option<Relation>)> {
    held.into_iter().map(|held| (held.scope, held.relation)).collect()
}

async fn head(test: &TestApp, org: OrgId) -> i64 {
    let mut tx = test.app.database.read().await.unwrap();
    log::head(&mut tx, org).await.unwrap()
}

async fn account(test: &TestApp, org: OrgId, user: UserId) -> Account {
    let mut tx = test.app.database.read().await.unwrap();
    people::find(&mut tx, org, user).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_rep_has_his_book_his_pools_and_his_team() {
    for test in testing::apps().await {
        let org = test.organisation("A").await;
        let (east, pool) = (test.team(org, "East", None).await, test.pool(org, "Main").await);
        let wang = test.person(org, "wang", Role::Rep, Some(east), &[pool]).await;
        let held = scopes(&test, org, wang).await;
        assert!(held.contains(&(Scope::Book(wang), Some(Relation::Owner))));
        assert!(held.contains(&(Scope::Pool(pool), Some(Relation::Pool))));
        assert!(held.contains(&(Scope::Team(east), Some(Relation::Team))));
        assert!(!held.iter().any(|(scope, _)| matches!(scope, Scope::Org(_))));
    }
}

#[tokio::test]
async fn a_manager_gets_the_teams_below_his_own_also_those_that_come_later() {
    for test in testing::apps().await {
        let org = test.organisation("A").await;
        let top = test.team(org, "Top", None).await;
        let boss = test.person(org, "boss", Role::Manager, Some(top), &[]).await;
        let stranger = test
            .person(
                org,
                "stranger",
                Role::Manager,
                Some(test.team(org, "Other", None).await),
                &[],
            )
            .await;
        let before = (
            account(&test, org, boss).await.acl_version,
            account(&test, org, stranger).await.acl_version,
        );
        let middle = test.team(org, "Middle", Some(top)).await;
        let low = test.team(org, "Low", Some(middle)).await;
        let held = scopes(&test, org, boss).await;
        for team in [top, middle, low] {
            assert!(held.contains(&(Scope::Team(team), Some(Relation::Manager))));
        }
        assert_eq!(account(&test, org, boss).await.acl_version, before.0 + 2);
        assert_eq!(account(&test, org, stranger).await.acl_version, before.1);
        assert!(
            !scopes(&test, org, stranger)
                .await
                .contains(&(Scope::Team(low), Some(Relation::Manager)))
        );
    }
}

#[tokio::test]
async fn a_change_of_team_role_and_pools_closes_and_opens_scopes_at_one_place_in_the_log() {
    for test in testing::apps().await {
        let org = test.organisation("A").await;
        let (east, west) = (test.team(org, "East", None).await, test.team(org, "West", None).await);
        let (main, big) = (test.pool(org, "Main").await, test.pool(org, "Big").await);
        let wang = test.person(org, "wang", Role::Rep, Some(east), &[main]).await;
        let (version, before) = (account(&test, org, wang).await.acl_version, head(&test, org).await);
        let old = scopes(&test, org, wang).await;
        let change = PlaceChange {
            team: Some(Some(west)),
            role: Some(Role::Manager),
            pools: Some(vec![(big, true)]),
            state: None,
        };
        change_place(&test.app, None, org, wang, &change).await.unwrap();
        assert_eq!(account(&test, org, wang).await.acl_version, version + 1);
        assert_eq!(head(&test, org).await, before + 1);
        let new = scopes(&test, org, wang).await;
        assert!(new.contains(&(Scope::Team(west), Some(Relation::Manager))));
        assert!(new.contains(&(Scope::Pool(big), Some(Relation::PoolAdmin))));
        assert!(
            !new.iter()
                .any(|(scope, _)| [Scope::Team(east), Scope::Pool(main)].contains(scope))
        );
        // What he had before can be asked for ever after.
        assert_eq!(scopes_at(&test, org, wang, before).await, old);
        assert_eq!(scopes_at(&test, org, wang, before + 1).await, new);
        // The same again changes no scope and takes no place.
        change_place(&test.app, None, org, wang, &change).await.unwrap();
        assert_eq!(head(&test, org).await, before + 1);
        // And back again: the same scope begins a second time.
        let back = PlaceChange {
            team: Some(Some(east)),
            role: Some(Role::Rep),
            pools: Some(vec![(main, false)]),
            state: None,
        };
        change_place(&test.app, None, org, wang, &back).await.unwrap();
        assert_eq!(scopes(&test, org, wang).await, old);
        assert_eq!(scopes_at(&test, org, wang, before + 1).await, new);
    }
}

#[tokio::test]
async fn somebody_who_is_disabled_has_no_scopes_and_gets_them_back_when_he_returns() {
    for test in testing::apps().await {
        let org = test.organisation("A").await;
        let wang = test.person(org, "wang", Role::Rep, None, &[]).await;
        let old = scopes(&test, org, wang).await;
        let set = |state| PlaceChange {
            state: Some(state),
            ..PlaceChange::default()
        };
        change_place(&test.app, None, org, wang, &set(UserState::Offboarding))
            .await
            .unwrap();
        assert_eq!(scopes(&test, org, wang).await, old);
        change_place(&test.app, None, org, wang, &set(UserState::Disabled))
            .await
            .unwrap();
        assert!(scopes(&test, org, wang).await.is_empty());
        change_place(&test.app, None, org, wang, &set(UserState::Active))
            .await
            .unwrap();
        assert_eq!(scopes(&test, org, wang).await, old);
    }
}

#[tokio::test]
async fn without_reading_in_the_team_its_scope_goes_from_reps_and_stays_with_managers() {
    for test in testing::apps().await {
        let org = test.organisation("A").await;
        let east = test.team(org, "East", None).await;
        let wang = test.person(org, "wang", Role::Rep, Some(east), &[]).await;
        let boss = test.person(org, "boss", Role::Manager, Some(east), &[]).await;
        let in_team = (Scope::Team(east), Some(Relation::Team));
        assert!(scopes(&test, org, wang).await.contains(&in_team));
        let version = account(&test, org, wang).await.acl_version;
        set_team_read(&test.app, None, org, false).await.unwrap();
        assert!(!scopes(&test, org, wang).await.contains(&in_team));
        assert_eq!(account(&test, org, wang).await.acl_version, version + 1);
        assert!(
            scopes(&test, org, boss)
                .await
                .contains(&(Scope::Team(east), Some(Relation::Manager)))
        );
        set_team_read(&test.app, None, org, true).await.unwrap();
        assert!(scopes(&test, org, wang).await.contains(&in_team));
    }
}

#[tokio::test]
async fn what_is_taken_unknown_or_malformed_is_refused_with_its_code() {
    for test in testing::apps().await {
        let (org, other) = (test.organisation("A").await, test.organisation("B").await);
        let (foreign_team, foreign_pool) = (test.team(other, "East", None).await, test.pool(other, "Main").await);
        test.person(other, "taken", Role::Rep, None, &[]).await;
        let good = NewPerson {
            login: "wang".into(),
            name: "王伟".into(),
            email: None,
            role: Role::Rep,
            team: None,
            pools: vec![],
        };
        let cases: Vec<(NewPerson, Code)> = vec![
            // Logins are unique on the whole server.
            (
                NewPerson {
                    login: "taken".into(),
                    ..good.clone()
                },
                Code::AlreadyExists,
            ),
            (
                NewPerson {
                    login: " ".into(),
                    ..good.clone()
                },
                Code::InvalidRequest,
            ),
            (
                NewPerson {
                    login: "a b".into(),
                    ..good.clone()
                },
                Code::InvalidRequest,
            ),
            (
                NewPerson {
                    name: "\u{7}".into(),
                    ..good.clone()
                },
                Code::InvalidRequest,
            ),
            (
                NewPerson {
                    email: Some("a b".into()),
                    ..good.clone()
                },
                Code::InvalidRequest,
            ),
            (
                NewPerson {
                    team: Some(foreign_team),
                    ..good.clone()
                },
                Code::NotFound,
            ),
            (
                NewPerson {
                    pools: vec![(foreign_pool, false)],
                    ..good.clone()
                },
                Code::NotFound,
            ),
        ];
        for (person, code) in cases {
            let refused = add_person(&test.app, None, org, &person, Some("correct horse"))
                .await
                .unwrap_err();
            assert_eq!(refused.code(), Some(code), "{person:?}");
        }
        let short = add_person(&test.app, None, org, &good, Some("short"))
            .await
            .unwrap_err();
        assert_eq!(short.code(), Some(Code::InvalidRequest));
        let nowhere = add_person(&test.app, None, OrgId(uuid::Uuid::nil()), &good, None)
            .await
            .unwrap_err();
        assert_eq!(nowhere.code(), Some(Code::NotFound));
        let wang = add_person(&test.app, None, org, &good, None).await.unwrap();
        let refused = change_place(&test.app, None, other, wang, &PlaceChange::default())
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Some(Code::NotFound));
    }
}

#[tokio::test]
async fn the_directory_has_a_new_version_whenever_what_it_shows_changes() {
    for test in testing::apps().await {
        let org = test.organisation("百货").await;
        let current = || async {
            let mut tx = test.app.database.read().await.unwrap();
            let version = organisation::find(&mut tx, org)
                .await
                .unwrap()
                .unwrap()
                .directory_version;
            (version, test.app.directories.get(&mut tx, org, version).await.unwrap())
        };
        let (first_version, first) = current().await;
        let directory: sync_core::directory::Directory = serde_json::from_slice(&first.json).unwrap();
        assert_eq!(
            (directory.organisation.as_str(), directory.timezone.as_str()),
            ("百货", "Asia/Shanghai")
        );
        assert_eq!(directory.settings.stages[0].id, "lead");
        assert_eq!(current().await, (first_version, first.clone()));

        let east = test.team(org, "East", None).await;
        let pool = test.pool(org, "Main").await;
        let wang = test.person(org, "wang", Role::Rep, Some(east), &[pool]).await;
        let mut tx = test.app.database.write().await.unwrap();
        let stages = ["won".to_owned(), "pilot".to_owned()];
        add_pipeline_stages_in(&mut tx, &test.app.seam, None, org, &stages)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let (version, content) = current().await;
        assert!(version > first_version && content.sha256 != first.sha256);
        let directory: sync_core::directory::Directory = serde_json::from_slice(&content.json).unwrap();
        assert_eq!(directory.people[0].id, wang);
        assert_eq!((directory.teams[0].id, directory.pools[0].id), (east, pool));
        let pipeline: Vec<_> = directory
            .settings
            .pipeline
            .iter()
            .map(|stage| stage.choice.id.as_str())
            .collect();
        assert_eq!(pipeline, ["needs", "proposal", "negotiation", "won", "lost", "pilot"]);
    }
}
