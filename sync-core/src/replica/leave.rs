//! How a phone ends: the server's order to erase everything, a person who logs out, and the lease by which a phone that
//! does not reach its server locks itself.

use crate::{
    directory::lease_days_of,
    protocol::message::WipeOrder,
    seeded::{Bug, seeded},
    time::Timestamp,
};

use super::{Replica, ReplicaError, ReplicaResult, Standing, Store, SyncProgress};

/// How much later than the latest time written down a time is before it is written: a look at a list is no write.
const TIME_GRAIN_MS: i64 = 60_000;
/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3600 * 1000;

impl<S: Store> Replica<'_, S> {
    /// How many changes and requests the server has not settled.
    ///
    /// # Errors
    /// The store's.
    pub fn count_unsent(&mut self) -> ReplicaResult<usize, S> {
        let changes = self.store.outbox_count(None).map_err(ReplicaError::Store)?;
        let intents = self.store.pending_intents(None).map_err(ReplicaError::Store)?;
        Ok(changes + intents.len())
    }

    /// Follows the order to erase everything, if it is this device's and nothing here is unsent: what was recorded
    /// while the answer was on its way goes out first, and the server says it again.
    pub(super) fn handle_wipe(&mut self, order: &WipeOrder, progress: &mut SyncProgress) -> ReplicaResult<(), S> {
        if order.device == self.state.device && (self.count_unsent()? == 0 || seeded(Bug::WipedBeforeDrained)) {
            self.state.standing = Standing::Wiped;
            progress.wipe = Some(order.clone());
        }
        Ok(())
    }

    /// The person logs out: from now on nobody works here, and the shell erases everything. Gives how much unsent work
    /// is lost by it.
    ///
    /// # Errors
    /// [`ReplicaError::Unsent`] if there is any and `discard` does not say that it may be lost.
    pub fn log_out(&mut self, discard: bool) -> ReplicaResult<usize, S> {
        let unsent = self.count_unsent()?;
        if unsent > 0 && !discard {
            return Err(ReplicaError::Unsent(unsent));
        }
        self.state.standing = Standing::Wiped;
        self.save()?;
        Ok(unsent)
    }

    /// The person has signed in again: the lease begins anew.
    ///
    /// # Errors
    /// The store's.
    pub fn unlock(&mut self, standing: Standing, now: Timestamp) -> ReplicaResult<(), S> {
        self.renew_lease(now);
        self.state.standing = standing;
        self.save()
    }

    /// Leaves out so many numbers of messages: another store may have sent some as the same device.
    ///
    /// # Errors
    /// The store's.
    pub fn skip_messages(&mut self, count: u64) -> ReplicaResult<(), S> {
        self.state.message = self.state.message.saturating_add(count);
        self.save()
    }

    /// Notes how late it is, so that a clock that is set, back or forth, does not make the lease longer.
    ///
    /// # Errors
    /// The store's.
    pub fn note_time(&mut self, now: Timestamp) -> ReplicaResult<(), S> {
        if self.state.is_news(now) {
            self.state.take_time(now);
            self.save()?;
        }
        Ok(())
    }

    pub(super) fn renew_lease(&mut self, now: Timestamp) {
        self.state.last_contact = now;
        self.state.latest_time = now;
    }

    pub(super) fn take_lease(&mut self, directory: &[u8]) {
        if let Some(days) = lease_days_of(directory) {
            self.state.lease_ms = i64::from(days) * DAY_MS;
        }
    }
}

impl super::DeviceState {
    /// Whether this time is worth a write: it is noticeably later than the latest or before it, or the lease has just run
    /// out.
    #[must_use]
    pub fn is_news(&self, now: Timestamp) -> bool {
        now.since_ms(self.latest_time).abs() > TIME_GRAIN_MS
            || (now > self.lease_until() && self.latest_time <= self.lease_until())
    }

    /// The clock says so. If it was set back, the last contact moves with it, so that the time that has passed since is
    /// kept; and it was no later than the server then said, in case the clock had been ahead.
    fn take_time(&mut self, now: Timestamp) {
        let passed = self.latest_time.since_ms(self.last_contact);
        let by_server = self.last_contact.plus_ms(-self.clock_offset_ms);
        if now < self.latest_time {
            self.last_contact = now.plus_ms(-passed).min(by_server);
            self.clock_offset_ms = self.last_contact.since_ms(by_server);
        }
        self.latest_time = now;
    }
}
