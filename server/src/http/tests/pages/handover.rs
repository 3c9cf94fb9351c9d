//! Handing over everything somebody has: what one looks at is what is done, and it can be taken back.

use super::*;
use crate::{
    actions::people::{PlaceChange, change_place},
    storage::ownership,
};

async fn owner_of(company: &Company, customer: CustomerId) -> Option<UserId> {
    let mut tx = company.test.app.database.read().await.unwrap();
    let assignments = ownership::list_assignments(&mut tx, company.org, &[customer])
        .await
        .unwrap();
    assignments[&customer].owner
}

fn person(user: UserId) -> String {
    format!("person:{user}")
}

#[tokio::test]
async fn a_person_is_handed_over_after_a_look_and_taken_back() {
    for company in companies().await {
        let mut shops = Vec::new();
        for name in ["A", "B", "C"] {
            shops.push(company.customer(company.wang, name).await);
        }
        let leaves = PlaceChange {
            state: Some(sync_core::visibility::UserState::Offboarding),
            ..PlaceChange::default()
        };
        change_place(&company.test.app, None, company.org, company.wang, &leaves)
            .await
            .unwrap();
        let boss = Browser::of(&company.test, "boss").await;
        let list = boss.get("/handover").await;
        assert!(
            list.has("WANG · 3 customers · leaving") && list.has("No handover so far."),
            "{}",
            list.html
        );
        let page = format!("/handover?from={}", company.wang);
        let plan = boss.get(&page).await;
        assert!(plan.has("Hand over from WANG") && plan.has("Who takes over"));
        assert!(
            !plan.has(&format!("value=\"person:{}\"", company.wang)),
            "not to himself"
        );

        let (from, to) = (company.wang.to_string(), person(company.li));
        let form = [
            ("from", from.as_str()),
            ("to-0", &to),
            ("share-0", "1"),
            ("reason", "路近"),
        ];
        let look = boss.submit(&page, "/handover/preview", &form).await;
        assert!(
            look.status == StatusCode::OK && look.has("Hand over 3 customers"),
            "{}",
            look.html
        );
        assert_eq!(
            owner_of(&company, shops[0]).await,
            Some(company.wang),
            "a look changes nothing"
        );
        let seen = look.value("seen");
        let confirm = [&form[..], &[("seen", seen.as_str())]].concat();
        let done = boss.submit(&page, "/handover/confirm", &confirm).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.html);
        let shown = boss.get(&done.location).await;
        assert!(shown.has("Handed over.") && shown.has("Undo the handover") && shown.has("路近"));
        for shop in &shops {
            assert_eq!(owner_of(&company, *shop).await, Some(company.li));
            assert!(shown.has(&format!("/customers/{shop}")), "the briefing names it");
        }
        let again = boss.submit(&page, "/handover/confirm", &confirm).await;
        assert!(again.status == StatusCode::OK && again.has("Nothing to hand over"));

        // The new owner reads what he got, and nobody else of his kind.
        let li = Browser::of(&company.test, "li").await;
        let path = done.location.split('?').next().unwrap();
        let his = li.get(path).await;
        assert!(his.has("What the new owners should know") && !his.has("Undo the handover"));
        assert!(li.get("/handover").await.has(path));
        let undone = boss.submit(path, &format!("{path}/undo"), &[]).await;
        assert_eq!(undone.location, format!("{path}?done=undo"));
        let shown = boss.get(&undone.location).await;
        assert!(shown.has("3 customers went back.") && !shown.has("Undo the handover"));
        assert_eq!(owner_of(&company, shops[0]).await, Some(company.wang));
    }
}

#[tokio::test]
async fn what_has_changed_since_the_look_is_looked_at_again() {
    for company in companies().await {
        company.customer(company.wang, "A").await;
        let boss = Browser::of(&company.test, "boss").await;
        let page = format!("/handover?from={}", company.wang);
        let (from, to) = (company.wang.to_string(), format!("pool:{}", company.pool));
        let form = [("from", from.as_str()), ("to-3", to.as_str()), ("share-3", "2.5")];
        let look = boss.submit(&page, "/handover/preview", &form).await;
        let late = company.customer(company.wang, "Late").await;
        let seen = look.value("seen");
        let confirm = [&form[..], &[("seen", seen.as_str())]].concat();
        let again = boss.submit(&page, "/handover/confirm", &confirm).await;
        assert!(again.has("Meanwhile something has changed") && again.has("Hand over 2 customers"));
        assert_eq!(owner_of(&company, late).await, Some(company.wang));
        let seen = again.value("seen");
        let confirm = [&form[..], &[("seen", seen.as_str())]].concat();
        let done = boss.submit(&page, "/handover/confirm", &confirm).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER);
        assert_eq!(owner_of(&company, late).await, None);
    }
}

#[tokio::test]
async fn a_plan_that_is_none_is_said_beside_the_form_and_kept() {
    for company in companies().await {
        let shop = company.customer(company.wang, "A").await;
        let boss = Browser::of(&company.test, "boss").await;
        let page = format!("/handover?from={}", company.wang);
        let (from, to) = (company.wang.to_string(), person(company.li));
        for (fields, said) in [
            (vec![], "Plan names nobody"),
            (
                vec![("region-0", "华东"), ("region-to-0", to.as_str())],
                "1 customer would go to nobody.",
            ),
            (vec![("to-0", to.as_str()), ("share-0", "many")], "Invalid request"),
            (vec![("to-0", to.as_str()), ("share-0", "-1")], "Invalid request"),
            (vec![("to-0", to.as_str()), ("share-0", "NaN")], "Invalid request"),
        ] {
            for path in ["/handover/preview", "/handover/confirm"] {
                let form = [&[("from", from.as_str()), ("reason", "because")][..], &fields].concat();
                let got = boss.submit(&page, path, &form).await;
                assert!(got.status == StatusCode::OK && got.has(said), "{said}: {}", got.html);
                assert!(got.has("role=\"alert\"") && got.has(">because</textarea>"));
            }
        }
        assert_eq!(owner_of(&company, shop).await, Some(company.wang));
    }
}

#[tokio::test]
async fn who_hands_nobody_over_sees_no_form_and_is_refused() {
    for company in companies().await {
        company.customer(company.wang, "A").await;
        let li = Browser::of(&company.test, "li").await;
        let list = li.get("/handover").await;
        assert!(list.has("Handovers that concern you") && !list.has("name=\"from\""));
        let page = format!("/handover?from={}", company.wang);
        assert_eq!(li.get(&page).await.status, StatusCode::FORBIDDEN);
        let (from, to) = (company.wang.to_string(), person(company.li));
        let form = [("from", from.as_str()), ("to-0", to.as_str())];
        for path in ["/handover/preview", "/handover/confirm"] {
            let got = li.submit("/devices", path, &form).await;
            assert_eq!(got.status, StatusCode::FORBIDDEN, "{path}");
        }
        for path in ["/handover/x", &format!("/handover/{}", company.wang)] {
            assert_eq!(li.get(path).await.status, StatusCode::NOT_FOUND);
        }
    }
}
