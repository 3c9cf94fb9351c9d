//! Whether a store is still where it was: a copy, or one put back from a backup, takes a new actor before it writes
//! anything, and its person signs in on it before it speaks to the server.
//!
//! What tells the two apart must not travel with a backup. Of the file that is its number and the time at which it was
//! made; an app also gives what its system keeps for this installation alone ([`Phone::bind_install`]). Where both are
//! the same all the same, the server notices by the number of a message.

use sha2::{Digest, Sha256};
use sync_core::{
    ids::ActorId,
    replica::{Replica, Store as _},
    time::Timestamp,
};

use super::{Phone, meta};
use crate::{PhoneError, store::StoreTx};

impl<T> Phone<T> {
    /// Names the installation by bytes that no backup holds, such as an item of the system's key store that stays on
    /// this device. To be given at each start, before anything else.
    pub fn bind_install(&mut self, installation: &[u8]) {
        self.installation = Some(installation.to_vec());
        self.install_checked = false;
    }

    /// Where the store lies now, each as far as it is known.
    pub(super) fn install_now(&self) -> Install {
        let app = self.installation.as_deref();
        Install([
            (meta::INSTALL_FILE, self.store.file_mark()),
            (meta::INSTALL_APP, app.map(|app| Sha256::digest(app).into())),
        ])
    }

    /// Gives a copied store a new actor: what is pending is issued again under it. Once for each opening.
    pub(super) fn check_install(&mut self) -> Result<(), PhoneError> {
        if self.install_checked {
            return Ok(());
        }
        if self.store.tombstone()?.is_some() {
            self.install_checked = true;
            return Ok(());
        }
        let here = self.install_now();
        let (is_enrolled, is_known) = self
            .store
            .read::<_, PhoneError>(|tx| Ok((tx.state()?.is_some(), here.is_known(tx)?)))?;
        if !is_enrolled || is_known {
            self.install_checked = is_enrolled;
            return Ok(());
        }
        let (now, fresh) = (self.seam.now(), ActorId(self.seam.random()));
        let moved = self.store.write::<_, PhoneError>(|tx| {
            // Another process may have been faster.
            let moved = here.differs(tx)?;
            if moved {
                count_as_copied(tx, fresh, now)?;
            }
            here.note(tx)?;
            Ok(moved)
        })?;
        if moved {
            self.token = None;
        }
        self.install_checked = true;
        Ok(())
    }

    /// Notes that the person has signed in on the store as it is here.
    pub(super) fn settle_install(here: &Install, tx: &mut StoreTx<'_>) -> Result<(), PhoneError> {
        tx.delete_meta(meta::COPIED)?;
        here.note(tx)
    }
}

/// Where a store lies: the file, and the installation of the app, under the keys at which they are noted. They are
/// compared one by one and only where both are known, so that an app which begins to name its installation is no copy.
pub(super) struct Install([(&'static str, Option<[u8; 32]>); 2]);

impl Install {
    fn known(&self) -> impl Iterator<Item = (&'static str, [u8; 32])> + '_ {
        self.0.iter().filter_map(|(key, mark)| Some((*key, (*mark)?)))
    }

    /// Whether all of it is as it was noted.
    fn is_known(&self, tx: &mut StoreTx<'_>) -> Result<bool, PhoneError> {
        for (key, mark) in self.known() {
            if tx.meta(key)?.as_deref() != Some(&mark[..]) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether something else was noted.
    fn differs(&self, tx: &mut StoreTx<'_>) -> Result<bool, PhoneError> {
        for (key, mark) in self.known() {
            if tx.meta(key)?.is_some_and(|noted| noted[..] != mark[..]) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn note(&self, tx: &mut StoreTx<'_>) -> Result<(), PhoneError> {
        for (key, mark) in self.known() {
            tx.put_meta(key, &mark)?;
        }
        Ok(())
    }
}

/// From now on this store writes under a new actor, and does not speak to the server before its person has signed in.
pub(super) fn count_as_copied(tx: &mut StoreTx<'_>, fresh: ActorId, now: Timestamp) -> Result<(), PhoneError> {
    Replica::open(tx)?.take_actor(fresh, now)?;
    tx.put_meta(meta::COPIED, &[1])?;
    Ok(tx.delete_meta(meta::TOKEN)?)
}

/// What a person is told whose phone is a copy.
pub(super) fn copied() -> PhoneError {
    PhoneError::SignInRequired(
        "this phone's data was copied or put back from a backup; sign in on it again with enroll, nothing recorded on it is \
         lost"
            .to_owned(),
    )
}
