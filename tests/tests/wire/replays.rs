//! Messages that come twice, late, at once, or with a cursor that is not theirs.

use serde_bytes::ByteBuf;
use server::testing::execute_sql;
use sync_core::{document::Kind, protocol::message::IntentAction};
use tests::{
    oracle,
    wire::{Company, all_verdicts, grown, text},
};

use super::ACCEPTED;

#[tokio::test]
async fn t035_a_captured_message_played_again_says_the_same_and_does_nothing() {
    for company in Company::each().await {
        let customer = company.customer_in_pool("华联").await;
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let visit = wang.write(customer, Kind::Visit, &[text("note", "a")]);
        let mut request = wang.request_with(&[visit]);
        request.intents.push(wang.intent(customer, IntentAction::Claim));
        let first = wang.send(request.clone()).await.unwrap().unwrap();
        let before = company.rows().await;
        for _ in 0..3 {
            let again = wang.send(request.clone()).await.unwrap().unwrap();
            assert_eq!((&again.intents, &again.verdicts), (&first.intents, &first.verdicts));
        }
        let mut after = grown(&before, &company.rows().await);
        // Places taken for intents that were decided before stay empty; the page is delivered and told again.
        after.retain(|(table, _)| *table != "log_head" && *table != "audit");
        assert_eq!(after, []);
        // The same number with other content is a copy of the phone.
        request.pending = 7;
        let refused = wang.post(&company, &request).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code().as_str()),
            (409, "actor_conflict")
        );
    }
}

#[tokio::test]
async fn t036_an_answer_lost_after_the_commit_doubles_nothing() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let visit = wang.write(customer, Kind::Visit, &[text("note", "a")]);
        let request = wang.request_with(std::slice::from_ref(&visit));
        wang.send_into_the_void(request).await;
        assert_eq!(wang.push(&[visit]).await, [ACCEPTED]);
        assert_eq!(company.number("SELECT COUNT(*) FROM document WHERE kind = 5").await, 1);
        let news = wang.write(customer, Kind::Visit, &[text("note", "b")]);
        assert_eq!(wang.push(&[news]).await, [ACCEPTED]);
        wang.pull().await;
        oracle::check(&company, "wang", &wang, &[customer]).await;
    }
}

#[tokio::test]
async fn t039_of_two_syncs_of_one_phone_at_once_one_is_told_to_wait() {
    for company in Company::each().await {
        let mut wang = company.phone("wang").await;
        let (one, two) = (wang.request(), wang.request());
        let (one, two) = tokio::join!(wang.post(&company, &one), wang.post(&company, &two));
        let mut status = [one.status.as_u16(), two.status.as_u16()];
        status.sort_unstable();
        assert_eq!(status, [200, 409]);
        let waits = if one.status.as_u16() == 409 { one } else { two };
        assert_eq!(waits.code(), "sync_in_progress");
        assert!(!wang.pull().await.is_empty(), "the next one is served");
    }
}

#[tokio::test]
async fn t040_a_phone_a_year_behind_hands_in_its_work_and_gets_everything() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let visit = wang.write(customer, Kind::Visit, &[text("note", "a year ago")]);
        let mut customers = vec![customer];
        for day in 0..20 {
            company.app().seam.advance_ms(18 * 86_400_000);
            customers.push(company.customer_of("wang", &format!("新 {day}")).await);
            let mut office = company.phone("office").await;
            office.pull().await;
            let card = office.card(customer);
            let draft = office.edit(card, &[text("region", &format!("{day}"))]);
            office.push(&[draft]).await;
        }
        assert_eq!(wang.push(&[visit]).await, [ACCEPTED]);
        wang.pull().await;
        oracle::check(&company, "wang", &wang, &customers).await;
    }
}

#[tokio::test]
async fn t041_a_cursor_that_is_not_this_phones_begins_again_and_loses_nothing() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let (mut wang, mut other, mut li) = (
            company.phone("wang").await,
            company.phone("wang").await,
            company.phone("li").await,
        );
        for client in [&mut wang, &mut other, &mut li] {
            client.pull().await;
        }
        let own = wang.cursor.clone().unwrap();
        let mut odd = vec![
            other.cursor.clone().unwrap(),
            li.cursor.clone().unwrap(),
            ByteBuf::new(),
        ];
        for place in (0..own.len()).step_by(7) {
            let mut flipped = own.clone();
            flipped[place] ^= 1;
            odd.push(flipped);
        }
        odd.push(ByteBuf::from(own[..own.len() - 1].to_vec()));
        for cursor in odd {
            let visit = wang.write(customer, Kind::FollowUp, &[text("text", "unsynced")]);
            let mut request = wang.request_with(&[visit]);
            request.cursor = Some(cursor);
            let response = wang.send(request).await.unwrap().unwrap();
            assert!(response.reset);
            assert_eq!(all_verdicts(&response, 1), [ACCEPTED]);
            wang.pull().await;
            oracle::check(&company, "wang", &wang, &[customer]).await;
        }
        // A place beyond the log's end is of a log whose tail was lost.
        let database = &company.app().database;
        execute_sql(database, "UPDATE log_head SET head = head + 50").await;
        let customer = company.customer_of("wang", "永辉").await;
        wang.pull().await;
        assert!(wang.held.values().any(|held| held.customer == customer));
        execute_sql(database, "UPDATE log_head SET head = head - 60").await;
        let request = wang.request();
        assert!(wang.send(request).await.unwrap().unwrap().reset);
    }
}
