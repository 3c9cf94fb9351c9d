//! Who writes: actors nobody declared, somebody else's, two changes under one name.

use sync_core::{
    document::{Document, Kind, fixed_actor},
    ids::ActorId,
    protocol::message::Verdict,
};
use tests::wire::{Client, Company, Draft, all_verdicts, grown, rewrite, text};

use super::{ACCEPTED, all_said, rejected};

const FLAGS: &str = "SELECT CAST(SUM(security_flags) AS BIGINT) FROM device";

async fn forge(client: &mut Client, draft: &Draft, actor: ActorId) -> Verdict {
    let mut request = client.request_with(std::slice::from_ref(draft));
    rewrite(&mut request.documents[0], 0, |change| change.actor = actor);
    let response = client.send(request).await.unwrap().unwrap();
    all_verdicts(&response, 1).remove(0)
}

#[tokio::test]
async fn t001_an_actor_that_was_not_declared_leaves_nothing_but_an_audit_row() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let first = wang.write(customer, Kind::FollowUp, &[text("text", "a")]);
        let second = wang.edit(first.document, &[text("text", "b")]);
        let before = company.rows().await;
        let mut request = wang.request_with(&[first.clone().and(second)]);
        request.actors.clear();
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(all_verdicts(&response, 2), vec![rejected("actor_unknown"); 2]);
        assert_eq!(grown(&before, &company.rows().await), [("audit", 2)]);
        // Declared, it is as if nothing had been.
        assert_eq!(wang.push(&[first]).await, [ACCEPTED]);
    }
}

#[tokio::test]
async fn t002_the_actor_of_the_persons_other_device_is_foreign_and_counted() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let (mut phone, mut tablet) = (company.phone("wang").await, company.phone("wang").await);
        phone.pull().await;
        tablet.pull().await;
        let draft = phone.write(customer, Kind::FollowUp, &[text("text", "a")]);
        assert_eq!(phone.push(&[draft]).await, [ACCEPTED]);
        let forged = tablet.write(customer, Kind::FollowUp, &[text("text", "b")]);
        let before = company.rows().await;
        assert_eq!(
            forge(&mut tablet, &forged, phone.actor).await,
            rejected("actor_foreign")
        );
        // The tablet's own actor is declared with the message.
        let mut after = grown(&before, &company.rows().await);
        after.retain(|(table, _)| *table != "actor");
        after.retain(|(table, _)| *table != "audit");
        assert_eq!(after, []);
        assert_eq!(company.number(FLAGS).await, 1);
    }
}

#[tokio::test]
async fn t003_somebody_elses_actor_is_foreign_also_when_declared_again() {
    for company in Company::each().await {
        let customer = company.customer_in_pool("华联").await;
        let (mut wang, mut li) = (company.phone("wang").await, company.phone("li").await);
        let visit = wang.write(customer, Kind::Visit, &[text("note", "a")]);
        assert_eq!(wang.push(&[visit]).await, [ACCEPTED]);
        for round in 1..=3 {
            let forged = li.write(customer, Kind::Visit, &[text("note", "b")]);
            let mut request = li.request_with(&[forged]);
            request.actors.push(wang.actor);
            rewrite(&mut request.documents[0], 0, |change| change.actor = wang.actor);
            let response = li.send(request).await.unwrap().unwrap();
            assert_eq!(all_verdicts(&response, 1), [rejected("actor_foreign")]);
            assert_eq!(company.number(FLAGS).await, round);
        }
        let next = wang.write(customer, Kind::Visit, &[text("note", "c")]);
        assert_eq!(wang.push(&[next]).await, [ACCEPTED]);
    }
}

#[tokio::test]
async fn t003_what_somebody_forged_under_an_actor_does_not_fall_back_on_its_owner() {
    for company in Company::each().await {
        let customer = company.customer_in_pool("华联").await;
        let (mut wang, mut li) = (company.phone("wang").await, company.phone("li").await);
        let known = wang.write(customer, Kind::Visit, &[text("note", "a")]);
        wang.push(&[known]).await;
        // Wang's next visit is still on his phone; Li has guessed its id and knows Wang's actor.
        let visit = wang.write(customer, Kind::Visit, &[text("note", "b")]);
        let forged = li.write_as(visit.document, customer, Kind::Visit, &[text("note", "forged")]);
        assert_eq!(forge(&mut li, &forged, wang.actor).await, rejected("actor_foreign"));
        assert_eq!(wang.push(&[visit]).await, [ACCEPTED]);
    }
}

#[tokio::test]
async fn t003_nobody_can_declare_the_actor_of_a_fixed_change_or_of_the_web() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let mut wang = company.phone("wang").await;
        let pages = wang.pull().await;
        let web = pages[0].actors[0].actor;
        let card = wang.card(customer);
        for (actor, seq) in [(fixed_actor(Kind::Card, 1), 2), (web, 2)] {
            let draft = wang.edit(card, &[text("region", "上海")]);
            let mut request = wang.request_with(&[draft]);
            request.actors.push(actor);
            rewrite(&mut request.documents[0], 0, |change| {
                change.actor = actor;
                change.seq = seq;
            });
            let response = wang.send(request).await.unwrap().unwrap();
            assert_eq!(all_verdicts(&response, 1), [rejected("actor_foreign")], "{actor}");
            wang.held.remove(&card);
            wang.cursor = None;
            wang.pull().await;
        }
    }
}

/// Two different first changes of one document by one actor.
fn equivocate(client: &mut Client, draft: &Draft) -> Draft {
    let mut other = Document::new(draft.kind);
    let edits = [text("text", "another")];
    let built = other
        .edit(client.actor, client.app.seam.now(), &edits)
        .unwrap()
        .unwrap();
    Draft {
        changes: vec![built],
        ..draft.clone()
    }
}

#[tokio::test]
async fn t005_two_changes_under_one_name_freeze_the_actor_and_spoil_nothing_beside() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let first = wang.write(customer, Kind::FollowUp, &[text("text", "one")]);
        assert_eq!(wang.push(std::slice::from_ref(&first)).await, [ACCEPTED]);
        let second = equivocate(&mut wang, &first);
        let beside = wang.write(customer, Kind::FollowUp, &[text("text", "beside")]);
        let verdicts = wang.push(&[second.clone(), beside.clone()]).await;
        assert_eq!(verdicts, [rejected("equivocation"), ACCEPTED]);
        let copies = "SELECT COUNT(*) FROM audit WHERE action = 'refuse' AND detail LIKE '%equivocation%' \
                      AND detail NOT LIKE '%\"copy\":null%'";
        assert_eq!(company.number(copies).await, 1);
        let kept = "SELECT COUNT(*) FROM equivocation";
        assert_eq!(
            company.number(kept).await,
            1,
            "the audit names the copy, which is kept beside it"
        );
        // What was accepted stays so when it comes again, and what was refused is not told twice.
        let verdicts = wang.push(&[first, beside.clone()]).await;
        assert_eq!(verdicts, [ACCEPTED, ACCEPTED]);
        assert_eq!(wang.push(&[second]).await, [rejected("equivocation")]);
        assert_eq!(company.number(copies).await, 1);
        // The frozen actor writes no more; a fresh one does.
        let late = wang.edit(beside.document, &[text("text", "frozen")]);
        assert_eq!(wang.push(&[late]).await, [rejected("actor_frozen")]);
        wang.take_new_actor();
        let fresh = wang.write(customer, Kind::FollowUp, &[text("text", "fresh")]);
        assert_eq!(wang.push(&[fresh]).await, [ACCEPTED]);
    }
}

#[tokio::test]
async fn t006_the_same_change_again_is_accepted_and_not_told_twice() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let draft = wang.write(customer, Kind::FollowUp, &[text("text", "a")]);
        assert_eq!(wang.push(std::slice::from_ref(&draft)).await, [ACCEPTED]);
        let before = company.rows().await;
        for _ in 0..3 {
            assert_eq!(wang.push(std::slice::from_ref(&draft)).await, [ACCEPTED]);
        }
        assert_eq!(grown(&before, &company.rows().await), []);
    }
}

#[tokio::test]
async fn t007_a_gap_in_the_numbers_is_refused_and_no_panic() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let mut numbers = Vec::new();
        for seq in [0, 2, 1 << 31, u64::MAX] {
            let draft = wang.write(customer, Kind::FollowUp, &[text("text", "a")]);
            let mut request = wang.request_with(&[draft]);
            rewrite(&mut request.documents[0], 0, |change| change.seq = seq);
            let response = wang.send(request).await.unwrap().unwrap();
            numbers.extend(all_said(&all_verdicts(&response, 1)));
        }
        assert_eq!(numbers, vec!["rejected seq_gap"; 4]);
        // One after the last but one.
        let first = wang.write(customer, Kind::FollowUp, &[text("text", "a")]);
        assert_eq!(wang.push(std::slice::from_ref(&first)).await, [ACCEPTED]);
        let _lost = wang.edit(first.document, &[text("text", "b")]);
        let third = wang.edit(first.document, &[text("text", "c")]);
        assert_eq!(all_said(&wang.push(&[third]).await), ["rejected seq_gap"]);
    }
}
