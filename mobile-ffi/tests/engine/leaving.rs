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
