//! Many at once: nobody's work is lost, and a reader misses nothing and gets nothing twice.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use server::{actions::Code, app::App, config::Config, seam::Seam, testing::START};
use sync_core::{
    document::Kind,
    ids::CustomerId,
    protocol::message::{IntentAction, Verdict},
};
use tests::{
    oracle,
    wire::{Client, Company, Draft, all_verdicts, text},
};

use super::all_said;

const PHONES: usize = 8;
const ROUNDS: usize = 4;
/// Times a phone sends a push again before it gives up.
const TRIES_MAX: usize = 3_000;

/// Sends drafts until they are taken: where many write one document at once, some are told to come again.
async fn push_until_taken(client: &mut Client, drafts: &[Draft]) -> Vec<Verdict> {
    for _ in 0..TRIES_MAX {
        let request = client.request_with(drafts);
        match client.send(request).await {
            Ok(response) => return all_verdicts(&response.unwrap(), drafts.len()),
            Err(error) => assert_eq!(error.code(), Some(Code::Overloaded), "{error}"),
        }
    }
    panic!("the server never takes it");
}

/// Pushes visits, each in a message of its own; all are accepted in the end.
async fn push_all(mut client: Client, customer: CustomerId) -> usize {
    let mut accepted = 0;
    for round in 0..ROUNDS {
        let visit = client.write(customer, Kind::Visit, &[text("note", &format!("{round}"))]);
        let card = client.card(customer);
        let edit = client.edit(card, &[text("region", &format!("{round} {}", client.actor))]);
        let verdicts = push_until_taken(&mut client, &[visit, edit]).await;
        assert_eq!(all_said(&verdicts), ["accepted", "accepted"]);
        accepted += 2;
    }
    accepted
}

/// Polls until it has seen so many changes, each exactly once and in order. A sync that begins after the last push has
/// been answered shows all that is left.
async fn read_all(mut reader: Client, wanted: usize, is_over: Arc<AtomicBool>) -> Client {
    loop {
        let last = is_over.load(Ordering::Acquire);
        reader.pull().await;
        let came = reader.deliveries.len();
        if came >= wanted {
            return reader;
        }
        assert!(!last, "{came} of {wanted} changes came");
        tokio::task::yield_now().await;
    }
}

async fn storm(company: &Company, apps: &[App]) {
    let customer = company.customer_of("office", "华联").await;
    // Everybody writes one card: each push meets the others' versions.
    let mut tasks = Vec::new();
    for index in 0..PHONES {
        let mut client = company.phone("office").await;
        client.app = apps[index % apps.len()].clone();
        client.pull().await;
        tasks.push(tokio::spawn(push_all(client, customer)));
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for (index, login) in ["boss", "auditor", "admin"].into_iter().enumerate() {
        let mut reader = company.phone(login).await;
        reader.app = apps[index % apps.len()].clone();
        reader.pull().await;
        // Changes of the eight phones, and the card's first.
        let wanted = if login == "boss" { 0 } else { PHONES * ROUNDS * 2 + 1 };
        readers.push((login, tokio::spawn(read_all(reader, wanted, is_over.clone()))));
    }
    let mut accepted = 0;
    for task in tasks {
        accepted += task.await.unwrap();
    }
    is_over.store(true, Ordering::Release);
    assert_eq!(accepted, PHONES * ROUNDS * 2);
    for (login, reader) in readers {
        let mut reader = reader.await.unwrap();
        reader.pull().await;
        oracle::check(company, login, &reader, &[customer]).await;
        let twice = reader.deliveries.values().filter(|count| **count > 1).count();
        assert_eq!(twice, 0, "{login} got {twice} changes twice on {}", company.test.name);
    }
    // The log's places are unique, and each document's versions count its appends.
    let gaps = "SELECT COUNT(*) - COUNT(DISTINCT log_seq) FROM change";
    assert_eq!(company.number(gaps).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_phones_at_once_lose_nothing_and_a_reader_sees_each_change_once() {
    for company in Company::each().await {
        storm(&company, &[company.app().clone()]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t111_two_nodes_on_one_database_keep_one_order() {
    for company in Company::each().await {
        if company.test.name != "postgres" {
            continue;
        }
        let other = second_node(&company).await;
        storm(&company, &[company.app().clone(), other]).await;
    }
}

async fn second_node(company: &Company) -> App {
    let config = Config::clone(&Arc::clone(&company.app().config));
    App::new(company.app().database.clone(), Seam::simulated(2, START), config)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_claims_at_once_on_every_node_exactly_one_wins() {
    for company in Company::each().await {
        let mut apps = vec![company.app().clone()];
        if company.test.name == "postgres" {
            apps.push(second_node(&company).await);
        }
        let customer = company.customer_in_pool("华联").await;
        let mut tasks = Vec::new();
        for index in 0..PHONES {
            let login = ["wang", "li"][index % 2];
            let mut client = company.phone(login).await;
            client.app = apps[index % apps.len()].clone();
            client.pull().await;
            tasks.push(tokio::spawn(async move {
                let outcome = client.ask(customer, IntentAction::Claim).await;
                format!("{outcome:?}").contains("Accepted").then_some(login)
            }));
        }
        let mut winners = Vec::new();
        for task in tasks {
            winners.extend(task.await.unwrap());
        }
        winners.dedup();
        winners.sort_unstable();
        winners.dedup();
        assert_eq!(winners.len(), 1, "{winners:?}");
        let claims = "SELECT COUNT(*) FROM ownership_event WHERE event = 'claim'";
        assert_eq!(company.number(claims).await, 1);
    }
}
