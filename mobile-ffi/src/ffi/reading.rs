//! What screens show. All of it is on the phone: no call here waits for the network.

use sync_core::ids::{CustomerId, DocumentId};

use super::{
    Customer, CustomerItem, Document, FieldWrite, OutboxEntry, Phone, PhoneError, PhoneEvent, Status, TrayEntry,
    documents, error::guarded, recording::parse, records,
};

#[uniffi::export]
impl Phone {
    /// The customers on this phone, by name; with a query those in whose documents all its words occur (parts of words
    /// count). The whole list in one call.
    ///
    /// # Errors
    /// `SignInRequired` before enrolment; `StoreFailed`.
    #[uniffi::method(default(query = None))]
    pub fn customers(&self, query: Option<String>) -> Result<Vec<CustomerItem>, PhoneError> {
        let items = self.at_desk(|desk| desk.customers(query.as_deref()))?;
        Ok(items.iter().map(records::customer_item).collect())
    }

    /// A customer with everything of him that this person may read.
    ///
    /// # Errors
    /// `Refused` with `not_found`; `InvalidCall` if the id is none.
    pub fn customer(&self, id: String) -> Result<Customer, PhoneError> {
        let id: CustomerId = parse(&id)?;
        let shown = self.at_desk(|desk| desk.customer(id))?;
        Ok(records::customer(&shown))
    }

    /// A document.
    ///
    /// # Errors
    /// As [`Self::customer`].
    pub fn document(&self, id: String) -> Result<Document, PhoneError> {
        let id: DocumentId = parse(&id)?;
        let shown = self.at_desk(|desk| desk.document(id))?;
        guarded(|| {
            documents::document(&shown).ok_or_else(|| PhoneError::Internal {
                code: "internal".to_owned(),
                reason: "a document without an id".to_owned(),
            })
        })
    }

    /// Who set a field (or `map.entry`) of a document, on which device, when, and when it arrived.
    ///
    /// # Errors
    /// As [`Self::customer`].
    pub fn history(&self, document: String, field: String) -> Result<Vec<FieldWrite>, PhoneError> {
        let document: DocumentId = parse(&document)?;
        let writes = self.at_desk(|desk| desk.history(document, &field))?;
        Ok(writes.iter().map(documents::field_write).collect())
    }

    /// What has no final verdict yet: requests first, then changes in the order of recording.
    ///
    /// # Errors
    /// `StoreFailed`.
    pub fn outbox(&self) -> Result<Vec<OutboxEntry>, PhoneError> {
        let entries = self.at_desk(crate::Phone::outbox)?;
        Ok(entries.iter().map(records::outbox_entry).collect())
    }

    /// What was refused and nobody has dealt with yet.
    ///
    /// # Errors
    /// `StoreFailed`.
    pub fn tray(&self) -> Result<Vec<TrayEntry>, PhoneError> {
        let entries = self.at_desk(crate::Phone::tray)?;
        Ok(entries.iter().map(records::tray_entry).collect())
    }

    /// Takes an entry out of the tray: somebody has dealt with it.
    ///
    /// # Errors
    /// `Refused` with `not_found`.
    pub fn dismiss(&self, entry: i64) -> Result<(), PhoneError> {
        self.at_desk(|desk| desk.dismiss(entry))?;
        self.tell(&PhoneEvent::TrayChanged);
        Ok(())
    }

    /// How this phone stands.
    ///
    /// # Errors
    /// `SignInRequired` before enrolment.
    pub fn status(&self) -> Result<Status, PhoneError> {
        let status = self.at_desk(crate::Phone::status)?;
        Ok(records::status(&status))
    }
}
