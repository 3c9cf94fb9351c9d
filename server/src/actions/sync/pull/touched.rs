//! What was touched since a cursor: from the feeds of the viewer's scopes, or from the whole log for whoever reads it.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::ids::{CustomerId, DocumentId};

use super::Pull;
use crate::storage::{StorageError, Tx, documents, feeds, ownership};

/// Touched documents read from one feed for one page.
const FEED_ROWS_MAX: i64 = 2_000;
/// What was touched since a cursor.
pub(super) struct Touched {
    /// Each document once, by the place of its first touch.
    pub(super) documents: Vec<(i64, DocumentId)>,
    /// Every place at which one was touched.
    pub(super) places: BTreeSet<(DocumentId, i64)>,
    /// Customers of ownership events.
    pub(super) events: Vec<CustomerId>,
    /// How far this reaches.
    pub(super) upto: i64,
}

impl Pull<'_> {
    /// What was touched since a cursor, but for what this device has just begun itself.
    pub(super) async fn touched(&self, tx: &mut Tx, after: i64) -> Result<Touched, StorageError> {
        let mut upto = self.puller.head;
        let mut places: BTreeSet<(DocumentId, i64)> = BTreeSet::new();
        let mut events = Vec::new();
        let mut lists = Vec::new();
        if self.reads_log() {
            let log = documents::list_log(tx, self.org(), after, FEED_ROWS_MAX).await?;
            lists.push(
                log.into_iter()
                    .map(|entry| (entry.log_seq, DocumentId(entry.document_id)))
                    .collect(),
            );
            let places = ownership::list_event_places(tx, self.org(), after, FEED_ROWS_MAX).await?;
            if places.len() as i64 == FEED_ROWS_MAX {
                upto = upto.min(places.last().map_or(upto, |(seq, _, _)| *seq));
            }
            events = places.iter().map(|(_, customer, _)| *customer).collect();
            lists.push(
                places
                    .into_iter()
                    .filter_map(|(seq, _, document)| Some((seq, document?)))
                    .collect(),
            );
        }
        lists.extend(feeds::list(tx, self.org(), &self.feeds(), after, FEED_ROWS_MAX).await?);
        for list in lists {
            if list.len() as i64 == FEED_ROWS_MAX {
                // The last one's block may reach beyond what was read.
                let (last, document) = list[list.len() - 1];
                let begins = list
                    .iter()
                    .find(|(_, other)| *other == document)
                    .map_or(last, |(seq, _)| *seq);
                upto = upto.min(begins.max(after + 2) - 1);
            }
            places.extend(list.into_iter().map(|(seq, document)| (document, seq)));
        }
        if let Some(begun) = self.begun {
            places.retain(|(document, place)| !(begun.places.contains(place) && begun.documents.contains(document)));
        }
        let mut first: BTreeMap<DocumentId, i64> = BTreeMap::new();
        for (document, place) in &places {
            first.entry(*document).or_insert(*place);
        }
        let mut documents: Vec<(i64, DocumentId)> = first
            .into_iter()
            .filter(|(_, seq)| *seq <= upto)
            .map(|(document, seq)| (seq, document))
            .collect();
        documents.sort_unstable();
        Ok(Touched {
            documents,
            places,
            events,
            upto,
        })
    }
}
