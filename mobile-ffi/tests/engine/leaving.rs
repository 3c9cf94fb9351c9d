//! How a phone ends, and how it locks itself.

use mobile_ffi::Store;
use serde_bytes::ByteBuf;
use sync_core::{
    document::Kind,
    ids::DeviceId,
    protocol::message::{RetryReason, Verdict, WipeOrder},
    replica::Standing,
};

use super::double::*;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// The order to the device that the double enrols.
fn order(device: u8) -> Option<WipeOrder> {
    Some(WipeOrder {
        device: DeviceId(id(device)),
        ordered_at: START,
        reason: "offboarding".to_owned(),
    })
}

#[test]
fn an_order_is_followed_if_it_is_this_phones_and_nothing_is_unsent() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 80);
    let ordering = |device: u8| {
        move |message: &sync_core::protocol::message::SyncRequest| {
            let mut answer = page().accepting(message);
            answer.wipe = order(device);
            Ok(Some(answer))
        }
    };
    wire.then(ordering(4));
    assert!(!phone.sync().unwrap().wiped, "it was another's");
    assert_eq!(phone.status().unwrap()["customers"], 1);
    // A server that orders it while something of this very message is not settled is not believed.
    phone
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=unsent"]))
        .unwrap();
    wire.then(|_| {
        let mut answer = page().verdict(0, Verdict::Retry(RetryReason::Later));
        answer.wipe = order(3);
        Ok(Some(answer))
    });
    assert!(!phone.sync().unwrap().wiped);
    assert_eq!(phone.status().unwrap()["pending"], 1);
    assert_eq!(phone.customers(None).unwrap().len(), 1);
    wire.then(ordering(3));
    let report = phone.sync().unwrap();
    assert!(report.wiped && report.complete);
    assert_eq!(report.verdicts.accepted, 1);
    assert_eq!(phone.status().unwrap()["state"], "wiped");
    assert_eq!(phone.customers(None).unwrap_err().code(), "device_wiped");
    let before = wire.requests().len();
    assert_eq!(phone.sync().unwrap_err().error.code(), "device_wiped");
    assert_eq!(wire.requests().len(), before, "it says nothing more");
}

#[test]
fn a_wipe_that_the_server_could_not_be_told_of_is_told_with_the_next_sync() {
    let folder = tempfile::tempdir().unwrap();
    let (mut phone, wire) = phone_in(folder.path(), 1);
    wire.0.borrow_mut().deaf = true;
    assert_eq!(phone.log_out(false).unwrap()["discarded"], 0);
    assert_eq!(phone.status().unwrap()["wiped"]["confirmed"], false);
    assert!(folder.path().join("device.key").is_file());
    wire.0.borrow_mut().deaf = false;
    phone.sync().unwrap_err();
    assert_eq!(phone.status().unwrap()["wiped"]["confirmed"], true);
    assert!(!folder.path().join("device.key").exists());
    assert_eq!(wire.0.borrow().wiped, 1);
    // Somebody else signs in on it: a new store, with nothing of the old one.
    phone.enroll("http://double", "li", "secret", "phone").unwrap();
    assert_eq!(phone.status().unwrap()["state"], "active");
    let mut again = Store::open_existing(folder.path()).unwrap();
    assert!(again.tombstone().unwrap().is_none());
}

#[test]
fn t066_the_lease_is_the_organisations_and_no_clock_makes_it_longer() {
    let (mut phone, wire) = phone();
    wire.then(|message| {
        let mut answer = page().accepting(message);
        answer.directory = Some(ByteBuf::from(br#"{"lease_days":2}"#.to_vec()));
        Ok(Some(answer))
    });
    phone.sync().unwrap();
    let lease_until = phone.status().unwrap()["lease_until"].as_i64().unwrap();
    assert_eq!(lease_until, START.0 + 2 * DAY_MS);
    phone.seam().set_now(START.plus_ms(2 * DAY_MS));
    assert!(phone.customers(None).is_ok());
    // An answer of the server begins it anew; a clock set back does not.
    phone.sync().unwrap();
    phone.seam().advance_ms(2 * DAY_MS);
    assert!(phone.customers(None).is_ok());
    phone.seam().advance_ms(1);
    assert_eq!(phone.customers(None).unwrap_err().code(), "locked");
    phone.seam().advance_ms(-2 * DAY_MS);
    assert_eq!(phone.customers(None).unwrap_err().code(), "locked");
    assert_eq!(phone.status().unwrap()["state"], "locked");
    let messages = wire.requests().len();
    assert_eq!(phone.sync().unwrap_err().error.code(), "locked");
    assert_eq!(wire.requests().len(), messages);
    assert_eq!(phone.unlock("secret").unwrap()["state"], "active");
    assert!(phone.customers(None).is_ok() && phone.sync().is_ok());
}

#[test]
fn t066_a_clock_that_was_ahead_at_a_contact_makes_the_lease_no_longer_and_one_that_is_off_no_shorter() {
    let (mut phone, wire) = phone();
    let lease_days = |days: u32| {
        move |message: &sync_core::protocol::message::SyncRequest| {
            let mut answer = page().accepting(message);
            answer.server_time = START;
            answer.directory = Some(ByteBuf::from(format!("{{\"lease_days\":{days}}}").into_bytes()));
            Ok(Some(answer))
        }
    };
    // A clock that is a year ahead, and stays so, is as good as any.
    phone.seam().set_now(START.plus_ms(365 * DAY_MS));
    wire.then(lease_days(2));
    phone.unlock("secret").unwrap();
    phone.sync().unwrap();
    phone.seam().advance_ms(DAY_MS);
    assert!(phone.customers(None).is_ok());
    // Set right, a day and a half after the contact: that much has passed, however late it was said to be.
    phone.seam().set_now(START.plus_ms(3 * DAY_MS / 2));
    assert!(phone.customers(None).is_ok());
    phone.seam().advance_ms(DAY_MS / 2);
    assert!(phone.customers(None).is_ok());
    phone.seam().advance_ms(1);
    assert_eq!(phone.customers(None).unwrap_err().code(), "locked");
}

#[test]
fn t044_a_store_of_another_installation_takes_a_new_actor_whatever_its_file_says() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 82);
    phone.bind_install(b"this device");
    phone
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=a"]))
        .unwrap();
    let actor = phone.state().unwrap().unwrap().actor;
    phone.sync().unwrap();
    let mut again = mobile_ffi::Phone::new(phone.into_store(), wire.clone(), mobile_ffi::Seam::simulated(9, START));
    again.bind_install(b"this device");
    again
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=b"]))
        .unwrap();
    assert_eq!(again.state().unwrap().unwrap().actor, actor);
    let mut other = mobile_ffi::Phone::new(again.into_store(), wire.clone(), mobile_ffi::Seam::simulated(10, START));
    other.bind_install(b"another device");
    let unsent = other.outbox().unwrap();
    assert_eq!(unsent.len(), 1);
    let fresh = other.state().unwrap().unwrap().actor;
    assert_ne!(fresh, actor);
    assert_eq!(other.sync().unwrap_err().error.code(), "sign_in_required");
    other.enroll("http://double", "li", "secret", "phone").unwrap();
    other.sync().unwrap();
    assert!(other.outbox().unwrap().is_empty());
    assert_eq!(other.customer(customer).unwrap()["visits"].as_array().unwrap().len(), 2);
}

/// What the process before left, opened by the next.
fn next_process(phone: mobile_ffi::Phone<Double>, wire: &Double, seed: u64) -> mobile_ffi::Phone<Double> {
    let mut next = mobile_ffi::Phone::new(
        phone.into_store(),
        wire.clone(),
        mobile_ffi::Seam::simulated(seed, START),
    );
    next.set_patience(1);
    next
}

#[test]
fn an_app_that_begins_to_name_its_installation_or_opens_the_store_without_is_no_copy() {
    let folder = tempfile::tempdir().unwrap();
    let (mut phone, wire) = phone_in(&folder.path().join("phone"), 83);
    let customer = phone_with_customer(&mut phone, &wire, 83);
    phone.customer(customer).unwrap();
    let actor = phone.state().unwrap().unwrap().actor;
    // An update of the app, then an engine that was not told of it, then the app again.
    for (seed, installation) in [(2, Some(b"this device")), (3, None), (4, Some(b"this device"))] {
        phone = next_process(phone, &wire, seed);
        if let Some(installation) = installation {
            phone.bind_install(installation);
        }
        phone.customer(customer).unwrap();
        phone.sync().unwrap();
        assert_eq!(phone.state().unwrap().unwrap().actor, actor);
    }
    let mut other = next_process(phone, &wire, 5);
    other.bind_install(b"another device");
    other.customer(customer).unwrap();
    assert_ne!(other.state().unwrap().unwrap().actor, actor, "it was noted");
}

#[test]
fn t044_a_phone_that_another_has_spoken_as_takes_a_new_actor_at_once_and_sends_no_more_under_the_old_one() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 84);
    phone
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=a"]))
        .unwrap();
    let actor = phone.state().unwrap().unwrap().actor;
    wire.0.borrow_mut().refuses = Some((409, "actor_conflict"));
    assert_eq!(phone.sync().unwrap_err().error.code(), "sign_in_required");
    assert_ne!(phone.state().unwrap().unwrap().actor, actor);
    wire.0.borrow_mut().refuses = None;
    let sent = wire.requests().len();
    let mut phone = next_process(phone, &wire, 6);
    assert_eq!(phone.sync().unwrap_err().error.code(), "sign_in_required");
    assert_eq!(
        wire.requests().len(),
        sent,
        "it does not get through with a higher number"
    );
    phone.enroll("http://double", "li", "secret", "phone").unwrap();
    assert_eq!(phone.sync().unwrap().verdicts.accepted, 1);
    assert!(phone.outbox().unwrap().is_empty());
}

#[test]
fn the_copied_phone_of_somebody_who_leaves_hands_in_what_it_holds_once_he_has_signed_in() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 85);
    phone.bind_install(b"this device");
    phone
        .add(customer, Kind::Visit, &words(Kind::Visit, &["note=a"]))
        .unwrap();
    wire.0.borrow_mut().leaving = true;
    let mut copy = next_process(phone, &wire, 7);
    copy.bind_install(b"another device");
    assert_eq!(copy.sync().unwrap_err().error.code(), "sign_in_required");
    // The lease alone is no way round it.
    assert_eq!(copy.unlock("secret").unwrap_err().code(), "sign_in_required");
    let before = copy.state().unwrap().unwrap().message;
    copy.enroll("http://double", "li", "secret", "phone").unwrap();
    assert_eq!(copy.status().unwrap()["state"], "offboarding");
    assert_eq!(copy.sync().unwrap().verdicts.accepted, 1);
    assert!(
        wire.last().message > before + 1_000_000,
        "beyond what the other can have sent"
    );
    // Once more is a sign-in as any other.
    let before = copy.state().unwrap().unwrap().message;
    copy.enroll("http://double", "li", "secret", "phone").unwrap();
    assert_eq!(copy.state().unwrap().unwrap().message, before);
}

#[test]
fn on_a_phone_whose_person_leaves_nothing_new_is_recorded_and_all_is_read_until_it_goes() {
    let (mut phone, wire) = phone();
    let customer = phone_with_customer(&mut phone, &wire, 81);
    phone
        .store_mut()
        .write::<_, mobile_ffi::PhoneError>(|tx| {
            Ok(sync_core::replica::Replica::open(tx)?.handle_standing(Standing::Offboarding)?)
        })
        .unwrap();
    let refused = phone.add(customer, Kind::Visit, &words(Kind::Visit, &["note=x"]));
    assert_eq!(refused.unwrap_err().code(), "offboarding");
    assert_eq!(phone.customers(None).unwrap().len(), 1);
    assert_eq!(phone.status().unwrap()["state"], "offboarding");
}
