//! What screens list: customers, outbox, tray, counts, photos.

use std::collections::BTreeMap;

use rusqlite::params;
use sync_core::{
    document::Kind,
    ids::{CustomerId, DocumentId},
    projection::Query,
    replica::{AccessRow, IntentRow, OutboxEntry, TrayEntry},
    time::Timestamp,
};

use super::{
    StoreError, StoreTx,
    columns::{self as c, Bytes},
    rows,
};

/// A customer in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerEntry {
    /// Assignment and rights.
    pub access: AccessRow,
    /// The card's fields; empty until it has come.
    pub card: serde_json::Map<String, serde_json::Value>,
}

/// An intent that is not decided yet.
pub type IntentEntry = IntentRow;

/// What a list shows beside a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CustomerMarks {
    /// Changes and intents without a final verdict.
    pub pending: u32,
    /// Entries of the tray.
    pub refused: u32,
    /// Documents with fields that have two values.
    pub conflicts: u32,
    /// When somebody last visited, or recorded a follow-up.
    pub last_contact: Option<Timestamp>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreCounts {
    /// Changes and intents without a final verdict.
    pub pending: usize,
    /// Entries of the tray.
    pub refused: usize,
    /// Customers shown.
    pub customers: usize,
    /// Documents held.
    pub documents: usize,
    /// Photos that are not uploaded.
    pub photos: usize,
}

impl StoreTx<'_> {
    /// The customers in whose documents all words of the query occur; all of them without one. By name.
    ///
    /// # Errors
    /// [`StoreError`], here and below.
    pub fn customers(&mut self, query: Option<&str>) -> Result<Vec<CustomerEntry>, StoreError> {
        let rows = self.all(
            "SELECT access.*, card.fields AS card, \
             CASE WHEN ?1 THEN (SELECT group_concat(d.search, char(10)) FROM document AS d \
             WHERE d.customer = access.customer) END AS words \
             FROM access LEFT JOIN document AS card ON card.customer = access.customer AND card.kind = 1 \
             WHERE access.rights <> 0 OR access.provisional IS NOT NULL",
            [query.is_some()],
            |row| {
                let card: Option<String> = row.get("card")?;
                let words: Option<String> = row.get("words")?;
                Ok((rows::access(row)?, card, words))
            },
        )?;
        let query = query.map(Query::parse);
        let mut customers = Vec::new();
        for (access, card, words) in rows {
            if query
                .as_ref()
                .is_some_and(|query| !query.matches(words.as_deref().unwrap_or_default()))
            {
                continue;
            }
            let card = card.map_or_else(|| Ok(serde_json::Map::new()), |json| serde_json::from_str(&json));
            let card = card.map_err(|_| StoreError::Damaged("a card"))?;
            customers.push(CustomerEntry { access, card });
        }
        let name = |entry: &CustomerEntry| {
            let name = entry.card.get("name").and_then(serde_json::Value::as_str);
            (name.unwrap_or_default().to_owned(), entry.access.customer)
        };
        customers.sort_by_cached_key(name);
        Ok(customers)
    }

    /// What a list shows beside the customers that have something to show.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn customer_marks(&mut self) -> Result<BTreeMap<CustomerId, CustomerMarks>, StoreError> {
        // A visit that is only planned is no contact yet.
        let rows = self.all(
            "SELECT customer, sum(pending) AS pending, sum(refused) AS refused, sum(conflicts) AS conflicts, \
             max(contact) AS contact FROM ( \
             SELECT customer, 1 AS pending, 0 AS refused, 0 AS conflicts, NULL AS contact FROM outbox \
             UNION ALL SELECT customer, 1, 0, 0, NULL FROM intent WHERE outcome = 'pending' \
             UNION ALL SELECT customer, 0, 1, 0, NULL FROM tray \
             UNION ALL SELECT customer, 0, 0, conflicts IS NOT NULL, CASE kind WHEN ?1 THEN \
             json_extract(fields, '$.started_at') WHEN ?2 THEN created_at END FROM document WHERE NOT gone \
             ) GROUP BY customer",
            params![Kind::Visit.number(), Kind::FollowUp.number()],
            |row| {
                let marks = CustomerMarks {
                    pending: row.get("pending")?,
                    refused: row.get("refused")?,
                    conflicts: row.get("conflicts")?,
                    last_contact: c::time_or_none(row, "contact")?,
                };
                Ok((c::id(row, "customer")?, marks))
            },
        )?;
        Ok(rows.into_iter().collect())
    }

    /// The whole outbox, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn outbox(&mut self) -> Result<Vec<OutboxEntry>, StoreError> {
        self.all_checked("SELECT * FROM outbox ORDER BY id", [], rows::outbox)
    }

    /// The whole tray, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tray(&mut self) -> Result<Vec<TrayEntry>, StoreError> {
        self.all_checked("SELECT * FROM tray ORDER BY id", [], rows::tray)
    }

    /// Takes an entry out of the tray: somebody has dealt with it. `false` if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn dismiss_tray(&mut self, id: i64) -> Result<bool, StoreError> {
        let there = self.count("SELECT count(*) FROM tray WHERE id = ?1", [id])? > 0;
        self.run("DELETE FROM tray WHERE id = ?1", [id])?;
        Ok(there)
    }

    /// How much there is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn counts(&mut self) -> Result<StoreCounts, StoreError> {
        Ok(StoreCounts {
            pending: self.count(
                "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM intent WHERE outcome = 'pending')",
                [],
            )?,
            refused: self.count("SELECT count(*) FROM tray", [])?,
            customers: self.count(
                "SELECT count(*) FROM access WHERE rights <> 0 OR provisional IS NOT NULL",
                [],
            )?,
            documents: self.count("SELECT count(*) FROM document", [])?,
            photos: self.count("SELECT count(*) FROM attachment WHERE state = 'pending'", [])?,
        })
    }

    /// Whether entries of a document are in the outbox, and in the tray.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn pending_and_refused(&mut self, document: DocumentId) -> Result<(bool, bool), StoreError> {
        let found = self.one(
            "SELECT EXISTS (SELECT 1 FROM outbox WHERE document = ?1), \
             EXISTS (SELECT 1 FROM tray WHERE document = ?1)",
            [document.bytes()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(found.unwrap_or_default())
    }

    /// Remembers a photo that a document names and that is not uploaded yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_attachment(
        &mut self,
        document: DocumentId,
        hash: [u8; 32],
        bytes: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO attachment (document, hash, bytes, state, added_at) VALUES (?1, ?2, ?3, 'pending', ?4) \
             ON CONFLICT DO NOTHING",
            params![document.bytes(), hash, c::number(bytes), now.0],
        )
    }

    /// Hashes of photos whose documents are no longer here; they are forgotten.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn take_orphaned_attachments(&mut self) -> Result<Vec<[u8; 32]>, StoreError> {
        let orphans = self.all(
            "SELECT DISTINCT hash FROM attachment AS a WHERE NOT EXISTS (SELECT 1 FROM attachment AS b \
             JOIN document ON document.id = b.document WHERE b.hash = a.hash)",
            [],
            |row| row.get(0),
        )?;
        self.run(
            "DELETE FROM attachment WHERE document NOT IN (SELECT id FROM document)",
            [],
        )?;
        Ok(orphans)
    }

    /// Every customer that is known here, shown or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn known_customers(&mut self) -> Result<Vec<CustomerId>, StoreError> {
        self.all("SELECT customer FROM access ORDER BY customer", [], |row| {
            c::id(row, "customer")
        })
    }

    /// Every document that is here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn known_documents(&mut self) -> Result<Vec<DocumentId>, StoreError> {
        self.all("SELECT id FROM document ORDER BY id", [], |row| c::id(row, "id"))
    }
}
