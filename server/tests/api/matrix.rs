//! Each role, each kind of document, each way to read it: always what the table of rights says.

use axum::http::StatusCode;
use serde_json::json;
use server::{
    actions::policy::{PolicyChange, set_policy},
    jobs::indexer,
    testing,
};
use sync_core::{
    document::Kind,
    ids::UserId,
    visibility::{DocumentFacts, Policy, Relation, RelationSet, Role, Target, UserState, Viewer, access},
};
use uuid::Uuid;

use crate::http::World;

/// A person and what he is to the customer.
struct Reader {
    user: UserId,
    role: Role,
    relations: RelationSet,
}

#[tokio::test]
async fn t057_each_role_reads_each_kind_on_each_route_as_the_table_says() {
    for test in testing::apps().await {
        let world = World::on(test).await;
        let company = &world.company;
        let of = |relations: &[Relation]| relations.iter().copied().collect::<RelationSet>();
        let west = company.team("West").await;
        let reader = |user, role, relations: &[Relation]| Reader {
            user,
            role,
            relations: of(relations),
        };
        let readers = [
            reader(world.li, Role::Rep, &[Relation::Owner, Relation::Team]),
            reader(world.wang, Role::Rep, &[Relation::Team]),
            reader(world.mei, Role::Manager, &[Relation::Manager]),
            reader(company.user("zhao", Role::Rep, Some(west), &[]).await, Role::Rep, &[]),
            reader(
                company.user("wei", Role::Manager, Some(west), &[]).await,
                Role::Manager,
                &[],
            ),
            reader(
                company.user("office", Role::BackOffice, None, &[]).await,
                Role::BackOffice,
                &[Relation::BackOffice],
            ),
            reader(
                company.user("service", Role::Service, None, &[]).await,
                Role::Service,
                &[Relation::Service],
            ),
            reader(world.admin, Role::Admin, &[Relation::Admin]),
            reader(world.auditor, Role::Auditor, &[Relation::Auditor]),
        ];
        // One document of each kind by its owner, and one visit by a colleague of the team.
        let customer = company.customer("matrix", Some(world.li), None, Some(world.team)).await;
        let mut documents = Vec::new();
        for kind in Kind::ALL {
            let id = match kind {
                Kind::Card => sync_core::ids::DocumentId::derived(company.org, customer, kind, 0),
                _ => {
                    company
                        .document(customer, kind, world.li, json!({ "notes": format!("wordof{kind}") }))
                        .await
                }
            };
            documents.push((id, kind, world.li));
        }
        let theirs = company
            .document(customer, Kind::Visit, world.wang, json!({ "notes": "wordoftheirs" }))
            .await;
        documents.push((theirs, Kind::Visit, world.wang));
        indexer::catch_up(&company.database, &company.seam, Uuid::nil())
            .await
            .unwrap();

        let mut cells = 0;
        // As it is at first, and with everything chosen differently.
        for change in [PolicyChange::default(), everything_else()] {
            let policy = set_policy(&world.test.app, None, company.org, &change).await.unwrap();
            for Reader { user, role, relations } in &readers {
                let (user, role, relations) = (*user, *role, *relations);
                let token = company.token(user).await;
                let viewer = Viewer {
                    user,
                    role,
                    state: UserState::Active,
                };
                let (shown_status, shown) = world.get(&token, &format!("/api/v1/customers/{customer}")).await;
                assert_eq!(
                    shown_status == StatusCode::OK,
                    access(viewer, relations, Target::Kind(Kind::Card), &policy).may_read(),
                    "{role} {relations:?}"
                );
                let feed = world.ok(&token, "/api/v1/changes?limit=200").await.to_string();
                for (id, kind, author) in &documents {
                    let facts = DocumentFacts {
                        kind: *kind,
                        author: Some(*author),
                        responsible: None,
                        owner: Some(world.li),
                        checked_in_by: None,
                    };
                    let may = access(viewer, relations, Target::Document(facts), &policy).may_read();
                    let what = format!("{} {role} {relations:?} {kind} by {author}", world.test.name);
                    let field = kind.fields()[0].key;
                    let expected = if may { StatusCode::OK } else { StatusCode::NOT_FOUND };
                    assert_eq!(
                        world.get(&token, &format!("/api/v1/documents/{id}")).await.0,
                        expected,
                        "{what}"
                    );
                    // The fixture's changes are empty, so only the refusal is compared.
                    let (status, _) = world
                        .get(&token, &format!("/api/v1/documents/{id}/history?field={field}"))
                        .await;
                    assert_eq!(status == StatusCode::NOT_FOUND, !may, "{what}");
                    assert_eq!(shown.to_string().contains(&id.to_string()), may, "shown: {what}");
                    assert_eq!(feed.contains(&id.to_string()), may, "feed: {what}");
                    let word = if *author == world.wang {
                        "wordoftheirs".to_owned()
                    } else {
                        format!("wordof{kind}")
                    };
                    if *kind != Kind::Card {
                        let found = world.ok(&token, &format!("/api/v1/customers?q={word}")).await;
                        assert_eq!(!found["items"].as_array().unwrap().is_empty(), may, "search: {what}");
                    }
                    cells += 1;
                }
            }
        }
        assert_eq!(cells, 2 * 9 * 9);
    }
}

/// Every cell as unlike the first table as it can be, and no reading in the team.
fn everything_else() -> PolicyChange {
    let cells = Policy::adjustable().map(|(relation, class)| {
        let choices = Policy::choices(relation, class);
        (relation, class, choices[choices.len() - 1])
    });
    PolicyChange {
        team_read: Some(false),
        cells: cells.collect(),
        ..PolicyChange::default()
    }
}
