//! Work that comes after the customer has gone, devices that do not obey, and rights that end meanwhile.

use server::{
    actions::{
        Code,
        commit::{Job, Outcome},
        customers,
        people::PlaceChange,
        proposals::{self, Choice},
        quarantine::{Decision, decide},
    },
    auth::DRAIN_DAYS,
    storage::devices::revoke,
};
use sync_core::{
    document::Kind,
    hub::LATE_AFTER_ORDER,
    ids::CustomerId,
    protocol::message::{IntentAction, Verdict},
    visibility::UserState,
};
use tests::{
    oracle,
    wire::{Client, Company, Draft, grown, text},
};

use super::all_said;

/// Wang's phone with twenty pieces of work for a customer that goes to Li meanwhile.
async fn left_behind(company: &Company) -> (Client, CustomerId, Vec<Draft>) {
    let customer = company.customer_of("wang", "华联").await;
    let mut wang = company.phone("wang").await;
    wang.pull().await;
    let dossier = wang.write(customer, Kind::Dossier, &[text("needs", "before")]);
    wang.push(&[dossier]).await;
    let mut drafts = Vec::new();
    for number in 0..9 {
        drafts.push(wang.write(customer, Kind::Visit, &[text("note", &format!("{number}"))]));
    }
    drafts.push(wang.write(customer, Kind::Contact, &[text("name", "陈")]));
    let (card, dossier) = (wang.card(customer), drafts_id(&wang, customer));
    let mut edits = wang.edit(card, &[text("region", "0")]);
    let mut needs = wang.edit(dossier, &[text("needs", "late 0")]);
    for number in 1..5 {
        let edit = wang.edit(card, &[text("region", &format!("{number}"))]);
        edits = edits.and(edit);
        let edit = wang.edit(dossier, &[text("needs", &format!("late {number}"))]);
        needs = needs.and(edit);
    }
    drafts.extend([edits, needs]);
    company.assign(customer, "li").await;
    (wang, customer, drafts)
}

fn drafts_id(client: &Client, customer: CustomerId) -> sync_core::ids::DocumentId {
    sync_core::ids::DocumentId::derived(client.token.org, customer, Kind::Dossier, 0)
}

fn ticket(verdict: &Verdict) -> uuid::Uuid {
    match verdict {
        Verdict::Quarantined { ticket, .. } => *ticket,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn t058_late_work_is_taken_under_its_authors_name_and_then_the_customer_goes() {
    for company in Company::each().await {
        let (mut wang, customer, drafts) = left_behind(&company).await;
        let mut li = company.phone("li").await;
        li.pull().await;
        assert_eq!(all_said(&wang.push(&drafts).await), ["late"; 20]);
        // The customer has left the phone; the new owner sees everything, under its author and marked.
        assert!(wang.held.values().all(|held| held.customer != customer));
        li.pull().await;
        oracle::check(&company, "li", &li, &[customer]).await;
        let visit = &li.held[&drafts[0].document];
        assert_eq!(visit.author, Some(wang.token.user));
        assert!(li.shown(li.card(customer), "region").unwrap().contains('4'));
        assert!(li.shown(drafts_id(&li, customer), "needs").unwrap().contains("late 4"));
        assert_eq!(company.number("SELECT COUNT(*) FROM document WHERE late").await, 10);
        assert_eq!(company.number("SELECT COUNT(*) FROM change WHERE late").await, 20);
        assert_eq!(company.number("SELECT COUNT(*) FROM proposal").await, 0);
    }
}

#[tokio::test]
async fn t058_a_late_value_waits_below_what_the_new_owner_has_written() {
    for company in Company::each().await {
        let (mut wang, customer, drafts) = left_behind(&company).await;
        let mut li = company.phone("li").await;
        li.pull().await;
        let (card, dossier) = (li.card(customer), drafts_id(&li, customer));
        let edit = li.edit(card, &[text("region", "li's")]);
        li.push(&[edit]).await;
        let mut wanted = vec!["late"; 10];
        wanted.extend(["amended"; 5]);
        wanted.extend(["late"; 5]);
        assert_eq!(all_said(&wang.push(&drafts).await), wanted);
        let rows = company.rows().await;
        assert_eq!(
            all_said(&wang.push(&drafts).await),
            wanted,
            "the same when it is sent again"
        );
        let after = grown(&rows, &company.rows().await);
        assert_eq!(after, [], "and nothing is written twice");
        li.pull().await;
        oracle::check(&company, "li", &li, &[customer]).await;
        assert!(li.shown(card, "region").unwrap().contains("li's"));
        assert!(li.shown(dossier, "needs").unwrap().contains("late 4"));
        let open = "SELECT COUNT(*) FROM proposal WHERE state = 'open' AND field = 'region'";
        assert_eq!(company.number(open).await, 1);
        let (wang_id, li_id) = (wang.token.user, li.token.user);
        let app = company.app();

        // The new owner takes it over; nobody who may not write the card decides about it.
        let shown = customers::show(&app.database, company.org, li_id, customer)
            .await
            .unwrap();
        let [proposal] = &shown.proposals[..] else {
            panic!("{:?}", shown.proposals)
        };
        assert_eq!((proposal.author, proposal.value.as_str()), (wang_id, Some("4")));
        for login in ["wang", "zhao", "auditor"] {
            let refused = proposals::decide(app, company.asker(login), proposal.id, Choice::TakeOver).await;
            assert!(refused.is_err(), "{login}");
        }
        proposals::decide(app, company.asker("li"), proposal.id, Choice::TakeOver)
            .await
            .unwrap();
        let again = proposals::decide(app, company.asker("li"), proposal.id, Choice::Dismiss).await;
        assert_eq!(again.unwrap_err().code(), Some(Code::NotFound));
        li.pull().await;
        assert!(li.shown(card, "region").unwrap().contains('4'));
        assert_eq!(company.number(open).await, 0);
    }
}

#[tokio::test]
async fn of_two_who_decide_about_a_late_value_at_once_one_does() {
    for company in Company::each().await {
        let (mut wang, customer, drafts) = left_behind(&company).await;
        let mut li = company.phone("li").await;
        li.pull().await;
        let card = li.card(customer);
        let edit = li.edit(card, &[text("region", "li's")]);
        li.push(&[edit]).await;
        wang.push(&drafts).await;
        let app = company.app();
        let shown = customers::show(&app.database, company.org, li.token.user, customer)
            .await
            .unwrap();
        let id = shown.proposals[0].id;
        let (taken, dismissed) = tokio::join!(
            proposals::decide(app, company.asker("li"), id, Choice::TakeOver),
            proposals::decide(app, company.asker("chief"), id, Choice::Dismiss),
        );
        assert!(taken.is_ok() != dismissed.is_ok(), "{taken:?} {dismissed:?}");
        li.pull().await;
        let expected = if taken.is_ok() { "4" } else { "li's" };
        assert!(li.shown(card, "region").unwrap().contains(expected));
        let state = if taken.is_ok() { "accepted" } else { "dismissed" };
        let decided = format!("SELECT COUNT(*) FROM proposal WHERE state = '{state}'");
        assert_eq!(company.number(&decided).await, 1);
        assert_eq!(company.audited("proposal_decided").await, 1);
    }
}

#[tokio::test]
async fn t058_lost_to_a_pool_and_claimed_from_there_his_edits_are_late_work_still() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let drafts = [
            wang.write(customer, Kind::Visit, &[text("note", "seen")]),
            wang.edit(wang.card(customer), &[text("region", "late")]),
        ];
        let release = IntentAction::Release {
            pool: Some(company.pool),
            reason: String::new(),
        };
        company.ask("boss", customer, release).await;
        company.ask("li", customer, IntentAction::Claim).await;
        assert_eq!(all_said(&wang.push(&drafts).await), ["late"; 2]);
        let mut li = company.phone("li").await;
        li.pull().await;
        assert!(li.shown(li.card(customer), "region").unwrap().contains("late"));
        oracle::check(&company, "li", &li, &[customer]).await;
    }
}

#[tokio::test]
async fn t058_who_was_responsible_for_a_document_is_judged_so_when_somebody_else_has_become_it_meanwhile() {
    for company in Company::each().await {
        let customer = company.customer_of("zhao", "华联").await;
        let mut zhao = company.phone("zhao").await;
        zhao.pull().await;
        let ticket = zhao.write(customer, Kind::Ticket, &[text("text", "broken")]);
        zhao.push(std::slice::from_ref(&ticket)).await;
        company.responsible(customer, ticket.document, "li").await;
        let mut li = company.phone("li").await;
        li.pull().await;
        let edit = li.edit(ticket.document, &[text("outcome", "mended")]);
        company.responsible(customer, ticket.document, "zhao").await;
        assert_eq!(all_said(&li.push(&[edit]).await), ["late"]);
        zhao.pull().await;
        assert!(zhao.shown(ticket.document, "outcome").unwrap().contains("mended"));
    }
}

#[tokio::test]
async fn t062_what_a_device_brings_after_it_knew_waits_for_a_manager_who_decides_once() {
    for company in Company::each().await {
        let (mut wang, customer, drafts) = left_behind(&company).await;
        let mut li = company.phone("li").await;
        li.pull().await;
        wang.pull().await;
        wang.confirm().await;
        let verdicts = wang.push(&drafts).await;
        assert_eq!(all_said(&verdicts), ["quarantined no_permission"; 20]);
        let (card, needs) = (ticket(&verdicts[10]), ticket(&verdicts[15]));
        assert!(verdicts[10..15].iter().all(|verdict| ticket(verdict) == card));
        assert_ne!(card, needs);
        li.pull().await;
        oracle::check(&company, "li", &li, &[customer]).await;

        // Nobody decides about himself or about what he may not write; the new owner accepts one and refuses one.
        let app = company.app();
        for login in ["wang", "zhao", "auditor"] {
            let refused = decide(app, company.asker(login), card, Decision::Accept, "").await;
            assert_eq!(refused.unwrap_err().code(), Some(Code::NotFound), "{login}");
        }
        let decided = decide(app, company.asker("li"), card, Decision::Accept, "right").await;
        assert_eq!(decided.unwrap(), 5);
        let decided = decide(app, company.asker("chief"), needs, Decision::Refuse, "no").await;
        assert_eq!(decided.unwrap(), 5);
        let again = decide(app, company.asker("li"), card, Decision::Refuse, "").await;
        assert_eq!(again.unwrap_err().code(), Some(Code::Conflict));
        li.pull().await;
        oracle::check(&company, "li", &li, &[customer]).await;
        let (card, dossier) = (li.card(customer), drafts_id(&li, customer));
        assert!(li.shown(card, "region").unwrap().contains('4'));
        assert!(li.shown(dossier, "needs").unwrap().contains("before"));
        // What was decided is what a repetition hears.
        let mut wanted = vec!["quarantined no_permission"; 10];
        wanted.extend(["late"; 5]);
        wanted.extend(["rejected no_permission"; 5]);
        assert_eq!(all_said(&wang.push(&drafts).await), wanted);
    }
}

#[tokio::test]
async fn t058_once_the_loss_is_confirmed_nothing_more_is_late() {
    for company in Company::each().await {
        let (mut wang, customer, drafts) = left_behind(&company).await;
        wang.pull().await;
        assert_eq!(wang.losses.len(), 1);
        assert_eq!(all_said(&wang.push(&drafts[..1]).await), ["late"]);
        wang.confirm().await;
        let open = "SELECT COUNT(*) FROM eviction WHERE confirmed_at IS NULL";
        assert_eq!(company.number(open).await, 0);
        let visit = wang.write(customer, Kind::Visit, &[text("note", "after")]);
        assert_eq!(all_said(&wang.push(&[visit]).await), ["quarantined no_permission"]);
        // Given back and lost again, it is late again.
        company.assign(customer, "wang").await;
        wang.pull().await;
        let visit = wang.write(customer, Kind::Visit, &[text("note", "second time")]);
        company.assign(customer, "li").await;
        assert_eq!(all_said(&wang.push(&[visit]).await), ["late"]);
    }
}

#[tokio::test]
async fn t058_a_phone_enrolled_after_the_loss_has_nothing_that_could_come_late() {
    for company in Company::each().await {
        let (_, customer, _) = left_behind(&company).await;
        company.app().seam.advance_ms(1);
        let mut second = company.phone("wang").await;
        second.pull().await;
        let visit = second.write(customer, Kind::Visit, &[text("note", "remembered")]);
        assert_eq!(all_said(&second.push(&[visit]).await), ["quarantined no_permission"]);
    }
}

#[tokio::test]
async fn t065_a_device_that_ignores_the_order_gets_nothing_newer_and_edits_nothing() {
    for company in Company::each().await {
        let (mut wang, customer, drafts) = left_behind(&company).await;
        let mut li = company.phone("li").await;
        li.pull().await;
        let kept = wang.held.clone();
        wang.pull().await;
        wang.held = kept;
        // It has been told; a day later it cannot say that it did not know.
        company
            .app()
            .seam
            .advance_ms(i64::try_from(LATE_AFTER_ORDER.as_millis()).unwrap() + 1);
        let card = li.card(customer);
        let draft = li.edit(card, &[text("region", "secret")]);
        li.push(&[draft]).await;
        let before = company.rows().await;
        // It asks for everything again, by id, with its old cursor and with none.
        for cursor in [wang.cursor.clone(), None] {
            let mut request = wang.request();
            request.cursor = cursor;
            request.wanted = vec![card, drafts[11].document];
            let response = wang.send(request).await.unwrap();
            assert!(response.is_none_or(|response| response.documents.is_empty()));
        }
        assert_eq!(
            all_said(&wang.push(&drafts[10..11]).await),
            vec!["quarantined no_permission"; 5]
        );
        // What it has once acknowledged it does not unsay with an older cursor, or with none.
        wang.cursor = None;
        assert_eq!(
            all_said(&wang.push(&drafts[11..12]).await),
            vec!["quarantined no_permission"; 5]
        );
        let after = grown(&before, &company.rows().await);
        assert!(
            after.iter().all(|(table, _)| ["refusal", "audit"].contains(table)),
            "{after:?}"
        );
        let open = "SELECT COUNT(*) FROM eviction WHERE confirmed_at IS NULL";
        assert_eq!(company.number(open).await, 1, "the dashboard sees it");
    }
}

#[tokio::test]
async fn t059_after_a_reassignment_no_page_carries_the_customer() {
    for company in Company::each().await {
        let mut customers = Vec::new();
        for number in 0..6 {
            customers.push(company.customer_of("wang", &format!("客户 {number}")).await);
        }
        let mut filler = company.phone("wang").await;
        filler.pull().await;
        let mut drafts = Vec::new();
        for customer in &customers {
            let page = "x".repeat(3_000);
            drafts.push(filler.write(*customer, Kind::Dossier, &[text("needs", &page)]));
        }
        filler.push(&drafts).await;
        for pages in 0..6 {
            for customer in &customers {
                company.assign(*customer, "wang").await;
            }
            let mut wang = company.phone("wang").await;
            wang.page_bytes_max = 4_096;
            for _ in 0..pages {
                let request = wang.request();
                wang.send(request).await.unwrap();
            }
            for customer in &customers[2..5] {
                company.assign(*customer, "li").await;
            }
            let rest = wang.pull().await;
            for page in rest {
                for document in &page.documents {
                    let customer = page.customers[document.customer as usize];
                    assert!(!customers[2..5].contains(&customer), "after {pages} pages");
                }
            }
            oracle::check(&company, "wang", &wang, &customers).await;
        }
    }
}

#[tokio::test]
async fn t067_rights_that_end_between_the_decision_and_the_commit_end_the_write() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let app = company.app();
        // A job that was decided before the person's place or the customer's owner changed is decided again.
        let mut job = Job::new(company.org);
        job.customers.insert(customer, 1);
        assert!(matches!(
            app.committer.commit(job.clone()).await.unwrap(),
            Outcome::Done { .. }
        ));
        company.assign(customer, "li").await;
        assert_eq!(app.committer.commit(job).await.unwrap(), Outcome::Stale);
        let acl = format!("SELECT acl_version FROM user_account WHERE login = '{}'", "wang");
        let mut job = Job::new(company.org);
        job.judged = Some((wang.token.user, company.number(&acl).await));
        assert!(matches!(
            app.committer.commit(job.clone()).await.unwrap(),
            Outcome::Done { .. }
        ));
        let change = PlaceChange {
            state: Some(UserState::Disabled),
            ..PlaceChange::default()
        };
        company.change_place("wang", change).await;
        assert_eq!(app.committer.commit(job).await.unwrap(), Outcome::Stale);
        // A device whose time is over while its token is good says and gets nothing, an intent neither.
        let mut li = company.phone("li").await;
        li.pull().await;
        let visit = li.write(customer, Kind::Visit, &[text("note", "a")]);
        let mut tx = app.database.write().await.unwrap();
        let long_ago = app.seam.now().plus_ms(-(DRAIN_DAYS + 1) * 24 * 3600 * 1000);
        assert!(revoke(&mut tx, company.org, li.token.device, long_ago).await.unwrap());
        tx.commit().await.unwrap();
        let before = company.rows().await;
        let request = li.request_with(&[visit]);
        let refused = li.post(&company, &request).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code().as_str()),
            (401, "device_revoked")
        );
        assert_eq!(grown(&before, &company.rows().await), []);
    }
}

#[tokio::test]
async fn t067_somebody_disabled_gets_nothing_and_decides_nothing() {
    for company in Company::each().await {
        let customer = company.customer_of("wang", "华联").await;
        let pooled = company.customer_in_pool("公海").await;
        let mut wang = company.phone("wang").await;
        wang.pull().await;
        let card = wang.card(customer);
        let edit = wang.edit(card, &[text("region", "x")]);
        let change = PlaceChange {
            state: Some(UserState::Disabled),
            ..PlaceChange::default()
        };
        company.change_place("wang", change).await;
        let mut request = wang.request_with(&[edit]);
        let claim = wang.intent(pooled, IntentAction::Claim);
        request.intents.push(claim);
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(
            all_said(&tests::wire::all_verdicts(&response, 1)),
            ["late"],
            "it is kept under his name: he made it while he worked here"
        );
        let refused = sync_core::protocol::message::IntentOutcome::Rejected {
            code: "not_permitted".to_owned(),
            owner: None,
            since: None,
        };
        assert_eq!(response.intents, [refused]);
        assert!(response.documents.is_empty() && response.access.is_empty() && response.directory.is_none());
    }
}

#[tokio::test]
async fn t068_a_manager_who_changes_his_team_loses_the_old_ones_customers() {
    for company in Company::each().await {
        let north = company.customer_of("wang", "北").await;
        let south = company.customer_of("li", "南").await;
        let mut boss = company.phone("boss").await;
        boss.pull().await;
        oracle::check(&company, "boss", &boss, &[north, south]).await;
        assert!(!boss.held.is_empty());
        let change = PlaceChange {
            team: Some(Some(company.teams["south"])),
            ..PlaceChange::default()
        };
        company.change_place("boss", change).await;
        boss.pull().await;
        oracle::check(&company, "boss", &boss, &[north, south]).await;
        assert_eq!(boss.losses.len(), 1);
        assert!(boss.access.contains_key(&south) && !boss.access.contains_key(&north));
        let told = "SELECT COUNT(*) FROM audit WHERE action = 'user_changed' OR action = 'deliver'";
        assert!(company.number(told).await >= 3);
    }
}
