//! Writing to the log, to the read model beside it, and to what is sent of both.

use sqlx::QueryBuilder;
use sync_core::{ids::OrgId, time::Timestamp};

use super::{DocumentWrite, NewChange};
use crate::storage::{StorageError, Tx, feeds, on, packed, sizes::pieces};

/// Appends what was decided: places from `first_seq` on, one for each change, each document's in one block.
///
/// The caller holds the counter and has compared the versions.
///
/// # Errors
/// The driver's.
pub async fn append(
    tx: &mut Tx,
    org: OrgId,
    first_seq: i64,
    received_at: Timestamp,
    writes: &[&DocumentWrite],
) -> Result<(), StorageError> {
    let mut seq = first_seq;
    let placed: Vec<(i64, &DocumentWrite)> = writes
        .iter()
        .map(|write| {
            let first = seq;
            seq += write.changes.len() as i64;
            (first, *write)
        })
        .collect();
    let (new, existing): (Vec<_>, Vec<_>) = placed
        .iter()
        .copied()
        .partition(|(_, write)| write.expected_version == 0);
    for piece in pieces(&new) {
        insert_documents(tx, org, received_at, piece, "").await?;
    }
    for piece in pieces(&existing) {
        insert_documents(tx, org, received_at, piece, IN_PLACE).await?;
    }
    insert_changes(tx, org, received_at, &placed).await?;
    packed::append(tx, org, received_at, &placed).await?;
    feeds::append(tx, org, &placed).await
}

/// What a write does to a document that is there: many are written with one statement.
const IN_PLACE: &str = " ON CONFLICT (org_id, document_id) DO UPDATE SET version = document.version + excluded.version, \
     last_seq = excluded.last_seq, fields = excluded.fields, conflicts = excluded.conflicts, \
     checked_in_by = excluded.checked_in_by, external_id = COALESCE(excluded.external_id, document.external_id)";

async fn insert_documents(
    tx: &mut Tx,
    org: OrgId,
    received_at: Timestamp,
    writes: &[(i64, &DocumentWrite)],
    otherwise: &'static str,
) -> Result<(), StorageError> {
    on!(tx, |connection| {
        let mut query = QueryBuilder::new(
            "INSERT INTO document (org_id, document_id, customer_id, kind, generation, author_id, device_id, \
             responsible_id, version, first_seq, last_seq, created_at, received_at, late, checked_in_by, external_id, \
             fields, conflicts) ",
        );
        query.push_values(writes, |mut row, (first, write)| {
            row.push_bind(org.0)
                .push_bind(write.document.0)
                .push_bind(write.customer.0)
                .push_bind(i16::from(write.kind.number()))
                .push_bind(0_i64)
                .push_bind(write.author.0)
                .push_bind(write.device.map(|device| device.0))
                .push_bind(write.responsible.map(|user| user.0))
                .push_bind(write.changes.len() as i64)
                .push_bind(*first)
                .push_bind(*first + write.changes.len() as i64 - 1)
                .push_bind(write.created_at.0)
                .push_bind(received_at.0)
                .push_bind(write.late)
                .push_bind(write.checked_in_by.map(|user| user.0))
                .push_bind(write.external_id.as_deref())
                .push_bind(write.fields.as_str())
                .push_bind(write.conflicts.as_deref());
        });
        query.push(otherwise);
        query.build().execute(connection).await.map(drop)
    })
}

async fn insert_changes(
    tx: &mut Tx,
    org: OrgId,
    received_at: Timestamp,
    placed: &[(i64, &DocumentWrite)],
) -> Result<(), StorageError> {
    let rows: Vec<(i64, &DocumentWrite, &NewChange)> = placed
        .iter()
        .flat_map(|(first, write)| {
            write
                .changes
                .iter()
                .enumerate()
                .map(move |(index, change)| (first + index as i64, *write, change))
        })
        .collect();
    for piece in pieces(&rows) {
        on!(tx, |connection| {
            let mut query = QueryBuilder::new(
                "INSERT INTO change (org_id, document_id, actor, seq, log_seq, customer_id, kind, hash, start_op, \
                 op_count, dependencies, body, author_id, device_id, device_time, received_at, late) ",
            );
            query.push_values(piece, |mut row, (log_seq, write, new)| {
                let built = &new.built;
                let dependencies: Vec<u8> = built.dependency_hashes.iter().flat_map(|hash| hash.0).collect();
                row.push_bind(org.0)
                    .push_bind(write.document.0)
                    .push_bind(&built.change.actor.0[..])
                    .push_bind(built.change.seq.cast_signed())
                    .push_bind(*log_seq)
                    .push_bind(write.customer.0)
                    .push_bind(i16::from(write.kind.number()))
                    .push_bind(&built.hash.0[..])
                    .push_bind(built.start_op.cast_signed())
                    .push_bind(built.change.operations.len() as i64)
                    .push_bind(dependencies)
                    .push_bind(&built.body[..])
                    .push_bind(new.author.0)
                    .push_bind(new.device.map(|device| device.0))
                    .push_bind(built.change.time.0)
                    .push_bind(received_at.0)
                    .push_bind(new.late);
            });
            query.build().execute(connection).await.map(drop)
        })?;
    }
    Ok(())
}
