//! The search index: what it finds, that it follows edits, and that nobody finds what he may not read.

use serde_json::json;
use server::{
    actions::customers::{self, Wanted},
    jobs::indexer,
    testing,
};
use sync_core::{
    document::Kind,
    ids::{CustomerId, UserId},
    visibility::Role,
};

use crate::fixture::Company;

async fn index(company: &Company) -> usize {
    indexer::catch_up(&company.database, &company.seam, uuid::Uuid::nil())
        .await
        .unwrap()
}

async fn find(company: &Company, user: UserId, words: &str) -> Vec<CustomerId> {
    let wanted = Wanted {
        words: Some(words.to_owned()),
        limit: 50,
        ..Wanted::default()
    };
    let page = customers::list(&company.database, company.org, user, wanted)
        .await
        .unwrap();
    page.items.iter().map(|item| item.customer.id).collect()
}

#[tokio::test]
async fn two_chinese_characters_in_a_note_find_its_customer_and_an_edit_is_followed() {
    for app in testing::apps().await {
        let company = Company::new(&app.app, "One").await;
        let team = company.team("East").await;
        let li = company.user("li", Role::Rep, Some(team), &[]).await;
        let first = company.customer("上海宏伟", Some(li), None, Some(team)).await;
        let second = company.customer("Beijing Bearings", Some(li), None, Some(team)).await;
        let visit = company
            .document(
                first,
                Kind::Visit,
                li,
                json!({ "note": "客户要采购轴承,电话 13800001111" }),
            )
            .await;
        assert_eq!(index(&company).await, 3, "{}", app.name);

        for words in ["采购", "轴承", "采购轴承", "000111", "轴承 电话", "宏伟"] {
            assert_eq!(find(&company, li, words).await, [first], "{} {words}", app.name);
        }
        for words in ["bear", "BEARINGS", "ＢＥＡＲ", "beijing bearings"] {
            assert_eq!(find(&company, li, words).await, [second], "{} {words}", app.name);
        }
        // One character is looked for in names only.
        assert_eq!(find(&company, li, "伟").await, [first], "{}", app.name);
        for words in [
            "购采",
            "nothing",
            "%",
            "_",
            "\\",
            "' OR 1=1 --",
            "\"采\" OR \"购\"",
            "NEAR(采购 电话)",
            "*",
            "\0",
        ] {
            assert_eq!(find(&company, li, words).await, [], "{} {words}", app.name);
        }

        company
            .edit(first, visit, Kind::Visit, li, json!({ "note": "改为下周" }))
            .await;
        assert_eq!(
            find(&company, li, "采购").await,
            [],
            "{}: the text decides, whatever the index still says",
            app.name
        );
        assert_eq!(index(&company).await, 1, "{}", app.name);
        assert_eq!(find(&company, li, "下周").await, [first], "{}", app.name);
        assert_eq!(index(&company).await, 0, "{}: nothing is left to do", app.name);
    }
}

#[tokio::test]
async fn t070_a_search_finds_nothing_in_documents_that_the_searcher_may_not_read() {
    for app in testing::apps().await {
        let company = Company::new(&app.app, "One").await;
        let team = company.team("East").await;
        let other = company.team("West").await;
        let li = company.user("li", Role::Rep, Some(team), &[]).await;
        let wang = company.user("wang", Role::Rep, Some(team), &[]).await;
        let zhao = company.user("zhao", Role::Rep, Some(other), &[]).await;
        let mei = company.user("mei", Role::Manager, Some(team), &[]).await;
        let customer = company.customer("宏伟公司", Some(li), None, Some(team)).await;
        company
            .document(customer, Kind::Dossier, li, json!({ "notes": "秘密价格" }))
            .await;
        company
            .document(customer, Kind::Internal, mei, json!({ "notes": "内部信用" }))
            .await;
        index(&company).await;

        let cases = [
            ("宏伟", vec![li, wang, mei]),
            ("秘密", vec![li, mei]),
            ("内部", vec![mei]),
        ];
        for (words, finders) in cases {
            for user in [li, wang, mei, zhao] {
                let found = find(&company, user, words).await;
                assert_eq!(
                    !found.is_empty(),
                    finders.contains(&user),
                    "{} {words} {user}",
                    app.name
                );
            }
        }
    }
}

#[tokio::test]
async fn one_organisation_never_finds_the_customers_of_another() {
    for app in testing::apps().await {
        let one = Company::new(&app.app, "One").await;
        let two = Company::new(&app.app, "Two").await;
        let first = one.user("first", Role::Admin, None, &[]).await;
        let second = two.user("second", Role::Admin, None, &[]).await;
        let mine = one.customer("同名公司", Some(first), None, None).await;
        let theirs = two.customer("同名公司", Some(second), None, None).await;
        index(&one).await;
        assert_eq!(find(&one, first, "同名").await, [mine], "{}", app.name);
        assert_eq!(find(&two, second, "同名").await, [theirs], "{}", app.name);
    }
}

#[tokio::test]
async fn only_the_holder_of_the_lease_indexes_and_another_takes_over_when_it_ends() {
    for app in testing::apps().await {
        let company = Company::new(&app.app, "One").await;
        let admin = company.user("admin", Role::Admin, None, &[]).await;
        let (first, second) = (company.seam.uuid(), company.seam.uuid());
        company.customer("一号公司", Some(admin), None, None).await;
        let catch_up = |holder| indexer::catch_up(&company.database, &company.seam, holder);
        assert_eq!(catch_up(first).await.unwrap(), 1, "{}", app.name);
        company.customer("二号公司", Some(admin), None, None).await;
        assert_eq!(catch_up(second).await.unwrap(), 0, "{}", app.name);
        company.seam.advance_ms(60_000);
        assert_eq!(catch_up(second).await.unwrap(), 1, "{}", app.name);
    }
}
