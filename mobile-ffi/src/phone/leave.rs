//! How a phone ends: wiped by order of the server, or logged out by its person; and the lock of one that has not
//! reached its server for too long.

use serde_json::{Value, json};
use sync_core::{
    protocol::message::WipeOrder,
    replica::{DeviceState, Replica, Standing, Store as _},
    time::Timestamp,
};

use super::{Phone, meta};
use crate::{
    PhoneError, Transport,
    seam::{die_at, steps},
    store::{StoreError, StoreTx, Tombstone, wipe},
};

/// What the proof of a wipe begins with: one for a token says something else.
const WIPED_CONTEXT: &[u8] = b"fieldpool wiped v1";

impl<T: Transport> Phone<T> {
    /// Logs the person out: erases everything on this phone as a wipe does, and tells the server, now or with the next
    /// sync that reaches it. Gives `{"discarded"}`, how much unsent work was given up.
    ///
    /// # Errors
    /// `unsent_work` if there is any and it is not to be discarded: nothing has been done then; `sync_in_progress`,
    /// `device_wiped`, `sign_in_required`.
    pub fn log_out(&mut self, discard_unsent: bool) -> Result<Value, PhoneError> {
        self.check_install()?;
        let lease = self.store.lease()?.ok_or(PhoneError::SyncInProgress)?;
        let now = self.seam.now();
        let discarded = self.store.write::<_, PhoneError>(|tx| {
            let (discarded, state) = {
                let mut replica = Replica::open(tx)?;
                (replica.log_out(discard_unsent)?, replica.state().clone())
            };
            // A copy does not speak for the phone that it was made of.
            if tx.meta(meta::COPIED)?.is_some() {
                tx.delete_meta(meta::KEY)?;
            }
            let order = Tombstone {
                by: "user".to_owned(),
                reason: "signed_out".to_owned(),
                discarded: discarded as u64,
                ..tombstone(tx, &state, now)?
            };
            wipe::note(tx, &order)?;
            Ok(discarded)
        })?;
        self.finish_wipe()?;
        drop(lease);
        Ok(json!({"discarded": discarded}))
    }

    /// Signs the person of this phone in again, whose phone has not reached the server for too long: the lease begins
    /// anew, and everything is as it was. Gives [`Phone::status`].
    ///
    /// # Errors
    /// `wrong_credentials`, `too_many_attempts`, `offline`; `device_revoked`, `device_wiped`.
    pub fn unlock(&mut self, password: &str) -> Result<Value, PhoneError> {
        self.check_flight_mode()?;
        let me = self
            .store
            .read::<_, PhoneError>(|tx| Ok(tx.meta(meta::ME)?))?
            .and_then(|me| serde_json::from_slice::<Value>(&me).ok());
        let login = me.as_ref().and_then(|me| me["login"].as_str()).unwrap_or_default();
        self.sign_in_again(login, password)?;
        self.status()
    }

    /// Answers for what a person looks at or records: whether this phone is one he may work on. Notes how late it is.
    pub(super) fn check_unlocked(&mut self) -> Result<(), PhoneError> {
        self.check_install()?;
        let now = self.seam.now();
        let Some(mut state) = self.store.read::<_, PhoneError>(|tx| Ok(tx.state()?))? else {
            return Ok(());
        };
        if state.is_news(now) {
            state = self.engine(|replica| {
                replica.note_time(now)?;
                Ok(replica.state().clone())
            })?;
        }
        match state.standing {
            Standing::Wiped => Err(StoreError::Wiped.into()),
            Standing::Revoked => Err(PhoneError::locked("device_revoked")),
            Standing::Active | Standing::Offboarding if state.has_run_out(now) => Err(PhoneError::locked("locked")),
            Standing::Active | Standing::Offboarding => Ok(()),
        }
    }

    /// Answers for a sync: a phone that was revoked asks the server how it stands, one whose lease has run out waits
    /// for its person.
    pub(super) fn check_lease(&mut self) -> Result<(), PhoneError> {
        match self.check_unlocked() {
            Err(PhoneError::Locked { code }) if code == "device_revoked" => Ok(()),
            other => other,
        }
    }

    /// Refuses on a phone that was wiped; the server is told first, if it has not heard of it.
    pub(super) fn refuse_wiped(&mut self) -> Result<(), PhoneError> {
        if self.store.tombstone()?.is_none() {
            return Ok(());
        }
        self.tell_wiped();
        Err(StoreError::Wiped.into())
    }

    /// Erases everything, as is noted in the store, and tells the server. The caller holds the right to sync.
    pub(super) fn finish_wipe(&mut self) -> Result<(), PhoneError> {
        self.token = None;
        self.store.wipe()?;
        self.tell_wiped();
        Ok(())
    }

    /// Tells the server that all is gone. What stands in the way of it now will not with the next sync.
    pub(super) fn tell_wiped(&mut self) {
        let _ = self.confirm_wipe();
    }

    fn confirm_wipe(&mut self) -> Result<(), PhoneError> {
        let Some(tombstone) = self.store.tombstone()?.cloned() else {
            return Ok(());
        };
        let key = self.store.key_of_wiped().and_then(|key| key.try_into().ok());
        let Some(key) = key.filter(|_| !tombstone.confirmed) else {
            return Ok(());
        };
        let mut proof = self.make_proof(WIPED_CONTEXT, tombstone.org, tombstone.device, &key)?;
        proof["reason"] = tombstone.reason.into();
        proof["discarded"] = tombstone.discarded.into();
        self.ask("/v1/wiped", Some(&proof), None)?;
        die_at(steps::WIPE_CONFIRMED);
        Ok(self.store.confirm_wipe()?)
    }

    /// [`Phone::status`] of a phone that was wiped.
    pub(super) fn status_of_wiped(&mut self) -> Result<Option<Value>, PhoneError> {
        let status = self.store.tombstone()?.map(|tombstone| {
            json!({
                "user": {"id": tombstone.user, "login": "", "name": ""},
                "device": tombstone.device,
                "org": tombstone.org,
                "pending": 0,
                "refused": 0,
                "customers": 0,
                "documents": 0,
                "photos_pending": 0,
                "last_sync": null,
                "lease_until": null,
                "state": "wiped",
                "upgrade_required": false,
                "encrypted": false,
                "flight_mode": false,
                "wiped": {
                    "by": tombstone.by,
                    "reason": tombstone.reason,
                    "ordered_at": tombstone.ordered_at,
                    "at": tombstone.at,
                    "confirmed": tombstone.confirmed,
                },
            })
        });
        Ok(status)
    }
}

/// Notes the server's order in the transaction that takes it.
pub(super) fn note_order(tx: &mut StoreTx<'_>, order: &WipeOrder, now: Timestamp) -> Result<(), PhoneError> {
    let state = Replica::open(tx)?.state().clone();
    let noted = Tombstone {
        by: "server".to_owned(),
        reason: order.reason.clone(),
        ordered_at: Some(order.ordered_at),
        ..tombstone(tx, &state, now)?
    };
    Ok(wipe::note(tx, &noted)?)
}

fn tombstone(tx: &mut StoreTx<'_>, state: &DeviceState, now: Timestamp) -> Result<Tombstone, StoreError> {
    let server = tx.meta(meta::SERVER)?.unwrap_or_default();
    Ok(Tombstone {
        org: state.org,
        user: state.user,
        device: state.device,
        server: String::from_utf8_lossy(&server).into_owned(),
        by: String::new(),
        reason: String::new(),
        ordered_at: None,
        at: now,
        discarded: 0,
        erased: false,
        confirmed: false,
    })
}
