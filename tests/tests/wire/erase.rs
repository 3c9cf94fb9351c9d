//! People who are erased: nothing of them is found anywhere, and nobody brings them back.

use std::path::Path;

use axum::http::{Method, StatusCode};
use serde_json::{Value as Json, json};
use server::{
    actions::{
        backup,
        edit::{create_document, edit_document},
        erasure, rebuild, verify,
    },
    auth::AccessToken,
    jobs::indexer,
    storage::{Database, dump, dump::Cell, erasures},
    testing,
};
use sync_core::{
    document::Kind,
    ids::{CustomerId, DocumentId},
};
use tests::wire::{Client, Company, text};
use uuid::Uuid;

use super::{all_said, rejected};

const YEAR_MS: i64 = 365 * 24 * 3600 * 1000;
/// Contacts that are erased, and fields of each that are written, and written again.
const CONTACTS: usize = 3;
const FIELDS: [&str; 5] = ["name", "title", "role", "email", "wechat"];

/// A word that stands nowhere else, and of which every pair of characters is rare.
fn canary(contact: usize, field: &str, round: usize) -> String {
    let place = FIELDS.iter().position(|key| *key == field).unwrap();
    format!("canary-{contact}-{place}-{round}-蹀躞珣玗")
}

/// Every canary: ten of each contact, thirty in all.
fn canaries() -> Vec<String> {
    let mut all = Vec::new();
    for contact in 0..CONTACTS {
        for field in FIELDS {
            all.extend((0..2).map(|round| canary(contact, field, round)));
        }
    }
    assert_eq!(all.len(), 30);
    all
}

fn fields(contact: usize, round: usize) -> serde_json::Map<String, Json> {
    let of = |field: &&str| ((*field).to_owned(), json!(canary(contact, field, round)));
    FIELDS.iter().map(of).collect()
}

/// A customer with contacts whose every field was written twice.
async fn with_contacts(company: &Company) -> (CustomerId, Vec<DocumentId>) {
    let customer = company.customer_of("wang", "华联").await;
    let mut contacts = Vec::new();
    for contact in 0..CONTACTS {
        let made = create_document(
            company.app(),
            company.asker("wang"),
            customer,
            Kind::Contact,
            &fields(contact, 0),
        )
        .await
        .unwrap();
        edit_document(company.app(), company.asker("wang"), made, &fields(contact, 1))
            .await
            .unwrap();
        contacts.push(made);
    }
    indexer::catch_up(&company.app().database, &company.app().seam, Uuid::nil())
        .await
        .unwrap();
    (customer, contacts)
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

/// In which tables a word stands.
async fn tables_with(database: &Database, words: &[String]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for table in dump::tables() {
        let mut tx = database.read().await.unwrap();
        dump::read_table::<sqlx::Error>(&mut tx, &table, |row| {
            for cell in row {
                let bytes = match cell {
                    Cell::Text(text) => text.into_bytes(),
                    Cell::Bytes(bytes) => bytes,
                    _ => continue,
                };
                for word in words {
                    if contains(&bytes, word.as_bytes()) || contains(&bytes, hex::encode(word).as_bytes()) {
                        found.push((table.name.to_owned(), word.clone()));
                    }
                }
            }
            Ok(())
        })
        .await
        .unwrap();
    }
    found.sort();
    found.dedup();
    found
}

/// In which files of a folder a word stands, as its bytes.
fn files_with(folder: &Path, words: &[Vec<u8>]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        found.extend(
            words
                .iter()
                .enumerate()
                .filter(|(_, word)| contains(&bytes, word))
                .map(|(index, _)| (name.clone(), index)),
        );
    }
    found
}

/// A pair of characters as the index stores it: behind what it has in common with the pair before, at most two bytes.
fn indexed_pair() -> Vec<u8> {
    "蹀躞".as_bytes()[2..].to_vec()
}

async fn backup_of(company: &Company) -> Vec<u8> {
    let mut file = Vec::new();
    backup::back_up(&company.app().database, &company.app().seam, &mut file, |_, _| {})
        .await
        .unwrap();
    file
}

fn words_in(backup: &[u8]) -> usize {
    let bytes = zstd::decode_all(backup).unwrap();
    canaries()
        .iter()
        .filter(|word| contains(&bytes, word.as_bytes()))
        .count()
}

/// What the full text finds for the rare pair.
async fn found(company: &Company, login: &str) -> usize {
    let path = "/api/v1/customers?q=%E8%B9%80%E8%BA%9E%E7%8F%A3";
    let page = company.done(login, Method::GET, path, Json::Null).await;
    page["items"].as_array().unwrap().len()
}

async fn erase(company: &Company, login: &str, contact: DocumentId) -> (StatusCode, Json) {
    let path = format!("/api/v1/contacts/{contact}/erasure");
    company
        .api(login, Method::POST, &path, json!({ "reason": "request" }))
        .await
}

async fn assert_verified(database: &Database) {
    let report = verify::verify(database, |_| {}).await.unwrap();
    assert!(report.ok, "{:?}", report.differences);
}

#[tokio::test]
async fn an_erased_person_is_found_nowhere_and_a_restored_backup_does_not_bring_him_back() {
    for company in Company::each().await {
        let (_, contacts) = with_contacts(&company).await;
        let database = &company.app().database;
        let words = canaries();
        let raw: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        // That the search can fail: before, each of them is found in each place.
        let before: Vec<_> = tables_with(database, &words).await;
        for word in &words {
            for table in ["change", "packed_document"] {
                assert!(before.contains(&(table.to_owned(), word.clone())), "{word} in {table}");
            }
        }
        assert_eq!(found(&company, "wang").await, 1);
        if let Some(folder) = database.folder() {
            let files = files_with(folder, &raw);
            assert!(
                (0..30).all(|word| files.iter().any(|(_, found)| *found == word)),
                "{files:?}"
            );
            assert!(!files_with(folder, &[indexed_pair()]).is_empty());
        }
        let old = backup_of(&company).await;
        assert_eq!(words_in(&old), 30);

        for contact in &contacts {
            let (status, answer) = erase(&company, "office", *contact).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            assert_eq!(answer["cleaned_at"], Json::Null);
            let (status, again) = erase(&company, "admin", *contact).await;
            assert_eq!((status, &again["erased_at"]), (StatusCode::OK, &answer["erased_at"]));
        }
        assert_eq!(tables_with(database, &words).await, []);
        assert_eq!(found(&company, "wang").await, 0);
        assert!(erasure::clean(database, &company.app().seam).await.unwrap());
        assert!(!erasure::clean(database, &company.app().seam).await.unwrap(), "once");
        if let Some(folder) = database.folder() {
            assert_eq!(files_with(folder, &raw), []);
            assert_eq!(files_with(folder, &[indexed_pair()]), []);
            assert_eq!(erasure::read_kept(folder).unwrap().len(), 3);
        }
        let list = company
            .done("office", Method::GET, "/api/v1/erasures", Json::Null)
            .await;
        assert_eq!(list["items"].as_array().unwrap().len(), 3);
        assert!(list["items"][0]["cleaned_at"].is_i64());
        assert_verified(database).await;
        rebuild::rebuild(database, |_| {}).await.unwrap();
        indexer::catch_up(database, &company.app().seam, Uuid::nil())
            .await
            .unwrap();
        assert_verified(database).await;
        assert_eq!(words_in(&backup_of(&company).await), 0);

        // The backup of before over the database of now, and into an empty one with the list.
        let mut tx = database.read().await.unwrap();
        let kept = erasures::list_all(&mut tx).await.unwrap();
        drop(tx);
        let other = testing::databases().await.remove(0);
        for (target, replace, list) in [(&other.database, false, kept), (database, true, Vec::new())] {
            let seam = &company.app().seam;
            let restoring = backup::Restoring {
                replace,
                people_confirmed: true,
                erased: list,
            };
            let (summary, _) = backup::restore(target, seam, &old[..], restoring, |_| {})
                .await
                .unwrap();
            assert_eq!(summary.erasures, 3);
            assert_eq!(tables_with(target, &words).await, []);
            assert!(erasure::clean(target, seam).await.unwrap());
            if let Some(folder) = target.folder() {
                assert_eq!(files_with(folder, &raw), []);
            }
            assert_verified(target).await;
        }
    }
}

#[tokio::test]
async fn phones_drop_an_erased_person_confirm_it_and_cannot_revive_him_after_a_year() {
    for company in Company::each().await {
        let (customer, contacts) = with_contacts(&company).await;
        let contact = contacts[0];
        let mut wang = company.phone("wang").await;
        let mut away = company.phone("wang").await;
        let mut office = company.phone("office").await;
        for phone in [&mut wang, &mut away, &mut office] {
            phone.pull().await;
            assert!(phone.shown(contact, "name").is_some());
        }
        assert_eq!(erase(&company, "office", contact).await.0, StatusCode::OK);
        for phone in [&mut wang, &mut office] {
            phone.pull().await;
            assert_eq!(phone.shown(contact, "name"), None);
            assert!(phone.shown(contacts[1], "name").is_some(), "only him");
            assert!(phone.access.contains_key(&customer));
        }
        // Told to every device once, until it confirms.
        assert_eq!(unconfirmed(&company).await, 2);
        let item = wang.access[&customer].clone();
        assert!(item.lost.is_some());
        wang.losses.push(item);
        wang.confirm().await;
        assert_eq!(unconfirmed(&company).await, 1);

        company.app().seam.advance_ms(YEAR_MS);
        renew(&mut away).await;
        let edit = away.edit(contact, &[text("wechat", "canary-of-a-year")]);
        let more = away.edit(contact, &[text("name", "canary-of-a-year")]);
        assert_eq!(
            away.push(&[edit.and(more)]).await,
            [rejected("erased"), rejected("erased")]
        );
        away.pull().await;
        assert_eq!(away.shown(contact, "name"), None);
        let word = ["canary-of-a-year".to_owned()];
        assert_eq!(tables_with(&company.app().database, &word).await, []);
        assert_verified(&company.app().database).await;
    }
}

/// Orders to drop something that were given and not confirmed.
async fn unconfirmed(company: &Company) -> i64 {
    company
        .number("SELECT COUNT(*) FROM eviction WHERE confirmed_at IS NULL")
        .await
}

/// As a phone does whose token has run out.
async fn renew(client: &mut Client) {
    client.token = AccessToken {
        expires_at: client.app.seam.now().plus_ms(600_000),
        ..client.token
    };
}

#[tokio::test]
async fn what_waits_for_a_decision_goes_too_and_a_device_that_hands_in_is_told_the_same() {
    for company in Company::each().await {
        let (customer, contacts) = with_contacts(&company).await;
        let contact = contacts[0];
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let word = ["canary-in-quarantine".to_owned()];
        let kept = wang.edit(contact, &[text("wechat", &word[0])]);
        let later = wang.edit(contact, &[text("wechat", "canary-in-quarantine again")]);
        // He knows that he has lost the customer.
        company.assign(customer, "zhao").await;
        wang.pull().await;
        wang.losses.push(wang.access[&customer].clone());
        wang.confirm().await;
        assert_eq!(all_said(&wang.push(&[kept]).await), ["quarantined no_permission"]);
        assert_eq!(
            tables_with(&company.app().database, &word).await,
            [("refusal".to_owned(), word[0].clone())]
        );
        assert_eq!(erase(&company, "office", contact).await.0, StatusCode::OK);
        assert_eq!(tables_with(&company.app().database, &word).await, []);
        let open = "SELECT COUNT(*) FROM refusal WHERE verdict = 'quarantined'";
        assert_eq!(company.number(open).await, 0);
        let disabled = server::actions::people::PlaceChange {
            state: Some(sync_core::visibility::UserState::Disabled),
            ..Default::default()
        };
        company.change_place("wang", disabled).await;
        assert_eq!(wang.push(&[later]).await, [rejected("erased")]);
        assert_eq!(tables_with(&company.app().database, &word).await, []);
    }
}

#[tokio::test]
async fn all_that_is_held_about_a_person_is_told_with_his_history_and_where_others_mention_him() {
    for company in Company::each().await {
        let (customer, contacts) = with_contacts(&company).await;
        let note = json!({ "note": format!("met {}", canary(0, "name", 0)) });
        let note = note.as_object().unwrap();
        let visit = create_document(company.app(), company.asker("wang"), customer, Kind::Visit, note)
            .await
            .unwrap();
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let first = wang.edit(contacts[0], &[text("wechat", "canary-kept-1")]);
        let database = &company.app().database;
        indexer::catch_up(database, &company.app().seam, Uuid::nil())
            .await
            .unwrap();
        assert_eq!(all_said(&wang.push(&[first]).await), ["accepted"]);
        let path = format!("/api/v1/contacts/{}/held", contacts[0]);
        let held = company.done("office", Method::GET, &path, Json::Null).await;
        let told = held.to_string();
        for word in canaries() {
            assert_eq!(told.contains(&word), word.starts_with("canary-0"), "{word}");
        }
        assert!(told.contains("canary-kept-1"));
        let mentions = held["held"]["mentions"].as_array().unwrap();
        assert!(
            mentions.iter().any(|mention| mention["document"] == json!(visit)),
            "{mentions:?}"
        );
        assert!(held["held"]["audit"].as_array().is_some_and(|rows| !rows.is_empty()));
        for (login, status) in [
            ("wang", StatusCode::FORBIDDEN),
            ("auditor", StatusCode::FORBIDDEN),
            ("zhao", StatusCode::NOT_FOUND),
        ] {
            assert_eq!(
                company.api(login, Method::GET, &path, Json::Null).await.0,
                status,
                "{login}"
            );
        }
        assert_eq!(company.audited("person_exported").await, 1);
    }
}

#[tokio::test]
async fn only_the_office_and_administrators_erase_and_only_contacts() {
    for company in Company::each().await {
        let (customer, contacts) = with_contacts(&company).await;
        for (login, status) in [
            ("wang", StatusCode::FORBIDDEN),
            ("boss", StatusCode::FORBIDDEN),
            ("auditor", StatusCode::FORBIDDEN),
            ("service", StatusCode::FORBIDDEN),
            ("li", StatusCode::NOT_FOUND),
            ("zhao", StatusCode::NOT_FOUND),
        ] {
            assert_eq!(erase(&company, login, contacts[0]).await.0, status, "{login}");
        }
        let card = DocumentId::derived(company.org, customer, Kind::Card, 0);
        assert_eq!(erase(&company, "office", card).await.0, StatusCode::NOT_FOUND);
        let nobody = DocumentId(company.app().seam.uuid());
        assert_eq!(erase(&company, "office", nobody).await.0, StatusCode::NOT_FOUND);
        let path = format!("/api/v1/contacts/{}/erasure", contacts[0]);
        for reason in [json!({}), json!({ "reason": "because Wang said so" })] {
            let (status, _) = company.api("office", Method::POST, &path, reason).await;
            assert!(status.is_client_error());
        }
        assert_eq!(company.number("SELECT COUNT(*) FROM erasure").await, 0);
        let (status, _) = company.api("boss", Method::GET, "/api/v1/erasures", Json::Null).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        // Gone is gone: nobody edits him, and his history is not there.
        assert_eq!(erase(&company, "admin", contacts[0]).await.0, StatusCode::OK);
        let document = format!("/api/v1/documents/{}", contacts[0]);
        for (method, path, body) in [
            (Method::GET, document.clone(), Json::Null),
            (Method::PATCH, document.clone(), json!({ "wechat": "x" })),
            (Method::GET, format!("{document}/history?field=name"), Json::Null),
        ] {
            let (status, _) = company.api("wang", method, &path, body).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        }
    }
}
