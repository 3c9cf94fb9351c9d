//! The list, one customer, handing over, devices: what they show to whom, and what their forms do.

use std::collections::BTreeSet;

use super::*;
use crate::{
    actions::{
        assignment::{self, To, hand_over},
        customers,
        devices::order_wipe,
        edit::create_document,
        fleet::{count_devices, list_devices},
        ownership,
    },
    storage::{
        devices::{self, DeviceState, NewDevice},
        ownership as rows,
    },
};
use sync_core::{
    document::Kind,
    ids::{DeviceId, DocumentId},
    protocol::message::IntentAction,
    time::Timestamp,
    visibility::Scope,
};

const HOSTILE: &str = "\"'><script>alert(1)</script>&amp;<img src=x onerror=alert(1)>";

fn new_phone(device: DeviceId, user: UserId, name: &str, enrolled_at: Timestamp) -> NewDevice<'_> {
    NewDevice {
        device,
        user,
        name,
        public_key: &[7; 32],
        app_version: "",
        enrolled_at,
    }
}

async fn owner_of(company: &Company, customer: CustomerId) -> Option<UserId> {
    let mut tx = company.test.app.database.read().await.unwrap();
    let assignments = rows::list_assignments(&mut tx, company.org, &[customer]).await.unwrap();
    assignments[&customer].owner
}

fn ids(html: &str) -> Vec<String> {
    html.split("<tr id=\"c-")
        .skip(1)
        .map(|row| row[..36].to_owned())
        .collect()
}

#[tokio::test]
async fn each_sees_his_own_customers_only_and_an_unknown_one_is_not_found() {
    for company in companies().await {
        let shop = company.customer(company.wang, "Shop of Wang").await;
        let pooled = company.pooled("Pooled").await;
        let other = company.test.organisation("Other").await;
        company.test.person(other, "stranger", Role::Admin, None, &[]).await;
        // The team reads each other's cards by the organisation's policy; a pool is its members'.
        for (login, sees) in [
            ("wang", [true, false]),
            ("boss", [true, false]),
            ("li", [true, true]),
            ("stranger", [false, false]),
        ] {
            let browser = Browser::of(&company.test, login).await;
            let list = ids(&browser.get("/customers").await.html);
            for (customer, sees) in [shop, pooled].into_iter().zip(sees) {
                let page = browser.get(&format!("/customers/{customer}")).await;
                let expected = if sees { StatusCode::OK } else { StatusCode::NOT_FOUND };
                assert_eq!(page.status, expected, "{login} {customer}");
                assert_eq!(list.contains(&customer.to_string()), sees, "{login} {customer}");
            }
        }
    }
}

#[tokio::test]
async fn hostile_words_are_shown_as_words_everywhere() {
    for company in companies().await {
        let shop = company.customer(company.wang, HOSTILE).await;
        let follow_up = json!({"text": HOSTILE}).as_object().cloned().unwrap();
        let asker = company.asker(company.wang);
        create_document(&company.test.app, asker, shop, Kind::FollowUp, &follow_up)
            .await
            .unwrap();
        let card = DocumentId::derived(company.org, shop, Kind::Card, 0);
        let boss = Browser::of(&company.test, "boss").await;
        let query: String = form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
        for path in [
            "/customers".to_owned(),
            format!("/customers?q={query}"),
            format!("/customers/{shop}?done={query}&problem={query}&field={query}"),
            format!("/customers?handed=1&stayed=1&why={query}"),
            format!("/documents/{card}/history?field=name"),
        ] {
            let page = boss.get(&path).await;
            assert_eq!(page.status, StatusCode::OK, "{path}");
            assert!(!page.has("<script>alert") && !page.has("<img"), "{path}");
            assert!(!page.has("\"'>"), "{path}");
        }
        let preview = boss
            .submit("/customers", "/customers/assign", &[("customer", &shop.to_string())])
            .await;
        assert!(preview.status == StatusCode::OK && !preview.has("<script>alert"));
    }
}

#[tokio::test]
async fn the_list_goes_on_from_page_to_page_and_shows_each_customer_once() {
    for company in companies().await {
        let mut expected = BTreeSet::new();
        for number in 0..120 {
            expected.insert(
                company
                    .customer(company.wang, &format!("Shop {:02}", number / 2))
                    .await
                    .to_string(),
            );
        }
        let wang = Browser::of(&company.test, "wang").await;
        let (mut path, mut seen, mut pages) = ("/customers".to_owned(), Vec::new(), 0);
        loop {
            let page = wang.get(&path).await;
            assert!(page.has("120 customers"));
            seen.extend(ids(&page.html));
            pages += 1;
            let Some(next) = page.html.split("rel=\"next\" href=\"").nth(1) else {
                break;
            };
            path = next.split('"').next().unwrap().replace("&#38;", "&");
        }
        assert_eq!((pages, seen.len()), (3, 120));
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

#[tokio::test]
async fn filters_stand_in_the_address_and_empty_ones_do_not() {
    for company in companies().await {
        company.customer(company.wang, "Apple").await;
        let pear = company.customer(company.li, "Pear").await;
        let boss = Browser::of(&company.test, "boss").await;
        let by_owner = boss.get(&format!("/customers?owner={}", company.li)).await;
        assert_eq!(ids(&by_owner.html), [pear.to_string()]);
        assert!(by_owner.has("1 customer "));
        let by_name = boss.get("/customers?q=pea").await;
        assert_eq!(ids(&by_name.html), [pear.to_string()]);
        let nothing = boss.get("/customers?q=zzz").await;
        assert!(nothing.has("No customer matches.") && nothing.has("href=\"/customers\""));
        let got = boss.get("/customers?q=&owner=&stage=won").await;
        assert_eq!(
            (got.status, got.location.as_str()),
            (StatusCode::SEE_OTHER, "/customers?stage=won")
        );
        assert!(
            boss.get(&format!("/customers?team={}", company.east))
                .await
                .has("2 customers")
        );
    }
}

#[tokio::test]
async fn customers_are_handed_over_after_a_look_at_which() {
    for company in companies().await {
        let mut shops = Vec::new();
        for name in ["A", "B", "C"] {
            shops.push(company.customer(company.wang, name).await);
        }
        let boss = Browser::of(&company.test, "boss").await;
        let chosen: Vec<String> = shops[..2].iter().map(ToString::to_string).collect();
        let (a, b) = (chosen[0].as_str(), chosen[1].as_str());
        let preview = boss
            .submit(
                "/customers",
                "/customers/assign",
                &[("customer", a), ("customer", b), ("scope", "some")],
            )
            .await;
        assert!(preview.has("Assign 2 customers") && preview.has("WANG"));
        assert_eq!(
            owner_of(&company, shops[0]).await,
            Some(company.wang),
            "a look changes nothing"
        );
        let (to, seen) = (format!("person:{}", company.li), preview.value("seen"));
        let form = [
            ("customer", a),
            ("customer", b),
            ("seen", &seen),
            ("to", &to),
            ("reason", "路近"),
        ];
        let got = boss.submit("/customers", "/customers/assign/confirm", &form).await;
        assert_eq!(
            (got.status, got.location.as_str()),
            (StatusCode::SEE_OTHER, "/customers?handed=2")
        );
        assert!(boss.get(&got.location).await.has("2 customers were assigned."));
        for shop in &shops[..2] {
            assert_eq!(owner_of(&company, *shop).await, Some(company.li));
        }
        assert_eq!(owner_of(&company, shops[2]).await, Some(company.wang));
        let page = boss.get(&format!("/customers/{a}")).await;
        assert!(page.has("路近") && page.has("→ LI"));
    }
}

#[tokio::test]
async fn all_that_match_are_handed_over_unless_others_match_meanwhile() {
    for company in companies().await {
        for number in 0..60 {
            company.customer(company.wang, &format!("Shop {number:02}")).await;
        }
        let boss = Browser::of(&company.test, "boss").await;
        let query = format!("owner={}", company.wang);
        let preview = boss
            .submit(
                "/customers",
                "/customers/assign",
                &[("scope", "all"), ("query", &query)],
            )
            .await;
        assert!(preview.has("Assign 60 customers") && preview.has("and 48 more"));
        let late = company.customer(company.wang, "Late").await;
        let to = format!("pool:{}", company.pool);
        let confirm = async |page: &Got| {
            let seen = page.value("seen");
            let form = [
                ("scope", "all"),
                ("query", query.as_str()),
                ("seen", seen.as_str()),
                ("to", to.as_str()),
            ];
            boss.submit("/customers", "/customers/assign/confirm", &form).await
        };
        let again = confirm(&preview).await;
        assert!(again.status == StatusCode::OK && again.has("Assign 61 customers") && again.has("Meanwhile"));
        assert_eq!(owner_of(&company, late).await, Some(company.wang));
        let got = confirm(&again).await;
        assert_eq!(got.location, format!("/customers?{query}&handed=61"));
        assert_eq!(owner_of(&company, late).await, None);
    }
}

#[tokio::test]
async fn a_customer_that_has_gone_to_another_since_the_look_is_looked_at_again_and_never_taken_from_him() {
    for company in companies().await {
        let (org, app) = (company.org, &company.test.app);
        let shop = company.customer(company.wang, "Shop").await;
        let zhao = company
            .test
            .person(org, "zhao", Role::Rep, Some(company.east), &[])
            .await;
        let give = async |owner| {
            let reason = String::new();
            ownership::ask(
                app,
                company.asker(company.boss),
                shop,
                None,
                IntentAction::Assign { owner, reason },
            )
            .await
            .unwrap();
        };
        let boss = Browser::of(&company.test, "boss").await;
        let id = shop.to_string();
        // Chosen by name and by a filter: the number of customers stays the same.
        for scope in ["some", "all"] {
            give(company.wang).await;
            let chosen = [("customer", id.as_str()), ("scope", scope)];
            let preview = boss.submit("/customers", "/customers/assign", &chosen).await;
            assert!(preview.has("Assign 1 customer") && preview.has("WANG"));
            give(company.li).await;
            for to in [format!("person:{zhao}"), format!("pool:{}", company.pool)] {
                let seen = preview.value("seen");
                let form = [&chosen[..], &[("seen", &seen), ("to", &to)]].concat();
                let again = boss.submit("/customers", "/customers/assign/confirm", &form).await;
                assert!(
                    again.status == StatusCode::OK && again.has("Meanwhile"),
                    "{scope} {to} {}",
                    again.location
                );
                assert_eq!(owner_of(&company, shop).await, Some(company.li), "{scope} {to}");
                assert!(again.has("<th scope=\"row\">LI</th>") && again.value("seen") != seen);
            }
        }
        // It goes after the page has compared, and before the decision.
        let rows = assignment::find_chosen(&app.database, org, company.boss, &[shop])
            .await
            .unwrap();
        give(company.wang).await;
        for to in [To::Person(zhao), To::Pool(company.pool)] {
            let handed = hand_over(app, company.asker(company.boss), &rows, to, "")
                .await
                .unwrap();
            assert_eq!((handed.done, handed.refused["conflict"]), (0, 1));
            assert_eq!(owner_of(&company, shop).await, Some(company.wang));
        }
    }
}

#[tokio::test]
async fn who_gives_no_customers_away_has_no_boxes_and_is_told_who_does() {
    for company in companies().await {
        let shop = company.customer(company.wang, "Shop").await;
        let wang = Browser::of(&company.test, "wang").await;
        let list = wang.get("/customers").await;
        assert!(!list.has("type=\"checkbox\"") && !list.has("/customers/assign/confirm"));
        // The token is on every page of his: it is the right that is missing, not the form.
        let refused = wang
            .submit("/devices", "/customers/assign", &[("customer", &shop.to_string())])
            .await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(refused.has("not_permitted") && refused.has("Manager, Back office, Administrator"));
        let to = format!("person:{}", company.li);
        let id = shop.to_string();
        let boss = Browser::of(&company.test, "boss").await;
        let preview = boss
            .submit("/customers", "/customers/assign", &[("customer", &id)])
            .await;
        let seen = preview.value("seen");
        let form = [("customer", id.as_str()), ("seen", &seen), ("to", &to)];
        let got = wang.submit("/devices", "/customers/assign/confirm", &form).await;
        assert!(got.location.ends_with("stayed=1&why=not_permitted"), "{}", got.location);
        assert_eq!(owner_of(&company, shop).await, Some(company.wang));
        let said = wang.get(&got.location).await;
        assert!(said.has("No customer was assigned.") && said.has("1 stayed where it was."));
    }
}

#[tokio::test]
async fn a_follow_up_is_added_under_its_authors_name_and_a_refused_one_is_not_lost() {
    for company in companies().await {
        let shop = company.customer(company.wang, "Shop").await;
        let (wang, page) = (Browser::of(&company.test, "wang").await, format!("/customers/{shop}"));
        let path = format!("{page}/follow-ups");
        let form = [("text", "谈了\r\n价格"), ("channel", "phone"), ("due", "2026-03-31")];
        let got = wang.submit(&page, &path, &form).await;
        assert_eq!(got.location, format!("{page}?done=follow-up"));
        let shown = wang.get(&got.location).await;
        for text in ["The follow-up was added.", "谈了\n价格", "WANG", "2026-03-31"] {
            assert!(shown.has(text), "{text}");
        }
        for (form, said) in [
            ([("text", " "), ("channel", ""), ("due", "")], "Write what was said"),
            (
                [("text", "kept words"), ("channel", "pigeon"), ("due", "")],
                "does not fit",
            ),
            (
                [("text", "kept words"), ("channel", ""), ("due", "tomorrow")],
                "not a date",
            ),
        ] {
            let got = wang.submit(&page, &path, &form).await;
            assert_eq!(got.status, StatusCode::UNPROCESSABLE_ENTITY, "{said}");
            assert!(got.has(said) && got.has(form[0].1.trim()), "{said}");
        }
    }
}

#[tokio::test]
async fn an_edit_writes_what_was_changed_in_the_form_and_nothing_else() {
    for company in companies().await {
        let shop = company.customer(company.wang, "Shop").await;
        let card = DocumentId::derived(company.org, shop, Kind::Card, 0);
        let (wang, page) = (Browser::of(&company.test, "wang").await, format!("/customers/{shop}"));
        let path = format!("/documents/{card}/fields");
        // Meanwhile the office has set the region; the form still shows none.
        let region = json!({"region": "杭州"}).as_object().cloned().unwrap();
        crate::actions::edit::edit_document(&company.test.app, company.asker(company.boss), card, &region)
            .await
            .unwrap();
        let form = [
            ("name", "Shop"),
            ("was.name", "Shop"),
            ("address", "人民路1号"),
            ("was.address", ""),
            ("region", ""),
            ("was.region", ""),
            ("tags", "重点，年框"),
            ("was.tags", ""),
        ];
        let got = wang.submit(&page, &path, &form).await;
        assert_eq!(got.location, format!("{page}?done=edit"));
        let shown = customers::show(&company.test.app.database, company.org, company.wang, shop)
            .await
            .unwrap();
        let card_now = &shown.documents[0].fields;
        assert_eq!(card_now["region"], "杭州");
        assert_eq!(card_now["address"], "人民路1号");
        assert_eq!(card_now["tags"].as_array().unwrap().len(), 2);
        let got = wang
            .submit(&page, &path, &[("name", "Shop"), ("was.name", "Shop")])
            .await;
        assert_eq!(got.location, format!("{page}?done=nothing"));
        let long = "x".repeat(300);
        let got = wang
            .submit(&page, &path, &[("name", &long), ("was.name", "Shop")])
            .await;
        assert!(got.location.contains("problem=schema&field=name"), "{}", got.location);
        assert!(wang.get(&got.location).await.has("Name: A field does not fit"));
        let history = wang.get(&format!("/documents/{card}/history?field=region")).await;
        assert!(history.has("杭州") && history.has("BOSS") && history.has("shown now"));
    }
}

#[tokio::test]
async fn of_two_values_one_is_chosen() {
    for company in companies().await {
        let shop = company.customer(company.wang, "Shop").await;
        let card = DocumentId::derived(company.org, shop, Kind::Card, 0);
        let value = |value: &str, user: UserId| json!({"value": value, "author": user, "device": null, "at": 1_772_413_200_000_i64});
        let conflict =
            json!([{"field": "name", "values": [value("Shop", company.wang), value("Store", company.boss)]}]);
        let mut tx = company.test.app.database.read().await.unwrap();
        let row = crate::storage::customers::find_document_row(&mut tx, company.org, card)
            .await
            .unwrap()
            .unwrap();
        drop(tx);
        let mut row = row;
        row.conflicts = Some(conflict.to_string());
        let mut tx = company.test.app.database.write().await.unwrap();
        let mut stored = crate::storage::packed::list_stored(&mut tx, company.org, &[(shop, card)])
            .await
            .unwrap();
        let stored = stored.remove(&card).unwrap();
        assert!(
            crate::storage::read_model::update(&mut tx, company.org, &row, 2, &stored)
                .await
                .unwrap()
        );
        tx.commit().await.unwrap();
        let (wang, page) = (Browser::of(&company.test, "wang").await, format!("/customers/{shop}"));
        assert!(wang.get("/customers").await.has("1 conflict"));
        let shown = wang.get(&page).await;
        for text in ["1 field has two values", "Store", "BOSS", "Keep this"] {
            assert!(shown.has(text), "{text}");
        }
        // Who may read both and write neither is not asked to choose.
        company
            .test
            .person(company.org, "auditor", Role::Auditor, None, &[])
            .await;
        let auditor = Browser::of(&company.test, "auditor").await;
        let read = auditor.get(&page).await;
        assert!(read.has("1 field has two values") && read.has("Store") && !read.has("Keep this"));
        let form = [("field", "name"), ("value", "\"Store\"")];
        let got = wang.submit(&page, &format!("/documents/{card}/resolve"), &form).await;
        assert_eq!(got.location, format!("{page}?done=resolve"));
        let shown = wang.get(&got.location).await;
        assert!(shown.has("<h1>Store</h1>") && !shown.has("Keep this"));
    }
}

#[tokio::test]
async fn a_phone_is_shown_to_those_who_look_after_it_and_revoked_after_a_second_thought() {
    for company in companies().await {
        let device = DeviceId(company.test.app.seam.uuid());
        let mut tx = company.test.app.database.write().await.unwrap();
        let now = company.test.app.seam.now();
        devices::insert(&mut tx, company.org, new_phone(device, company.wang, "王的手机", now))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let (boss, li) = (
            Browser::of(&company.test, "boss").await,
            Browser::of(&company.test, "li").await,
        );
        let wang = Browser::of(&company.test, "wang").await;
        let page = boss.get("/devices").await;
        assert!(page.has("王的手机") && page.has("never") && page.has("1 not synced for a day"));
        assert!(wang.get("/devices").await.has("王的手机"));
        assert!(!li.get("/devices").await.has("王的手机"));
        let path = format!("/devices/{device}/revoke");
        assert_eq!(li.submit("/devices", &path, &[]).await.status, StatusCode::NOT_FOUND);
        let got = boss.submit("/devices", &path, &[]).await;
        assert_eq!(got.location, "/devices?done=revoked");
        let page = boss.get(&got.location).await;
        assert!(page.has("The device was revoked.") && page.has(">revoked<") && !page.has("Revoke this device"));
        assert!(!page.has("wipe not confirmed"));
        // Told to erase itself, it is named until it says that it has.
        let told = order_wipe(&company.test.app, company.org, device).await.unwrap();
        assert_eq!(told.unwrap().reason, "revoked");
        assert!(boss.get("/devices").await.has("wipe not confirmed"));
        let mut chinese = Browser::of(&company.test, "boss").await;
        chinese.language = "zh-CN";
        assert!(chinese.get("/devices").await.has("清除未确认"));
        let mut tx = company.test.app.database.write().await.unwrap();
        assert!(devices::record_wipe(&mut tx, company.org, device, now).await.unwrap());
        assert!(!devices::record_wipe(&mut tx, company.org, device, now).await.unwrap());
        tx.commit().await.unwrap();
        let page = boss.get("/devices").await;
        assert!(page.has(">wiped<") && !page.has("wipe not confirmed"));
    }
}

#[tokio::test]
async fn who_may_not_read_what_is_done_sees_the_card_and_is_told_who_may() {
    for company in companies().await {
        let (shop, pooled) = (
            company.customer(company.wang, "Shop").await,
            company.pooled("Pooled").await,
        );
        let follow_up = json!({"text": "confidential"}).as_object().cloned().unwrap();
        let asker = company.asker(company.wang);
        create_document(&company.test.app, asker, shop, Kind::FollowUp, &follow_up)
            .await
            .unwrap();
        let li = Browser::of(&company.test, "li").await;
        let page = li.get(&format!("/customers/{shop}")).await;
        assert!(page.has("in the owner&#39;s team") && page.has("is read by its owner"));
        assert!(!page.has("confidential"));
        let asker = company.asker(company.li);
        ownership::ask(&company.test.app, asker, pooled, None, IntentAction::Claim)
            .await
            .unwrap();
        let page = li.get(&format!("/customers/{pooled}")).await;
        assert!(page.has("/follow-ups\"") && page.has("Claimed"));
    }
}

#[tokio::test]
async fn what_somebody_wrote_or_answers_for_is_shown_to_him_also_where_he_may_not_read_the_rest() {
    for company in companies().await {
        let app = &company.test.app;
        let shop = company.customer(company.wang, "Shop").await;
        let follow_up = json!({"text": "confidential"}).as_object().cloned().unwrap();
        create_document(app, company.asker(company.wang), shop, Kind::FollowUp, &follow_up)
            .await
            .unwrap();
        let (li, page) = (Browser::of(&company.test, "li").await, format!("/customers/{shop}"));
        let form = [("text", "seen by its author")];
        let got = li.submit(&page, &format!("{page}/follow-ups"), &form).await;
        let shown = li.get(&got.location).await;
        assert!(shown.has("seen by its author") && shown.has("is read by its owner"));
        assert!(!shown.has("confidential") && !shown.has("<h2>Opportunities</h2>"));
        let mut deals = Vec::new();
        for title in ["Deal of Li", "Deal of Wang"] {
            let deal = json!({"title": title, "stage": "won"}).as_object().cloned().unwrap();
            deals.push(
                create_document(app, company.asker(company.wang), shop, Kind::Opportunity, &deal)
                    .await
                    .unwrap(),
            );
        }
        let (document, user) = (deals[0], Some(company.li));
        ownership::ask(
            app,
            company.asker(company.wang),
            shop,
            None,
            IntentAction::Responsible { document, user },
        )
        .await
        .unwrap();
        // Nothing is left to do in it: he answers for it still, and the contacts are no business of his any more.
        let stored = |scope: Scope| {
            let hex = hex::encode(scope.to_bytes());
            match company.test.name {
                "sqlite" => format!("x'{hex}'"),
                _ => format!("'\\x{hex}'"),
            }
        };
        let (open, done) = (Scope::Responsible(company.li), Scope::ResponsibleDone(company.li));
        let statement = format!(
            "UPDATE scope_member SET scope = {} WHERE scope = {}",
            stored(done),
            stored(open)
        );
        testing::execute_sql(&app.database, &statement).await;
        let shown = li.get(&page).await;
        assert!(shown.has("Deal of Li") && !shown.has("Deal of Wang") && !shown.has("<h2>Contacts</h2>"));
    }
}

#[tokio::test]
async fn however_many_phones_a_company_has_each_finds_his_own_and_all_are_counted_and_listed() {
    for company in companies().await {
        let app = &company.test.app;
        let mut tx = app.database.write().await.unwrap();
        let now = app.seam.now();
        // One more than a page holds, and all before the manager's own.
        for number in 1..=501_u128 {
            let device = DeviceId(uuid::Uuid::from_u128(number));
            devices::insert(&mut tx, company.org, new_phone(device, company.wang, "phone", now))
                .await
                .unwrap();
        }
        let own = DeviceId(uuid::Uuid::from_u128(u128::MAX));
        devices::insert(&mut tx, company.org, new_phone(own, company.boss, "own phone", now))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let boss = Browser::of(&company.test, "boss").await;
        let (mut path, mut listed, mut pages) = ("/devices".to_owned(), BTreeSet::new(), 0);
        loop {
            let page = boss.get(&path).await;
            assert!(page.has("own phone") && page.has("502 not synced for a day"), "{path}");
            listed.extend(page.html.split("<tr id=\"d-").skip(1).map(|row| row[..36].to_owned()));
            pages += 1;
            assert_eq!(page.has(">First page<"), pages > 1);
            let Some(next) = page.html.split("rel=\"next\" href=\"").nth(1) else {
                break;
            };
            path = next.split('"').next().unwrap().to_owned();
        }
        assert_eq!((pages, listed.len()), (2, 502));
        let end = format!("/devices?after={}", hex::encode(own.as_bytes()));
        assert!(boss.get(&end).await.has("The list has become shorter"));
        assert_eq!(boss.get("/devices?after=zz").await.status, StatusCode::BAD_REQUEST);
        assert!(boss.get("/customers").await.has("502 "));
    }
}

#[tokio::test]
async fn the_phones_that_are_counted_are_those_that_are_listed() {
    for company in companies().await {
        let (org, app) = (company.org, &company.test.app);
        let west = company.test.team(org, "West", None).await;
        let admin = company.test.person(org, "admin", Role::Admin, None, &[]).await;
        let (far, head) = (
            company.test.person(org, "far", Role::Rep, Some(west), &[]).await,
            company.test.person(org, "head", Role::Manager, Some(west), &[]).await,
        );
        let other = company.test.organisation("Other").await;
        let stranger = company.test.person(other, "stranger", Role::Admin, None, &[]).await;
        let limit = app.seam.now();
        let mut tx = app.database.write().await.unwrap();
        for (number, (org, user, seen, state)) in [
            (org, company.wang, None, DeviceState::Active),
            (org, company.wang, Some(limit.plus_ms(-1)), DeviceState::Active),
            (org, company.wang, Some(limit), DeviceState::Active),
            (org, company.wang, None, DeviceState::Revoked),
            (org, company.li, Some(limit.plus_ms(1)), DeviceState::Active),
            (org, company.li, None, DeviceState::Wiped),
            (org, company.boss, None, DeviceState::Active),
            (org, far, None, DeviceState::Active),
            (org, far, Some(limit), DeviceState::Active),
            (org, admin, Some(limit.plus_ms(-9)), DeviceState::Active),
            (other, stranger, None, DeviceState::Active),
        ]
        .into_iter()
        .enumerate()
        {
            let device = DeviceId(app.seam.uuid());
            devices::insert(&mut tx, org, new_phone(device, user, "phone", limit))
                .await
                .unwrap();
            let number = i64::try_from(number).unwrap();
            let message = devices::DeviceMessage {
                number: 1,
                sha256: &[7; 32],
                acknowledged_seq: 0,
                pending: 1 << number,
                clock_offset_ms: None,
                received_at: limit,
            };
            if let Some(seen) = seen {
                let message = devices::DeviceMessage {
                    received_at: seen,
                    ..message
                };
                devices::record_message(&mut tx, org, device, message).await.unwrap();
            }
            if state != DeviceState::Active {
                devices::revoke(&mut tx, org, device, limit).await.unwrap();
            }
            if state == DeviceState::Wiped {
                devices::record_wipe(&mut tx, org, device, limit).await.unwrap();
            }
        }
        tx.commit().await.unwrap();
        for (org, user, active, silent) in [
            (org, admin, 8, 5),
            (org, company.boss, 5, 3),
            (org, head, 2, 1),
            (org, company.wang, 3, 2),
            (org, company.li, 1, 0),
            (other, stranger, 1, 1),
        ] {
            let counts = count_devices(&app.database, org, user, limit).await.unwrap();
            assert_eq!((counts.active, counts.silent), (active, silent), "{user}");
            let (mut listed, _) = list_devices(&app.database, org, user, None, 100).await.unwrap();
            listed.retain(|listed| listed.device.state == DeviceState::Active);
            let is_silent = |listed: &&crate::actions::fleet::ListedDevice| {
                listed.device.last_seen_at.is_none_or(|seen| seen < limit)
            };
            assert_eq!(i64::try_from(listed.len()).unwrap(), active);
            assert_eq!(i64::try_from(listed.iter().filter(is_silent).count()).unwrap(), silent);
            assert_eq!(
                listed.iter().map(|listed| listed.device.pending).sum::<i64>(),
                counts.pending
            );
        }
    }
}
