//! One open transaction: the engine's store.

use rusqlite::{OptionalExtension, Params, Transaction, params};
use sync_core::{
    ids::{ActorId, CustomerId, DeviceId, DocumentId, IntentId, UserId},
    projection::searchable_text,
    protocol::{compare::HeldDocument, message::Confirmation},
    replica::{
        AccessRow, DeviceState, DocumentRow, InFlight, IntentRow, OutboxEntry, Store, StoredChange, TrayEntry, Wanted,
    },
};

use super::{
    StoreError,
    columns::{self as c, Bytes, blob},
    rows::{self, Read},
};

type Stored<T> = Result<T, StoreError>;

/// One open transaction of a store.
#[derive(Debug)]
pub struct StoreTx<'a>(Transaction<'a>);

impl<'a> StoreTx<'a> {
    pub(super) fn new(transaction: Transaction<'a>) -> Self {
        Self(transaction)
    }

    pub(super) fn commit(self) -> Stored<()> {
        Ok(self.0.commit()?)
    }

    /// A value beside the engine's state: the server's address, the device's key, the token.
    ///
    /// # Errors
    /// [`StoreError`], here and below.
    pub fn meta(&mut self, key: &str) -> Stored<Option<Vec<u8>>> {
        let mut statement = self.0.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
        Ok(statement.query_row([key], |row| row.get(0)).optional()?)
    }

    /// Replaces such a value.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_meta(&mut self, key: &str, value: &[u8]) -> Stored<()> {
        self.run(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            params![key, value],
        )
    }

    /// Removes such a value.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn delete_meta(&mut self, key: &str) -> Stored<()> {
        self.run("DELETE FROM meta WHERE key = ?1", [key])
    }

    pub(super) fn run(&mut self, sql: &str, params: impl Params) -> Stored<()> {
        self.0.prepare_cached(sql)?.execute(params)?;
        Ok(())
    }

    pub(super) fn one<T>(
        &mut self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Stored<Option<T>> {
        Ok(self.0.prepare_cached(sql)?.query_row(params, read).optional()?)
    }

    pub(super) fn all<T>(
        &mut self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Stored<Vec<T>> {
        let mut statement = self.0.prepare_cached(sql)?;
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<rusqlite::Result<Vec<T>>>()?)
    }

    pub(super) fn all_checked<T>(
        &mut self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> Read<T>,
    ) -> Stored<Vec<T>> {
        self.all(sql, params, read)?.into_iter().collect()
    }

    pub(super) fn count(&mut self, sql: &str, params: impl Params) -> Stored<usize> {
        let count: i64 = self.one(sql, params, |row| row.get(0))?.unwrap_or(0);
        Ok(usize::try_from(count).unwrap_or(0))
    }
}

impl Store for StoreTx<'_> {
    type Error = StoreError;

    fn state(&mut self) -> Stored<Option<DeviceState>> {
        let Some(bytes) = self.meta("state")? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|_| StoreError::Damaged("the phone's state"))
    }

    fn put_state(&mut self, state: &DeviceState) -> Stored<()> {
        let bytes = serde_json::to_vec(state).map_err(|_| StoreError::Damaged("the phone's state"))?;
        self.put_meta("state", &bytes)
    }

    fn in_flight(&mut self) -> Stored<Option<InFlight>> {
        let bytes = self.meta("in_flight")?;
        bytes
            .map(|bytes| c::unpacked(&bytes, "the message on its way"))
            .transpose()
    }

    fn put_in_flight(&mut self, in_flight: Option<&InFlight>) -> Stored<()> {
        match in_flight {
            Some(in_flight) => self.put_meta("in_flight", &c::packed(in_flight)),
            None => self.delete_meta("in_flight"),
        }
    }

    fn put_directory(&mut self, directory: &[u8]) -> Stored<()> {
        self.put_meta("directory", directory)
    }

    fn document(&mut self, id: DocumentId) -> Stored<Option<DocumentRow>> {
        self.one("SELECT * FROM document WHERE id = ?1", [id.bytes()], rows::document)?
            .transpose()
    }

    fn put_document(&mut self, row: &DocumentRow) -> Stored<()> {
        let fields = serde_json::Value::Object(row.fields.clone());
        let conflicts = (!row.conflicts.is_empty()).then(|| serde_json::to_string(&row.conflicts).unwrap_or_default());
        self.run(
            "INSERT INTO document (id, customer, kind, author, device, responsible, created_at, received_at, late, \
             gone, checked_in_by, fields, conflicts, search) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
             ON CONFLICT (id) DO UPDATE SET customer = excluded.customer, kind = excluded.kind, \
             author = excluded.author, device = excluded.device, responsible = excluded.responsible, \
             created_at = excluded.created_at, received_at = excluded.received_at, late = excluded.late, \
             gone = excluded.gone, checked_in_by = excluded.checked_in_by, fields = excluded.fields, \
             conflicts = excluded.conflicts, search = excluded.search",
            params![
                row.id.bytes(),
                row.customer.bytes(),
                row.kind,
                blob(row.author.as_ref()),
                blob(row.device.as_ref()),
                blob(row.responsible.as_ref()),
                row.created_at.0,
                row.received_at.map(|at| at.0),
                row.late,
                row.gone,
                blob(row.checked_in_by.as_ref()),
                fields.to_string(),
                conflicts,
                searchable_text(&fields),
            ],
        )
    }

    fn documents_of(&mut self, customer: CustomerId) -> Stored<Vec<DocumentRow>> {
        self.all_checked(
            "SELECT * FROM document WHERE customer = ?1 ORDER BY created_at, id",
            [customer.bytes()],
            rows::document,
        )
    }

    fn delete_document(&mut self, id: DocumentId) -> Stored<()> {
        self.delete_changes(id)?;
        self.run("DELETE FROM document WHERE id = ?1", [id.bytes()])
    }

    fn gone_documents(&mut self) -> Stored<Vec<DocumentId>> {
        self.all("SELECT id FROM document WHERE gone", [], |row| c::id(row, "id"))
    }

    fn changes(&mut self, document: DocumentId) -> Stored<Vec<StoredChange>> {
        self.all(
            "SELECT * FROM change WHERE document = ?1 ORDER BY place",
            [document.bytes()],
            rows::change,
        )
    }

    fn append_changes(&mut self, document: DocumentId, changes: &[StoredChange]) -> Stored<()> {
        for change in changes {
            self.run(
                "INSERT INTO change (document, place, actor, seq, hash, body, author, device, received_at, late) \
                 SELECT ?1, coalesce(max(place), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 \
                 FROM change WHERE document = ?1 \
                 ON CONFLICT (document, actor, seq) DO NOTHING",
                params![
                    document.bytes(),
                    change.id.actor.bytes(),
                    c::number(change.id.seq),
                    change.hash.bytes(),
                    change.body,
                    blob(change.author.as_ref()),
                    blob(change.device.as_ref()),
                    change.received_at.map(|at| at.0),
                    change.late,
                ],
            )?;
        }
        Ok(())
    }

    fn delete_changes(&mut self, document: DocumentId) -> Stored<()> {
        self.run("DELETE FROM change WHERE document = ?1", [document.bytes()])
    }

    fn held(&mut self) -> Stored<Vec<HeldDocument>> {
        let rows: Vec<(DocumentId, ActorId, u64)> = self.all(
            "SELECT c.document, c.actor, MAX(c.seq) AS seq FROM change c JOIN document d ON d.id = c.document \
             WHERE NOT d.gone AND c.actor <> zeroblob(16) GROUP BY c.document, c.actor ORDER BY c.document",
            [],
            |row| Ok((c::id(row, "document")?, c::id(row, "actor")?, c::counter(row, "seq")?)),
        )?;
        let documents = rows.chunk_by(|one, other| one.0 == other.0);
        let held = documents.map(|rows| HeldDocument::new(rows[0].0, rows.iter().map(|row| (row.1, row.2))));
        Ok(held.filter(|held| !held.actors.is_empty()).collect())
    }

    fn documents_by_actors(&mut self, actors: &[ActorId]) -> Stored<Vec<DocumentId>> {
        let mut documents = Vec::new();
        for actor in actors {
            let found: Vec<DocumentId> = self.all(
                "SELECT DISTINCT document FROM change WHERE actor = ?1",
                [actor.bytes()],
                |row| c::id(row, "document"),
            )?;
            documents.extend(found);
        }
        documents.sort_unstable();
        documents.dedup();
        Ok(documents)
    }

    fn push_outbox(&mut self, entry: &OutboxEntry) -> Stored<i64> {
        self.run(
            "INSERT INTO outbox (document, customer, kind, actor, seq, hash, body, edits, at, with_hash, hold, \
             chain, reoffer, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            params![
                entry.document.bytes(),
                entry.customer.bytes(),
                entry.kind.number(),
                entry.change.actor.bytes(),
                c::number(entry.change.seq),
                entry.hash.bytes(),
                entry.body,
                c::packed(&entry.edits),
                entry.at.0,
                entry.with_hash,
                entry.hold,
                entry.chain,
                entry.reoffer,
                entry.reason,
            ],
        )?;
        Ok(self.0.last_insert_rowid())
    }

    fn update_outbox(&mut self, entry: &OutboxEntry) -> Stored<()> {
        self.run(
            "UPDATE outbox SET with_hash = ?2, hold = ?3, chain = ?4, reason = ?5 WHERE id = ?1",
            params![entry.id, entry.with_hash, entry.hold, entry.chain, entry.reason],
        )
    }

    fn delete_outbox(&mut self, id: i64) -> Stored<()> {
        self.run("DELETE FROM outbox WHERE id = ?1", [id])
    }

    fn outbox_entry(&mut self, id: i64) -> Stored<Option<OutboxEntry>> {
        self.one("SELECT * FROM outbox WHERE id = ?1", [id], rows::outbox)?
            .transpose()
    }

    fn sendable_outbox(&mut self, limit: usize) -> Stored<Vec<OutboxEntry>> {
        self.all_checked(
            "SELECT * FROM outbox WHERE document NOT IN (SELECT document FROM outbox WHERE hold) \
             ORDER BY id LIMIT ?1",
            [c::number(limit as u64)],
            rows::outbox,
        )
    }

    fn outbox_of_document(&mut self, document: DocumentId) -> Stored<Vec<OutboxEntry>> {
        self.all_checked(
            "SELECT * FROM outbox WHERE document = ?1 ORDER BY id",
            [document.bytes()],
            rows::outbox,
        )
    }

    fn outbox_documents(&mut self) -> Stored<Vec<DocumentId>> {
        self.all(
            "SELECT document, min(id) FROM outbox GROUP BY document ORDER BY 2",
            [],
            |row| c::id(row, "document"),
        )
    }

    fn outbox_count(&mut self, customer: Option<CustomerId>) -> Stored<usize> {
        match customer {
            Some(customer) => self.count("SELECT count(*) FROM outbox WHERE customer = ?1", [customer.bytes()]),
            None => self.count("SELECT count(*) FROM outbox", []),
        }
    }

    fn push_tray(&mut self, entry: &TrayEntry) -> Stored<i64> {
        self.run(
            "INSERT INTO tray (document, customer, kind, edits, at, verdict, reason, owner, since) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                blob(entry.document.as_ref()),
                entry.customer.bytes(),
                entry.kind,
                c::packed(&entry.edits),
                entry.at.0,
                entry.verdict,
                entry.reason,
                blob(entry.owner.as_ref()),
                entry.since.map(|at| at.0),
            ],
        )?;
        Ok(self.0.last_insert_rowid())
    }

    fn tray_of_document(&mut self, document: DocumentId) -> Stored<Vec<TrayEntry>> {
        self.all_checked(
            "SELECT * FROM tray WHERE document = ?1 ORDER BY id",
            [document.bytes()],
            rows::tray,
        )
    }

    fn redact_tray(&mut self, customer: CustomerId) -> Stored<()> {
        let nothing = c::packed(&Vec::<sync_core::document::Edit>::new());
        self.run(
            "UPDATE tray SET edits = ?2 WHERE customer = ?1",
            params![customer.bytes(), nothing],
        )
    }

    fn redact_tray_of(&mut self, document: DocumentId) -> Stored<()> {
        let nothing = c::packed(&Vec::<sync_core::document::Edit>::new());
        self.run(
            "UPDATE tray SET edits = ?2 WHERE document = ?1",
            params![document.bytes(), nothing],
        )
    }

    fn put_intent(&mut self, row: &IntentRow) -> Stored<()> {
        self.run(
            "INSERT INTO intent (id, customer, body, outcome, reason, hold) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome, reason = excluded.reason, \
             hold = excluded.hold",
            params![
                row.intent.id.bytes(),
                row.intent.customer.bytes(),
                c::packed(&row.intent),
                row.outcome,
                row.reason,
                row.hold,
            ],
        )
    }

    fn intent(&mut self, id: IntentId) -> Stored<Option<IntentRow>> {
        self.one("SELECT * FROM intent WHERE id = ?1", [id.bytes()], rows::intent)?
            .transpose()
    }

    fn sendable_intents(&mut self, limit: usize) -> Stored<Vec<IntentRow>> {
        self.all_checked(
            "SELECT * FROM intent WHERE outcome = 'pending' AND NOT hold ORDER BY place LIMIT ?1",
            [c::number(limit as u64)],
            rows::intent,
        )
    }

    fn pending_intents(&mut self, customer: Option<CustomerId>) -> Stored<Vec<IntentRow>> {
        match customer {
            Some(customer) => self.all_checked(
                "SELECT * FROM intent WHERE customer = ?1 AND outcome = 'pending' ORDER BY place",
                [customer.bytes()],
                rows::intent,
            ),
            None => self.all_checked(
                "SELECT * FROM intent WHERE outcome = 'pending' ORDER BY place",
                [],
                rows::intent,
            ),
        }
    }

    fn reoffer_intents(&mut self) -> Stored<()> {
        self.run(
            "UPDATE intent SET outcome = 'pending', hold = 0 WHERE outcome = 'accepted'",
            [],
        )
    }

    fn forget_intents(&mut self, customer: CustomerId) -> Stored<()> {
        self.run(
            "DELETE FROM intent WHERE customer = ?1 AND outcome <> 'pending'",
            [customer.bytes()],
        )
    }

    fn release_holds(&mut self) -> Stored<()> {
        self.run("UPDATE outbox SET hold = 0 WHERE hold", [])?;
        self.run("UPDATE intent SET hold = 0 WHERE hold", [])
    }

    fn access(&mut self, customer: CustomerId) -> Stored<Option<AccessRow>> {
        self.one(
            "SELECT * FROM access WHERE customer = ?1",
            [customer.bytes()],
            rows::access,
        )
    }

    fn all_access(&mut self) -> Stored<Vec<AccessRow>> {
        self.all("SELECT * FROM access ORDER BY customer", [], rows::access)
    }

    fn put_access(&mut self, row: &AccessRow) -> Stored<()> {
        self.run(
            "INSERT INTO access (customer, rights, relations, owner, pool, team, version, lost, trim, provisional) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
             ON CONFLICT (customer) DO UPDATE SET rights = excluded.rights, relations = excluded.relations, \
             owner = excluded.owner, pool = excluded.pool, team = excluded.team, version = excluded.version, \
             lost = excluded.lost, trim = excluded.trim, provisional = excluded.provisional",
            params![
                row.customer.bytes(),
                c::number(row.rights.bits()),
                c::relations_number(row.relations),
                blob(row.owner.as_ref()),
                blob(row.pool.as_ref()),
                blob(row.team.as_ref()),
                c::number(row.version),
                row.lost.map(c::number),
                row.trim,
                row.provisional.map(rows::provisional_word),
            ],
        )
    }

    fn delete_access(&mut self, customer: CustomerId) -> Stored<()> {
        self.run("DELETE FROM access WHERE customer = ?1", [customer.bytes()])
    }

    fn unfinished_losses(&mut self) -> Stored<Vec<AccessRow>> {
        self.all(
            "SELECT * FROM access WHERE lost IS NOT NULL OR trim ORDER BY customer",
            [],
            rows::access,
        )
    }

    fn put_confirmation(&mut self, confirmation: Confirmation) -> Stored<()> {
        self.run(
            "INSERT INTO confirmation (customer, lost_seq) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![confirmation.customer.bytes(), c::number(confirmation.lost_seq)],
        )
    }

    fn confirmations(&mut self, limit: usize) -> Stored<Vec<Confirmation>> {
        self.all(
            "SELECT * FROM confirmation ORDER BY customer, lost_seq LIMIT ?1",
            [c::number(limit as u64)],
            |row| {
                Ok(Confirmation {
                    customer: c::id(row, "customer")?,
                    lost_seq: c::counter(row, "lost_seq")?,
                })
            },
        )
    }

    fn delete_confirmations(&mut self, confirmations: &[Confirmation]) -> Stored<()> {
        for confirmation in confirmations {
            self.run(
                "DELETE FROM confirmation WHERE customer = ?1 AND lost_seq = ?2",
                params![confirmation.customer.bytes(), c::number(confirmation.lost_seq)],
            )?;
        }
        Ok(())
    }

    fn wanted(&mut self) -> Stored<Vec<Wanted>> {
        self.all("SELECT * FROM wanted ORDER BY document", [], |row| {
            Ok(Wanted {
                document: c::id(row, "document")?,
                attempts: row.get("attempts")?,
            })
        })
    }

    fn put_wanted(&mut self, wanted: Wanted) -> Stored<()> {
        self.run(
            "INSERT INTO wanted (document, attempts) VALUES (?1, ?2) \
             ON CONFLICT (document) DO UPDATE SET attempts = excluded.attempts",
            params![wanted.document.bytes(), wanted.attempts],
        )
    }

    fn delete_wanted(&mut self, document: DocumentId) -> Stored<()> {
        self.run("DELETE FROM wanted WHERE document = ?1", [document.bytes()])
    }

    fn put_actor(&mut self, actor: ActorId, user: UserId, device: Option<DeviceId>) -> Stored<()> {
        self.run(
            "INSERT INTO actor (actor, user, device) VALUES (?1, ?2, ?3) \
             ON CONFLICT (actor) DO UPDATE SET user = excluded.user, device = excluded.device",
            params![actor.bytes(), user.bytes(), blob(device.as_ref())],
        )
    }

    fn actor(&mut self, actor: ActorId) -> Stored<Option<(UserId, Option<DeviceId>)>> {
        self.one(
            "SELECT user, device FROM actor WHERE actor = ?1",
            [actor.bytes()],
            |row| Ok((c::id(row, "user")?, c::id_or_none(row, "device")?)),
        )
    }
}
