//! What is delivered: exactly what the table of rights allows, whatever happened between two syncs.

use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value as Json, json};
use server::{
    actions::{
        edit::{create_document, edit_document},
        people::PlaceChange,
        verify::verify,
    },
    storage::packed,
    testing,
};
use sync_core::{
    document::Kind,
    ids::{CustomerId, DocumentId},
    protocol::message::IntentAction,
};
use tests::{
    oracle,
    wire::{Client, Company, text},
};

use super::ACCEPTED;

const EVERYBODY: [&str; 10] = [
    "wang", "zhao", "li", "boss", "chief", "keeper", "office", "service", "admin", "auditor",
];

const FIELDS: [(Kind, &str); 7] = [
    (Kind::Dossier, "needs"),
    (Kind::Contact, "name"),
    (Kind::Opportunity, "title"),
    (Kind::Visit, "note"),
    (Kind::FollowUp, "text"),
    (Kind::Ticket, "text"),
    (Kind::Internal, "notes"),
];

async fn record(company: &Company, login: &str, customer: CustomerId, kind: Kind, key: &str) -> DocumentId {
    let fields: Map<String, Json> = [(key.to_owned(), json!(format!("by {login}")))].into_iter().collect();
    create_document(company.app(), company.asker(login), customer, kind, &fields)
        .await
        .unwrap()
}

/// Customers of several people and one in the pool, with documents of every kind.
async fn full_house(company: &Company) -> (Vec<CustomerId>, Vec<(CustomerId, DocumentId)>) {
    let customers = vec![
        company.customer_of("wang", "一").await,
        company.customer_of("zhao", "二").await,
        company.customer_of("li", "三").await,
        company.customer_of("office", "四").await,
        company.customer_in_pool("五").await,
    ];
    let mut documents = Vec::new();
    for customer in &customers {
        for (kind, key) in FIELDS {
            let document = record(company, "office", *customer, kind, key).await;
            if kind.has_responsible() {
                documents.push((*customer, document));
            }
        }
    }
    documents.push((
        customers[0],
        record(company, "zhao", customers[0], Kind::Visit, "note").await,
    ));
    documents.push((
        customers[4],
        record(company, "li", customers[4], Kind::Ticket, "text").await,
    ));
    (customers, documents)
}

#[tokio::test]
async fn a_customer_in_which_one_writes_while_it_is_being_delivered_still_comes_whole() {
    for company in Company::each().await {
        let mut customers = Vec::new();
        for name in ["一", "二", "三", "四", "五", "六"] {
            let customer = company.customer_of("wang", name).await;
            let note = json!({ "note": "长".repeat(1_500) });
            let fields = note.as_object().unwrap();
            create_document(company.app(), company.asker("wang"), customer, Kind::Visit, fields)
                .await
                .unwrap();
            customers.push(customer);
        }
        let mut boss = company.phone("boss").await;
        boss.page_bytes_max = 4_096;
        let request = boss.request();
        assert!(boss.send(request).await.unwrap().unwrap().more);
        // He writes in all of them: each comes into a scope whose turn in the delivery is over.
        let visits: Vec<_> = customers
            .iter()
            .map(|customer| boss.write(*customer, Kind::Visit, &[text("note", "by boss")]))
            .collect();
        assert_eq!(boss.push(&visits).await, [ACCEPTED; 6]);
        boss.pull().await;
        oracle::check(&company, "boss", &boss, &customers).await;
    }
}

#[tokio::test]
async fn every_role_gets_what_it_may_read_and_nothing_else_page_by_page() {
    for company in Company::each().await {
        let (customers, _) = full_house(&company).await;
        for login in EVERYBODY {
            let mut small = company.phone(login).await;
            small.page_bytes_max = 4_096;
            small.pull().await;
            oracle::check(&company, login, &small, &customers).await;
            assert!(small.deliveries.values().all(|count| *count == 1), "{login}");
        }
    }
}

/// Something that changes who sees what, or what there is to see.
async fn happen(
    company: &Company,
    rng: &mut ChaCha8Rng,
    customers: &[CustomerId],
    documents: &mut Vec<(CustomerId, DocumentId)>,
) {
    let customer = *customers.choose(rng).unwrap();
    let somebody = *["wang", "zhao", "li", "boss", "office"].choose(rng).unwrap();
    match rng.random_range(0..10) {
        0..3 => company.assign(customer, somebody).await,
        3 => {
            let action = IntentAction::Release {
                pool: Some(company.pool),
                reason: String::new(),
            };
            company.ask("office", customer, action).await;
        }
        4..6 => {
            let (customer, document) = *documents.choose(rng).unwrap();
            let user = rng.random_bool(0.8).then(|| company.user(somebody));
            let action = IntentAction::Responsible { document, user };
            company.ask("office", customer, action).await;
        }
        6 => {
            let teams: Vec<_> = company.teams.values().copied().collect();
            let change = PlaceChange {
                team: Some(teams.choose(rng).copied()),
                pools: Some(if rng.random() {
                    vec![(company.pool, false)]
                } else {
                    vec![]
                }),
                ..PlaceChange::default()
            };
            company
                .change_place(["zhao", "li", "boss"].choose(rng).unwrap(), change)
                .await;
        }
        _ => {
            let (kind, key) = *FIELDS.choose(rng).unwrap();
            let document = record(company, "office", customer, kind, key).await;
            if kind.has_responsible() {
                documents.push((customer, document));
            }
        }
    }
}

#[tokio::test]
async fn whatever_happened_between_two_syncs_a_phone_ends_with_what_the_table_allows() {
    for company in Company::each().await {
        let (customers, mut documents) = full_house(&company).await;
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut phones: Vec<(&str, Client)> = Vec::new();
        for login in EVERYBODY {
            let mut phone = company.phone(login).await;
            phone.page_bytes_max = 4_096;
            phones.push((login, phone));
        }
        for _ in 0..30 {
            for _ in 0..rng.random_range(1..5) {
                happen(&company, &mut rng, &customers, &mut documents).await;
            }
            let count = phones.len();
            for index in [rng.random_range(0..count), rng.random_range(0..count)] {
                let (login, phone) = &mut phones[index];
                if rng.random_bool(0.3) {
                    // One page only: the rest comes another time.
                    let request = phone.request();
                    phone.send(request).await.unwrap();
                    continue;
                }
                phone.pull().await;
                oracle::check(&company, login, phone, &customers).await;
            }
        }
        for (login, phone) in &mut phones {
            phone.pull().await;
            oracle::check(&company, login, phone, &customers).await;
        }
    }
}

#[tokio::test]
async fn a_customer_that_went_and_came_back_brings_what_was_written_meanwhile() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let (mut wang, mut li) = (company.phone("wang").await, company.phone("li").await);
        wang.pull().await;
        company.assign(customer, "li").await;
        li.pull().await;
        let dossier = li.write(customer, Kind::Dossier, &[text("needs", "noted by li")]);
        let contact = li.write(customer, Kind::Contact, &[text("name", "陈")]);
        assert_eq!(li.push(&[dossier, contact]).await, [ACCEPTED, ACCEPTED]);
        company.assign(customer, "wang").await;
        wang.pull().await;
        oracle::check(&company, "wang", &wang, &[customer]).await;
    }
}

#[tokio::test]
async fn a_phone_with_small_pages_gets_past_many_losses_at_once() {
    let company = Company::on_sqlite().await;
    let mut customers = Vec::new();
    for number in 0..80 {
        customers.push(company.customer_of("wang", &format!("{number}")).await);
    }
    let mut wang = company.phone("wang").await;
    wang.page_bytes_max = 4_096;
    wang.pull().await;
    for customer in &customers[1..] {
        company.assign(*customer, "li").await;
    }
    let card = wang.card(customers[0]);
    let mut office = company.phone("office").await;
    office.pull().await;
    let draft = office.edit(card, &[text("region", "news")]);
    office.push(&[draft]).await;
    let pages = wang.pull().await;
    assert!(pages.len() < 10, "{} pages", pages.len());
    assert_eq!(wang.losses.len(), 79);
    oracle::check(&company, "wang", &wang, &customers).await;
}

#[tokio::test]
async fn what_is_damaged_in_the_packed_copy_comes_from_the_log() {
    let damage = "UPDATE packed_document SET packed = (SELECT c.hash FROM change c WHERE c.org_id = packed_document.org_id \
                  AND c.document_id = packed_document.document_id ORDER BY c.log_seq LIMIT 1)";
    for company in Company::each().await {
        let (customers, _) = full_house(&company).await;
        let app = company.app();
        testing::execute_sql(&app.database, damage).await;
        for login in ["wang", "boss", "office"] {
            let mut phone = company.phone(login).await;
            phone.pull().await;
            assert!(!phone.deliveries.is_empty(), "{login}");
            oracle::check(&company, login, &phone, &customers).await;
        }
        // An edit reads the log, and makes its document's copy anew.
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let edit = wang.edit(wang.card(customers[0]), &[text("region", "north")]);
        assert_eq!(wang.push(&[edit]).await, [ACCEPTED]);
        let mut office = company.phone("office").await;
        office.pull().await;
        assert_eq!(
            office.shown(office.card(customers[0]), "region").as_deref(),
            Some("Scalar(Str(\"north\"))")
        );
        let mut tx = app.database.read().await.unwrap();
        let card = (customers[0], office.card(customers[0]));
        let copy = packed::list(&mut tx, company.org, &[card])
            .await
            .unwrap()
            .remove(&card.1)
            .unwrap();
        assert_eq!(
            copy.changes.unwrap().unpack(card.1).unwrap().len(),
            2,
            "{}",
            company.test.name
        );
    }
}

#[tokio::test]
async fn nothing_is_built_on_a_packed_copy_that_ends_before_the_log() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "一").await;
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let card = (customer, wang.card(customer));
        let app = company.app();
        let mut tx = app.database.read().await.unwrap();
        let old = packed::list(&mut tx, company.org, &[card])
            .await
            .unwrap()
            .remove(&card.1)
            .unwrap();
        tx.rollback().await.unwrap();
        let edit = wang.edit(card.1, &[text("region", "north")]);
        assert_eq!(wang.push(&[edit]).await, [ACCEPTED]);
        let mut tx = app.database.write().await.unwrap();
        packed::put(&mut tx, company.org, customer, &old).await.unwrap();
        tx.commit().await.unwrap();
        let fields: Map<String, Json> = [("region".to_owned(), json!("south"))].into_iter().collect();
        edit_document(app, company.asker("office"), card.1, &fields)
            .await
            .unwrap();
        wang.pull().await;
        assert_eq!(wang.shown(card.1, "region").as_deref(), Some("Scalar(Str(\"south\"))"));
        let report = verify(&app.database, |_| {}).await.unwrap();
        assert!(report.ok, "{} {report:?}", company.test.name);
    }
}
