//! The phones: the engine, store and wire that people have in their hands, and nothing made for measuring.

use std::path::Path;

use anyhow::{Context, ensure};
use mobile_ffi::{HttpTransport, Store, Transport};
use serde_json::{Map, Value as Json};
use sync_core::{
    document::{Document, Edit, Kind, edits_from_json},
    ids::CustomerId,
    replica::Target,
};

use super::{company::PASSWORD, phase::Traffic};

/// A rep's phone.
pub(super) struct Phone {
    phone: mobile_ffi::Phone<HttpTransport>,
    url: String,
    /// What connections that are closed have carried.
    carried: Traffic,
}

impl Phone {
    /// A new phone, with its store in a folder, on which a person signs in.
    pub(super) fn enroll(folder: &Path, url: &str, login: &str) -> anyhow::Result<Self> {
        let store = Store::open(folder)?;
        let mut phone = mobile_ffi::Phone::new(store, HttpTransport::new(url), mobile_ffi::Seam::real());
        phone.enroll(url, login, PASSWORD, "bench").context("enrolling")?;
        Ok(Self {
            phone,
            url: url.to_owned(),
            carried: Traffic::default(),
        })
    }

    /// All that was sent and received so far.
    pub(super) fn traffic(&self) -> Traffic {
        let used = self.phone.transport().traffic();
        self.carried.plus(Traffic {
            round_trips: used.round_trips,
            bytes_up: used.bytes_up,
            bytes_down: used.bytes_down,
        })
    }

    /// Closes its connection: the next sync opens another.
    pub(super) fn disconnect(&mut self) {
        self.carried = self.traffic();
        *self.phone.transport_mut() = HttpTransport::new(&self.url);
    }

    /// Records what was done in a day as one step: new visits, edits of cards.
    pub(super) fn record(
        &mut self,
        visits: &[(CustomerId, Map<String, Json>)],
        cards: &[(CustomerId, Map<String, Json>)],
    ) -> anyhow::Result<()> {
        let mut targets: Vec<(Target, Vec<Edit>)> = Vec::with_capacity(visits.len() + cards.len());
        for (customer, fields) in visits {
            let edits = edits_from_json(Document::new(Kind::Visit).state(), fields)?;
            targets.push((Target::New(*customer, Kind::Visit), edits));
        }
        for (customer, fields) in cards {
            let edits = edits_from_json(Document::new(Kind::Card).state(), fields)?;
            targets.push((Target::Single(*customer, Kind::Card), edits));
        }
        self.phone.record_all(&targets)?;
        Ok(())
    }

    /// Syncs until nothing is left to say or to get.
    pub(super) fn sync(&mut self) -> anyhow::Result<()> {
        let report = self.phone.sync()?;
        let verdicts = report.verdicts;
        let refused = verdicts.quarantined + verdicts.rejected + verdicts.superseded + verdicts.retry;
        ensure!(refused == 0, "not everything was accepted: {verdicts:?}");
        ensure!(report.misfits == 0, "{} documents did not fit", report.misfits);
        Ok(())
    }
}
