//! Lists of customers: filters, order, pages, rights.

use server::{
    actions::customers::{self, Page, Wanted},
    storage::customers::CustomerFilter,
    testing,
};
use sync_core::{document::Kind, ids::UserId, visibility::Role};

use crate::fixture::Company;

async fn list(company: &Company, user: UserId, wanted: Wanted) -> Page {
    customers::list(&company.database, company.org, user, wanted)
        .await
        .unwrap()
}

fn names(page: &Page) -> Vec<&str> {
    page.items.iter().map(|item| item.customer.name.as_str()).collect()
}

#[tokio::test]
async fn pages_follow_name_and_id_and_show_each_visible_customer_once() {
    for app in testing::apps().await {
        let company = Company::new(&app.app, "One").await;
        let (east, west) = (company.team("East").await, company.team("West").await);
        let pool = company.pool("Open").await;
        let li = company.user("li", Role::Rep, Some(east), &[(pool, false)]).await;
        let zhao = company.user("zhao", Role::Rep, Some(west), &[]).await;
        let office = company.user("office", Role::BackOffice, None, &[]).await;
        for number in 0..7 {
            company
                .customer(&format!("c{}", number % 3), Some(li), None, Some(east))
                .await;
        }
        company.customer("pooled", None, Some(pool), None).await;
        company.customer("hidden", Some(zhao), None, Some(west)).await;

        for (user, expected) in [(li, 8), (zhao, 1), (office, 9)] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = list(
                    &company,
                    user,
                    Wanted {
                        after: after.take(),
                        limit: 3,
                        ..Wanted::default()
                    },
                )
                .await;
                assert!(page.items.len() <= 3);
                seen.extend(
                    page.items
                        .iter()
                        .map(|item| (item.customer.name.clone(), item.customer.id)),
                );
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert!(seen.is_sorted(), "{}", app.name);
            seen.dedup();
            assert_eq!(seen.len(), expected, "{} {user}", app.name);
        }
    }
}

#[tokio::test]
async fn filters_narrow_and_relations_are_named_by_the_strongest() {
    for app in testing::apps().await {
        let company = Company::new(&app.app, "One").await;
        let east = company.team("East").await;
        let pool = company.pool("Open").await;
        let li = company.user("li", Role::Rep, Some(east), &[(pool, false)]).await;
        let wang = company.user("wang", Role::Rep, Some(east), &[]).await;
        let mei = company.user("mei", Role::Manager, Some(east), &[]).await;
        let mine = company.customer("mine", Some(li), None, Some(east)).await;
        company.customer("colleague's", Some(wang), None, Some(east)).await;
        company.customer("pooled", None, Some(pool), None).await;

        let all = list(
            &company,
            li,
            Wanted {
                limit: 10,
                ..Wanted::default()
            },
        )
        .await;
        assert_eq!(names(&all), ["colleague's", "mine", "pooled"], "{}", app.name);
        let relations: Vec<&str> = all
            .items
            .iter()
            .map(|item| item.relations.strongest().unwrap().name())
            .collect();
        assert_eq!(relations, ["team", "owner", "pool"], "{}", app.name);
        assert_eq!(all.people[&wang].login, "wang");

        let of = |filter| Wanted {
            filter,
            limit: 10,
            ..Wanted::default()
        };
        let cases = [
            (
                of(CustomerFilter {
                    owner: Some(li),
                    ..Default::default()
                }),
                vec!["mine"],
            ),
            (
                of(CustomerFilter {
                    pool: Some(pool),
                    ..Default::default()
                }),
                vec!["pooled"],
            ),
            (
                of(CustomerFilter {
                    team: Some(east),
                    ..Default::default()
                }),
                vec!["colleague's", "mine"],
            ),
            (
                of(CustomerFilter {
                    stage: Some("'; DROP TABLE customer; --".into()),
                    ..Default::default()
                }),
                vec![],
            ),
            (
                Wanted {
                    relation: Some("team".into()),
                    limit: 10,
                    ..Wanted::default()
                },
                vec!["colleague's", "mine"],
            ),
            (
                Wanted {
                    relation: Some("owner".into()),
                    limit: 10,
                    ..Wanted::default()
                },
                vec!["mine"],
            ),
            (
                Wanted {
                    relation: Some("admin".into()),
                    limit: 10,
                    ..Wanted::default()
                },
                vec![],
            ),
        ];
        for (wanted, expected) in cases {
            assert_eq!(
                names(&list(&company, li, wanted.clone()).await),
                expected,
                "{} {wanted:?}",
                app.name
            );
        }

        // The manager sees the team's, of the pool nothing; a customer shown is shown by his rights.
        assert_eq!(
            names(
                &list(
                    &company,
                    mei,
                    Wanted {
                        limit: 10,
                        ..Wanted::default()
                    }
                )
                .await
            ),
            ["colleague's", "mine"]
        );
        company
            .document(mine, Kind::Internal, mei, serde_json::json!({ "notes": "x" }))
            .await;
        let shown = |user| customers::show(&company.database, company.org, user, mine);
        assert_eq!(shown(mei).await.unwrap().documents.len(), 2, "{}", app.name);
        assert_eq!(shown(li).await.unwrap().documents.len(), 1, "{}", app.name);
    }
}

#[tokio::test]
async fn a_customer_of_somebody_else_is_as_unknown_as_none_at_all() {
    for app in testing::apps().await {
        let company = Company::new(&app.app, "One").await;
        let (east, west) = (company.team("East").await, company.team("West").await);
        let li = company.user("li", Role::Rep, Some(east), &[]).await;
        let zhao = company.user("zhao", Role::Rep, Some(west), &[]).await;
        let hidden = company.customer("hidden", Some(zhao), None, Some(west)).await;
        let absent = sync_core::ids::CustomerId(company.seam.uuid());
        for customer in [hidden, absent] {
            let error = customers::show(&company.database, company.org, li, customer)
                .await
                .unwrap_err();
            assert_eq!(error.to_string(), "not_found", "{}", app.name);
        }
    }
}
