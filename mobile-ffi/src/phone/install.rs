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

    /// Where the store lies now; none where nothing tells.
    fn install(&self) -> Option<[u8; 32]> {
        let file = self.store.file_mark();
        if file.is_none() && self.installation.is_none() {
            return None;
        }
        let hash = Sha256::new()
            .chain_update(file.unwrap_or_default())
            .chain_update(self.installation.as_deref().unwrap_or_default());
        Some(hash.finalize().into())
    }

    /// Gives a copied store a new actor: what is pending is issued again under it. Once for each opening.
    pub(super) fn check_install(&mut self) -> Result<(), PhoneError> {
        if self.install_checked {
            return Ok(());
        }
        let (Some(here), None) = (self.install(), self.store.tombstone()?) else {
            self.install_checked = true;
            return Ok(());
        };
        let known = self
            .store
            .read::<_, PhoneError>(|tx| Ok((tx.state()?.is_some(), tx.meta(meta::INSTALL)?)))?;
        if !known.0 || known.1.as_deref() == Some(&here[..]) {
            self.install_checked = known.0;
            return Ok(());
        }
        let (now, fresh) = (self.seam.now(), ActorId(self.seam.random()));
        self.store.write::<_, PhoneError>(|tx| {
            // Another process may have been faster.
            let known = tx.meta(meta::INSTALL)?;
            if known.as_ref().is_some_and(|known| known[..] != here[..]) {
                Replica::open(tx)?.take_actor(fresh, now)?;
                tx.put_meta(meta::COPIED, &[1])?;
                tx.delete_meta(meta::TOKEN)?;
            }
            Ok(tx.put_meta(meta::INSTALL, &here)?)
        })?;
        self.token = None;
        self.install_checked = true;
        Ok(())
    }

    /// Notes that the person has signed in on the store as it is here.
    pub(super) fn settle_install(here: Option<[u8; 32]>, tx: &mut StoreTx<'_>) -> Result<(), PhoneError> {
        tx.delete_meta(meta::COPIED)?;
        if let Some(here) = here {
            tx.put_meta(meta::INSTALL, &here)?;
        }
        Ok(())
    }

    pub(super) fn install_now(&self) -> Option<[u8; 32]> {
        self.install()
    }
}

/// What a person is told whose phone is a copy.
pub(super) fn copied() -> PhoneError {
    PhoneError::SignInRequired(
        "this phone's data was copied or put back from a backup; sign in on it again with enroll, nothing recorded on it is \
         lost"
            .to_owned(),
    )
}
