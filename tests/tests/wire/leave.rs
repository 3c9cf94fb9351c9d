//! Devices of those who leave, and devices that were revoked: they hand in what they hold, and are told to erase
//! themselves.

use server::{
    actions::{
        Code,
        commit::{Job, Message, Outcome},
        devices::{Wiped, confirm_wipe},
        fleet::{list_devices, revoke_device},
        people::PlaceChange,
    },
    auth::{AccessToken, DRAIN_DAYS},
    storage::devices::DeviceState,
};
use sync_core::{
    document::{ChangeId, Kind},
    ids::CustomerId,
    protocol::message::{IntentAction, IntentOutcome, SyncResponse, WipeOrder},
    visibility::UserState,
};
use tests::wire::{Client, Company, all_verdicts, rewrite, text};

use super::{ACCEPTED, all_said};

const DAY_MS: i64 = 24 * 3600 * 1000;

fn state(state: UserState) -> PlaceChange {
    PlaceChange {
        state: Some(state),
        ..PlaceChange::default()
    }
}

/// Wang's phone, synced, and a customer of his.
async fn at_work(company: &Company) -> (Client, CustomerId) {
    let customer = company.customer_of("wang", "华联").await;
    let mut wang = company.phone("wang").await;
    wang.pull().await;
    (wang, customer)
}

/// One message with nothing in it.
async fn ask(client: &mut Client) -> Option<SyncResponse> {
    let request = client.request();
    client.send(request).await.unwrap()
}

async fn order(client: &mut Client) -> Option<WipeOrder> {
    ask(client).await.and_then(|response| response.wipe)
}

/// What the administrator's list says of the device: its state, whether it was told to erase itself, whether it has.
async fn listed(company: &Company, client: &Client) -> (DeviceState, bool, bool) {
    let admin = company.user("admin");
    let (devices, _) = list_devices(&company.app().database, company.org, admin, None, 100)
        .await
        .unwrap();
    let found = devices
        .iter()
        .find(|listed| listed.device.device == client.token.device);
    let device = &found.expect("the device is listed").device;
    (
        device.state,
        device.wipe_ordered_at.is_some(),
        device.wiped_at.is_some(),
    )
}

async fn wipe(client: &Client) {
    let wiped = Wiped {
        reason: "offboarding",
        discarded: 0,
    };
    client
        .prove(
            |proof| confirm_wipe(&client.app, proof, wiped),
            server::auth::wiped_message,
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn t061_a_phone_of_somebody_who_leaves_hands_in_everything_before_it_is_told_to_erase_itself() {
    for company in Company::each().await {
        for leaving in [UserState::Offboarding, UserState::Disabled] {
            let (mut wang, customer) = at_work(&company).await;
            let visits: Vec<_> = (0..3)
                .map(|number| wang.write(customer, Kind::Visit, &[text("note", &format!("{number}"))]))
                .collect();
            company.change_place("wang", state(leaving)).await;
            let mut request = wang.request_with(&visits[..1]);
            request.pending = 2;
            let response = wang.send(request).await.unwrap().unwrap();
            assert_eq!(response.wipe, None, "two more are pending on it");
            let request = wang.request_with(&visits[1..]);
            let response = wang.send(request.clone()).await.unwrap().unwrap();
            let taken = if leaving == UserState::Disabled {
                "late"
            } else {
                "accepted"
            };
            assert_eq!(all_said(&all_verdicts(&response, 2)), [taken; 2]);
            assert!(response.documents.is_empty() && response.access.is_empty() && response.directory.is_none());
            let order = response.wipe.expect("it holds nothing more");
            assert_eq!(
                (order.device, order.reason.as_str()),
                (wang.token.device, leaving.name())
            );
            // Until it confirms, it hears the same, however often and whenever it asks.
            company.test.app.seam.advance_ms(DAY_MS);
            let again = wang.send(request).await.unwrap().unwrap();
            assert_eq!(all_said(&all_verdicts(&again, 2)), [taken; 2]);
            assert_eq!(again.wipe.as_ref(), Some(&order));
            assert_eq!(super::leave::order(&mut wang).await.as_ref(), Some(&order));
            assert_eq!(listed(&company, &wang).await, (DeviceState::Active, true, false));

            wipe(&wang).await;
            wipe(&wang).await;
            assert_eq!(listed(&company, &wang).await, (DeviceState::Wiped, true, true));
            let request = wang.request();
            let refused = wang.send(request).await.unwrap_err();
            assert_eq!(refused.code(), Some(Code::DeviceWiped));
            company.change_place("wang", state(UserState::Active)).await;
        }
        assert_eq!(company.audited("wipe_ordered").await, 2);
        assert_eq!(company.audited("wiped").await, 2);
    }
}

#[tokio::test]
async fn a_device_is_not_told_to_erase_itself_while_anything_it_sent_is_not_settled() {
    for company in Company::each().await {
        let (mut wang, customer) = at_work(&company).await;
        let visit = wang.write(customer, Kind::Visit, &[text("note", "1")]);
        company.change_place("wang", state(UserState::Offboarding)).await;
        let mut request = wang.request_with(std::slice::from_ref(&visit));
        request.documents[0].digest = [0; 4];
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(all_said(&all_verdicts(&response, 1)), ["retry DigestMismatch"]);
        assert_eq!(response.wipe, None);
        assert_eq!(wang.push(&[visit]).await, [ACCEPTED]);
        assert!(order(&mut wang).await.is_some());
    }
}

#[tokio::test]
async fn what_a_leaving_device_brings_of_customers_unknown_to_it_is_kept_for_a_decision_and_does_not_keep_it_waiting() {
    for company in Company::each().await {
        let (mut wang, _) = at_work(&company).await;
        let foreign = company.customer_of("li", "别人的").await;
        let nowhere = CustomerId(company.app().seam.uuid());
        let drafts = [
            wang.write(foreign, Kind::Visit, &[text("note", "x")]),
            wang.write(nowhere, Kind::Visit, &[text("note", "y")]),
        ];
        company.change_place("wang", state(UserState::Offboarding)).await;
        let request = wang.request_with(&drafts);
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(
            all_said(&all_verdicts(&response, 2)),
            ["quarantined no_permission", "quarantined no_permission"]
        );
        assert!(response.wipe.is_some());
    }
}

#[tokio::test]
async fn a_customer_that_a_leaver_made_offline_is_kept_as_his_and_he_asks_for_nothing_else() {
    for company in Company::each().await {
        let (mut wang, _) = at_work(&company).await;
        let pooled = company.customer_in_pool("公海客户").await;
        for leaving in [UserState::Offboarding, UserState::Disabled] {
            let made = CustomerId(company.app().seam.uuid());
            let drafts = [
                wang.write(made, Kind::Card, &[text("name", "新客户")]),
                wang.write(made, Kind::Visit, &[text("note", "first visit")]),
            ];
            company.change_place("wang", state(leaving)).await;
            let mut request = wang.request_with(&drafts);
            request.pending = 1;
            request.intents = vec![
                wang.intent(made, IntentAction::Create { pool: None }),
                wang.intent(pooled, IntentAction::Claim),
            ];
            let response = wang.send(request).await.unwrap().unwrap();
            let [created, claimed] = &response.intents[..] else {
                panic!("two outcomes: {:?}", response.intents);
            };
            assert!(matches!(created, IntentOutcome::Accepted { .. }), "{created:?}");
            assert!(
                matches!(claimed, IntentOutcome::Rejected { code, .. } if code == "not_permitted"),
                "{claimed:?}"
            );
            let verdicts = all_said(&all_verdicts(&response, 2));
            assert_eq!(verdicts[0], "accepted");
            // Whoever is disabled has no rights any more, also not on what he has just made.
            let visit = if leaving == UserState::Offboarding {
                "accepted"
            } else {
                "quarantined no_permission"
            };
            assert_eq!(verdicts[1], visit);
        }
        let his = format!(
            "SELECT COUNT(*) FROM customer WHERE owner_id IS NOT NULL AND created_by = {}",
            company.literal(company.user("wang").0)
        );
        assert_eq!(company.number(&his).await, 3);
    }
}

#[tokio::test]
async fn t062_what_is_written_after_the_phone_had_said_that_nothing_is_left_waits_for_a_manager() {
    for company in Company::each().await {
        let (mut wang, customer) = at_work(&company).await;
        let before = wang.write(customer, Kind::Visit, &[text("note", "before")]);
        company.change_place("wang", state(UserState::Disabled)).await;
        let request = wang.request_with(std::slice::from_ref(&before));
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(all_said(&all_verdicts(&response, 1)), ["late"]);
        assert!(response.wipe.is_some(), "nothing is left on it");
        // A clock set back says nothing: it had said that there was nothing.
        let since = wang.write(customer, Kind::Visit, &[text("note", "since")]);
        let changes = company.number("SELECT COUNT(*) FROM change").await;
        let request = wang.request_with(&[before, since]);
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(
            all_said(&all_verdicts(&response, 2)),
            ["late", "quarantined no_permission"]
        );
        assert_eq!(company.number("SELECT COUNT(*) FROM change").await, changes);
        let kept = "SELECT COUNT(*) FROM refusal WHERE verdict = 'quarantined' AND body IS NOT NULL";
        assert_eq!(company.number(kept).await, 1);
    }
}

#[tokio::test]
async fn t061_a_leavers_device_hands_in_for_thirty_days_and_then_only_for_a_decision() {
    for company in Company::each().await {
        let (mut wang, customer) = at_work(&company).await;
        company.change_place("wang", state(UserState::Offboarding)).await;
        let visits: Vec<_> = (0..3)
            .map(|number| wang.write(customer, Kind::Visit, &[text("note", &format!("{number}"))]))
            .collect();
        company.app().seam.advance_ms(DRAIN_DAYS * DAY_MS);
        let mut request = wang.request_with(&visits[..1]);
        request.pending = 2;
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(all_said(&all_verdicts(&response, 1)), ["accepted"]);
        // That he is disabled now gives it no more time.
        company.change_place("wang", state(UserState::Disabled)).await;
        company.change_place("wang", state(UserState::Offboarding)).await;
        company.app().seam.advance_ms(1);
        let response = {
            let request = wang.request_with(&visits[1..]);
            wang.send(request).await.unwrap().unwrap()
        };
        assert_eq!(
            all_said(&all_verdicts(&response, 2)),
            ["quarantined no_permission"; 2],
            "its time is over, and nothing is lost"
        );
        assert!(response.wipe.is_some());
    }
}

#[tokio::test]
async fn a_draining_device_that_lacks_what_its_work_was_made_on_comes_to_its_end() {
    for company in Company::each().await {
        let (mut wang, customer) = at_work(&company).await;
        let mut office = company.phone("office").await;
        office.pull().await;
        let card = office.card(customer);
        // The office's edit reached this phone from a server that has lost it since.
        let lost = office.edit(card, &[text("region", "lost")]);
        let edit = wang.edit(card, &[text("industry", "seen")]);
        let visit = wang.write(customer, Kind::Visit, &[text("note", "v")]);
        company.change_place("wang", state(UserState::Offboarding)).await;
        let on_lost = ChangeId {
            actor: lost.changes[0].change.actor,
            seq: lost.changes[0].change.seq,
        };
        let mut request = wang.request_with(&[edit, visit]);
        rewrite(&mut request.documents[0], 0, |change| {
            change.dependencies.push(on_lost);
            change.dependencies.sort();
        });
        // Told to offer everything again, it still has a chance to bring it.
        let mut told = request.clone();
        told.cursor = Some(serde_bytes::ByteBuf::from(b"of another log".to_vec()));
        let response = wang.send(told).await.unwrap().unwrap();
        let said = all_said(&all_verdicts(&response, 2));
        assert!(response.reset && said == ["retry missing 1", "accepted"], "{said:?}");
        wang.message += 1;
        request.message = wang.message;
        request.cursor = wang.cursor.clone();
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(
            all_said(&all_verdicts(&response, 2)),
            ["quarantined missing_deps", "accepted"]
        );
        assert!(response.wipe.is_some());
    }
}

#[tokio::test]
async fn who_comes_back_before_the_order_goes_on_as_before_and_after_it_begins_anew() {
    for company in Company::each().await {
        let (mut wang, customer) = at_work(&company).await;
        company.change_place("wang", state(UserState::Offboarding)).await;
        // Something is pending on it, so it is not told.
        let mut request = wang.request();
        request.pending = 1;
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(response.wipe, None);
        company.change_place("wang", state(UserState::Active)).await;
        // A token from the time of leaving asks for another; a new one opens everything.
        let drained = AccessToken {
            drain: true,
            ..wang.token
        };
        let active = std::mem::replace(&mut wang.token, drained);
        let request = wang.request();
        let refused = wang.send(request).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::Reauthenticate));
        wang.token = active;
        company.assign(customer, "wang").await;
        let visit = wang.write(customer, Kind::Visit, &[text("note", "back again")]);
        assert_eq!(wang.push(&[visit]).await, [ACCEPTED]);
        assert!(ask(&mut wang).await.is_none_or(|page| page.wipe.is_none()));
        assert_eq!(listed(&company, &wang).await, (DeviceState::Active, false, false));

        // Once it was told, it is told for good: it may have begun to erase.
        company.change_place("wang", state(UserState::Offboarding)).await;
        let told = order(&mut wang).await.expect("nothing is pending");
        company.change_place("wang", state(UserState::Active)).await;
        let again = ask(&mut wang).await.expect("an answer");
        assert_eq!(again.wipe.map(|order| order.ordered_at), Some(told.ordered_at));
        assert!(again.documents.is_empty());
        let mut other = company.phone("wang").await;
        other.pull().await;
        assert!(!other.held.is_empty());
    }
}

#[tokio::test]
async fn t065_a_device_that_does_not_erase_itself_gets_nothing_newer_writes_nothing_and_is_listed() {
    for company in Company::each().await {
        let (mut wang, customer) = at_work(&company).await;
        let mut boss = company.phone("boss").await;
        boss.pull().await;
        company.change_place("wang", state(UserState::Offboarding)).await;
        assert!(order(&mut wang).await.is_some());
        let card = wang.card(customer);
        let edit = boss.edit(card, &[text("region", "secret")]);
        assert_eq!(boss.push(&[edit]).await, [ACCEPTED]);
        let changes = company.rows().await["change"];
        for cursor in [wang.cursor.clone(), None] {
            let mut request = wang.request();
            request.cursor = cursor;
            request.wanted = vec![card];
            let response = wang.send(request).await.unwrap().unwrap();
            assert!(response.documents.is_empty() && response.access.is_empty() && response.directory.is_none());
        }
        let drafts = [
            wang.edit(card, &[text("region", "mine")]),
            wang.write(customer, Kind::Visit, &[text("note", "made up")]),
        ];
        assert_eq!(all_said(&wang.push(&drafts).await), ["quarantined no_permission"; 2]);
        assert_eq!(company.rows().await["change"], changes);
        assert_eq!(listed(&company, &wang).await, (DeviceState::Active, true, false));
    }
}

#[tokio::test]
async fn a_revoked_device_hands_in_for_thirty_days_with_its_own_key_and_then_nothing() {
    for company in Company::each().await {
        let (mut wang, customer) = at_work(&company).await;
        let visits: Vec<_> = (0..2)
            .map(|number| wang.write(customer, Kind::Visit, &[text("note", &format!("{number}"))]))
            .collect();
        let (app, admin) = (company.app(), company.user("admin"));
        revoke_device(app, company.org, admin, wang.token.device).await.unwrap();
        let mut request = wang.request_with(&visits[..1]);
        request.pending = 1;
        let response = wang.send(request).await.unwrap().unwrap();
        assert_eq!(all_verdicts(&response, 1), [ACCEPTED]);
        assert!(response.wipe.is_none() && response.documents.is_empty());
        // Each proof takes a millisecond.
        app.seam.advance_ms(DRAIN_DAYS * DAY_MS - 1);
        assert_eq!(wang.prove_again().await.unwrap(), "revoked");
        assert_eq!(wang.prove_again().await.unwrap_err().code(), Some(Code::DeviceRevoked));
        let request = wang.request_with(&visits[1..]);
        let refused = wang.send(request).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::DeviceRevoked));

        let mut other = company.phone("wang").await;
        other.pull().await;
        revoke_device(app, company.org, admin, other.token.device)
            .await
            .unwrap();
        let told = order(&mut other).await.expect("nothing is pending");
        assert_eq!(told.reason, "revoked");
        // Another device's key confirms nothing.
        let refused = wang
            .prove_as(other.token.device, |proof| {
                let wiped = Wiped {
                    reason: "",
                    discarded: 0,
                };
                confirm_wipe(app, proof, wiped)
            })
            .await;
        assert_eq!(refused.unwrap_err().code(), Some(Code::ProofRefused));
        assert_eq!(listed(&company, &other).await, (DeviceState::Revoked, true, false));
        wipe(&other).await;
        assert_eq!(listed(&company, &other).await, (DeviceState::Wiped, true, true));
        assert_eq!(other.prove_again().await.unwrap_err().code(), Some(Code::DeviceWiped));
    }
}

#[tokio::test]
async fn t067_a_device_that_ends_between_the_decision_and_the_commit_writes_nothing() {
    for company in Company::each().await {
        let (wang, _) = at_work(&company).await;
        let app = company.app();
        let message = Message {
            number: 1_000,
            sha256: [7; 32],
            acknowledged_seq: 0,
            pending: 0,
            clock_offset_ms: 0,
        };
        let job = |number: u64| {
            let mut job = Job::new(company.org);
            job.message = Some((wang.token.device, Message { number, ..message }));
            job
        };
        let committed = app.committer.commit(job(1_000)).await.unwrap();
        assert!(matches!(committed, Outcome::Done { .. }));
        wipe(&wang).await;
        assert_eq!(app.committer.commit(job(1_001)).await.unwrap(), Outcome::Stale);
        let revoked = company.phone("wang").await;
        let admin = company.user("admin");
        revoke_device(app, company.org, admin, revoked.token.device)
            .await
            .unwrap();
        app.seam.advance_ms(DRAIN_DAYS * DAY_MS + 1);
        let mut late = Job::new(company.org);
        late.message = Some((revoked.token.device, message));
        assert_eq!(app.committer.commit(late).await.unwrap(), Outcome::Stale);
    }
}

#[tokio::test]
async fn a_leaving_device_whose_server_came_back_from_a_backup_offers_everything_once_and_is_told_then() {
    for company in Company::each().await {
        let (mut wang, _) = at_work(&company).await;
        company.change_place("wang", state(UserState::Offboarding)).await;
        wang.cursor = Some(serde_bytes::ByteBuf::from(b"of another log".to_vec()));
        let response = ask(&mut wang).await.expect("an answer");
        assert!(response.reset && response.wipe.is_none());
        let response = ask(&mut wang).await.expect("an answer");
        assert!(!response.reset && response.wipe.is_some());
    }
}
